"""Conversion of Keras to ONNX: layer by layer, or by tf2onnx."""
