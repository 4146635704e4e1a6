"""A graph as data: a Keras model as a list of calls, an ONNX graph swept and checked."""
