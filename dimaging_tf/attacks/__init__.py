"""Attacks inside TensorFlow's graph, for training; the others are on the edge and run on Keras too."""
