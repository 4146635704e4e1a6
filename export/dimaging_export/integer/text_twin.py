"""The integer-valued twin of a language model: the same text from the same noise on every device.

Weights become whole numbers in steps of 2^-shift, with the finest shift at which no sum can reach 2^24; see
`dimaging_tf.layers.integer_lstm`.
"""

from typing import Any

import keras
import numpy as np

from dimaging_export.errors import ExportError
from dimaging_tf.layers.integer_lstm import (
    FRACTION,
    LARGEST_WEIGHT,
    OUTPUT,
    IntegerLogits,
    IntegerLSTM,
    TokenWeights,
)
from dimaging_tf.layers.lstm import SlideLSTM
from dimaging_tf.sequence.base import LanguageModel

LIMIT = 1 << 24
"""Bound up to which float32 holds every whole number."""
FINEST = 20
"""The finest steps of a sum, 2^-20."""


def integer_text_twin(model: LanguageModel) -> LanguageModel:
    """Return a model like `model` whose reader and step are integer-valued, with the output "weights" too.

    ExportError for a layer without an integer form, and for sums that could reach 2^24 at any precision.
    """
    skipped = keras.layers.InputLayer | keras.layers.Dropout
    *cells, head = [layer for layer in model.reader.layers if not isinstance(layer, skipped)]
    wrong = [x for x in cells if not isinstance(x, SlideLSTM)]
    if wrong or type(head) is not keras.layers.Dense:
        strange = (wrong or [head])[0]
        raise ExportError(
            f"layer {strange.name!r} ({type(strange).__name__}) has no integer form; "
            "export with precision='fp32'"
        )
    chain = [_cell(layer) for layer in cells]
    logits = _logits(head)
    twin = type(model)(model.config)
    twin.largest_output, twin.largest_weight = float(OUTPUT), float(LARGEST_WEIGHT)
    twin.reader = _connect(chain, logits, None, "reader")
    twin.one_step = _connect(chain, logits, 1, "step")
    for layer, (_, weights) in zip(cells, map(_written, cells), strict=True):
        twin.reader.get_layer(layer.name).set_weights(weights)
    twin.reader.get_layer(head.name).set_weights(_finest(head.name, [head.kernel], head.bias)[1])
    return twin


def _connect(cells: list[Any], logits: Any, steps: int | None, name: str) -> keras.Model:
    tokens = keras.Input((steps,), dtype="int32", name="tokens")
    x, inputs, states = tokens, [tokens], {}
    for i, layer in enumerate(cells, 1):
        before = [keras.Input((layer.units,), name=f"{kind}{i}") for kind in "hc"]
        x, *after = layer(x, initial_state=before)
        inputs += before
        states |= {f"{kind}{i}_out": value for kind, value in zip("hc", after, strict=True)}
    scores = logits(x)
    return keras.Model(
        inputs, {"logits": scores, "weights": TokenWeights()(scores), **states}, name=name
    )


def _cell(layer: Any) -> IntegerLSTM:
    shift, _ = _written(layer)
    return IntegerLSTM(layer.units, shift, layer.candidate, layer.tokens, name=layer.name)


def _logits(head: Any) -> IntegerLogits:
    return IntegerLogits(
        head.units, _finest(head.name, [head.kernel], head.bias)[0], name=head.name
    )


def _written(layer: Any) -> tuple[int, list[np.ndarray]]:
    """Return the shift of a cell, and its kernel, recurrent kernel and bias in whole numbers."""
    order = np.arange(4 * layer.units).reshape(4, -1)[[0, 1, 3, 2]].ravel()
    kernel, recurrent, bias = (np.asarray(w)[..., order] for w in layer.get_weights())
    if not layer.tokens:
        return _finest(layer.name, [kernel, recurrent], bias)
    # A token adds one row of the kernel, which is no product: it is worth what the bias is.
    largest = np.abs(kernel).max(0)
    shift, (recurrent, _) = _finest(layer.name, [recurrent], np.abs(bias) + largest)
    return shift, [np.rint(kernel * 2.0**shift), recurrent, np.rint(bias * 2.0**shift)]


def _finest(name: str, kernels: list[Any], bias: Any) -> tuple[int, list[np.ndarray]]:
    """Return the finest shift, and kernels and bias in whole numbers, of a sum of products with outputs h."""
    for shift in range(FINEST, FRACTION + 1, -1):
        whole = [np.rint(np.asarray(w, np.float64) * (2.0**shift / OUTPUT)) for w in kernels]
        offset = np.rint(np.asarray(bias, np.float64) * 2.0**shift)
        bound = sum(np.abs(w).sum(0) for w in whole) * OUTPUT + np.abs(offset) + 2
        if bound.max() < LIMIT:
            return shift, [*whole, offset]
    raise ExportError(
        f"layer {name!r}: its sums could reach 2^24 at any precision of the weights; train with fewer units, "
        "or export with precision='fp32'"
    )
