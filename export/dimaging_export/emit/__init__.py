"""Emitters write Keras layers as ONNX nodes, channels first; importing this package fills their table."""

from dimaging_export.emit import (
    causal,
    codec,
    frames,
    integer,
    linear,
    mask,
    masked_dense,
    merge,
    nonlinear,
    norm,
    ours,
    pooling,
    sequence,
    shape,
    spatial_lstm,
)
from dimaging_export.emit.table import emit_model, emits

__all__ = [
    "causal",
    "codec",
    "emit_model",
    "emits",
    "frames",
    "integer",
    "linear",
    "mask",
    "masked_dense",
    "merge",
    "nonlinear",
    "norm",
    "ours",
    "pooling",
    "sequence",
    "shape",
    "spatial_lstm",
]
