"""Emitters of what reads captions: the embedding of words, and the GRU as the one op that it is.

tf2onnx turns a Keras GRU into a Loop, which a phone's runtime does not take and every other one runs
several times slower.
"""

from typing import Any

import numpy as np
from keras import activations, layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emits, unsupported
from dimaging_export.emit.values import Value, last_value


@emits(layers.Embedding)
def embedding(b: Builder, layer: Any, tokens: Value) -> Value:
    """Row `token` of the table: int32 [B, T] -> [B, T, D]."""
    table = b.constant(np.asarray(layer.embeddings), "table")
    return last_value(b.node("Gather", table, b.last(tokens)), (*tokens.shape, layer.output_dim))


@emits(layers.GRU)
def gru(b: Builder, layer: Any, x: Value) -> Value:
    """[B, T, D] -> [B, units], or [B, T, units] with `return_sequences`; gates z, r, h on both sides."""
    plain = (
        layer.activation is activations.tanh and layer.recurrent_activation is activations.sigmoid
    )
    if not plain or layer.go_backwards or layer.stateful or layer.return_state:
        raise unsupported(layer, "is no plain GRU (tanh, sigmoid, forwards, without a kept state)")
    units, cell = layer.units, layer.cell
    weights = [np.asarray(w).T[None] for w in (cell.kernel, cell.recurrent_kernel)]
    bias = np.zeros((2, 3 * units), np.float32)
    if cell.use_bias and layer.reset_after:
        bias = np.asarray(cell.bias)  # one for the input, one for the state
    elif cell.use_bias:
        bias[0] = np.asarray(cell.bias)
    names = [b.constant(w, "kernel") for w in weights]
    names.append(b.constant(bias.reshape(1, -1), "bias"))
    time_first = b.node("Transpose", b.last(x), perm=[1, 0, 2])
    reset_after = int(layer.reset_after)
    every, final = b.nodes_of(
        "GRU", [time_first, *names], 2, hidden_size=units, linear_before_reset=reset_after
    )
    if not layer.return_sequences:
        return last_value(b.node("Squeeze", final, b.constant([0], "axes")), (x.shape[0], units))
    every = b.node("Squeeze", every, b.constant([1], "axes"))
    name = b.node("Transpose", every, perm=[1, 0, 2])
    return last_value(name, (*x.shape[:2], units))
