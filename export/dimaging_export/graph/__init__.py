"""A graph as data: a Keras model as a list of calls, and an ONNX graph that is swept and checked."""
