"""One system of the lecture per file; `dimaging_tf.registry` lists them."""
