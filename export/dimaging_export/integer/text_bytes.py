"""A language model whose recurrent products are made in bytes: three quarters less memory to read a step.

    h [B, H] in [-1, 1] --round to 1/127--> uint8 --MatMulInteger--> int32 --a scale a column--> gates

A step of a writer at batch 1 takes as long as its weights take to come from memory, so bytes are faster, and
at larger batches, too. Weights have 7 bits: then no pair of products leaves 16 bits, in which older
processors add them. The integer-valued twin (`text_twin`) writes the same text everywhere; this one does not.
"""

import numpy as np

from dimaging_tf.layers.lstm import SlideLSTM
from dimaging_tf.sequence.base import LanguageModel

STEPS, MOST = 127, 63
"""Whole numbers that stand for an output of 1, and the largest of a weight."""


def seven_bits(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers int8 [I, O] in -63 ... 63 and a scale [O] for each column; whole * scale is near.

    Weights that are such products already come back as they are.
    """
    largest = np.abs(weights).max(0)
    scale = np.where(largest > 0, largest / MOST, 1).astype(np.float32)
    return np.rint(weights / scale).astype(np.int8), scale


def byte_text_twin(model: LanguageModel) -> LanguageModel:
    """Return a model like `model` whose recurrent products have weights of 7 bits, carried in float32."""
    twin = type(model)(model.config)
    for layer in model.reader.layers:
        weights = [np.asarray(w) for w in layer.get_weights()]
        if not weights:
            continue
        if isinstance(layer, SlideLSTM):
            rounded = range(1 if layer.tokens else 0, 2)  # the table of tokens is no product
            for k in rounded:
                whole, scale = seven_bits(weights[k])
                weights[k] = whole * scale
        twin.reader.get_layer(layer.name).set_weights(weights)
    return twin
