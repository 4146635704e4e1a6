"""Keras layers written as ONNX nodes, channels first: importing this package fills the table."""

from dimaging_export.emit import (
    causal,
    codec,
    integer,
    linear,
    masked_dense,
    merge,
    nonlinear,
    norm,
    ours,
    pooling,
    shape,
)
from dimaging_export.emit import sequence as text
from dimaging_export.emit import spatial_lstm as recurrent
from dimaging_export.emit.table import emit_model, emits

__all__ = [
    "causal",
    "codec",
    "emit_model",
    "emits",
    "integer",
    "linear",
    "masked_dense",
    "merge",
    "nonlinear",
    "norm",
    "ours",
    "pooling",
    "recurrent",
    "shape",
    "text",
]
