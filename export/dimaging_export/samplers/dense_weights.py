"""The weights of a fully visible belief network, cut the way its sampler reads them, row by row.

Hidden units are sorted by degree. When row r begins, those with a degree up to its first pixel know all
that they will ever know: `far`. Those with a degree inside the row are still learning: `near`, a short
window. The rest says nothing to this row.
"""

from dataclasses import dataclass

import keras
import numpy as np

from dimaging_tf.layers.masked_dense import MaskedDense, degrees


def is_dense(network: keras.Model) -> bool:
    """Whether pixels reach each other through masked dense layers, as in a fully visible belief network."""
    return any(type(layer) is MaskedDense for layer in network.layers)


@dataclass(frozen=True)
class Weights:
    """K hidden units, O parameters of H rows; arrays of rows are read one row at a time."""

    first: np.ndarray  # [K + O]: the state of an empty image
    label: np.ndarray | None  # [classes, K + O]: what a label adds
    row: np.ndarray  # [H, W C, K (+ O)]: what a row adds
    start: np.ndarray  # [H]: the first of the units near each row
    near: np.ndarray  # [H, near (+ W C), W, count]: what they, and the pixels of the row, say
    far: np.ndarray  # [H, K, W count]: what the other units say that know enough
    units: int  # K
    window: int  # units near a row
    direct: bool


def weights_of(network: keras.Model, height: int, width: int, channels: int) -> Weights:
    """Of `dimaging_tf.models.fvbn`'s network."""
    layers = {layer.name: layer for layer in network.layers}
    hidden, output = layers["hidden"], layers["output"]
    first = np.concatenate([np.asarray(hidden.bias), np.asarray(output.bias)])
    said = [np.asarray(layers[n].kernel) for n in ("hidden_label", "output_label") if n in layers]
    inputs, speech = (np.asarray(layer.masked_kernel()) for layer in (hidden, output))
    units, pixels = len(speech), height * width * channels
    degree, begin = degrees(units, pixels), np.arange(height) * width * channels
    low, high = (np.searchsorted(degree, x, "right") for x in (begin, begin + width * channels - 1))
    window = max(1, int((high - low).max()))
    start = np.minimum(low, units - window)
    speech = speech.reshape(units, height, width, -1)
    near = np.stack([speech[s : s + window, r] for r, s in enumerate(start)])
    far = np.stack([speech[:, r].reshape(units, -1) for r in range(height)])
    for r, s in enumerate(start):
        far[r, s : s + window] = 0
        far[r, degree > begin[r]] = 0
    if direct := "direct" in layers:
        edges = np.asarray(layers["direct"].masked_kernel())
        inputs = np.concatenate([inputs, edges], 1)
        edges = edges.reshape(height, width * channels, height, width, -1)
        near = np.concatenate([near, np.stack([edges[r, :, r] for r in range(height)])], 1)
    row = inputs.reshape(height, width * channels, -1)
    label = np.concatenate(said, 1) if said else None
    return Weights(first, label, row, start, near, far, units, window, direct)
