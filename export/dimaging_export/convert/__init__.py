"""Keras to ONNX: written layer by layer, or by tf2onnx."""
