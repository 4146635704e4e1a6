"""TRAIN: the lecture's systems in Keras. Importing this loads neither TensorFlow nor Keras."""

__version__ = "0.1.0"
