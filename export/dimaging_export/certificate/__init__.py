"""The robustness of a classifier as one more ONNX file: a bound that no attack within eps can pass."""
