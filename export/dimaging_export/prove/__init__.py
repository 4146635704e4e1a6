"""The proof that an exported graph computes what Keras computes."""
