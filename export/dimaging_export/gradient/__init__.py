"""The gradient of an exported classifier as one more ONNX file, by a reverse-mode walk over its graph."""
