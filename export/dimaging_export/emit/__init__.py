"""Keras layers written as ONNX nodes, channels first: importing this package fills the table."""

from dimaging_export.emit import linear, merge, nonlinear, norm, ours, pooling, shape
from dimaging_export.emit.table import emit_model, emits

__all__ = [
    "emit_model",
    "emits",
    "linear",
    "merge",
    "nonlinear",
    "norm",
    "ours",
    "pooling",
    "shape",
]
