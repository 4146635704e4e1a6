"""The emitter of the masked dense layer: one Gemm with the masked kernel."""

from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.linear import affine
from dimaging_export.emit.table import emits
from dimaging_export.emit.values import FIRST, Value, last_value
from dimaging_tf.layers.masked_dense import MaskedDense


@emits(MaskedDense)
def masked_dense(b: Builder, layer: Any, x: Value) -> Value:
    """Write one Gemm; the mask is part of its weights."""
    kernel = np.asarray(layer.masked_kernel())
    if x.order is not None and x.layout == FIRST:
        # A flattened map, channels first: the rows of the kernel move instead of the data.
        kernel, source = kernel[x.order], b.first(x)
    else:
        source = b.last(x)

    def emit(kernel: np.ndarray, bias: np.ndarray) -> Value:
        weights, offset = b.constant(kernel, "kernel"), b.constant(bias, "bias")
        return last_value(b.node("Gemm", source, weights, offset), (x.shape[0], layer.units))

    return affine(kernel, layer.bias, emit)
