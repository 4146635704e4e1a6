"""The weights of a fully visible belief network, cut the way its sampler reads them, row by row.

Hidden units are sorted by degree, the number of pixels that they read. When row r begins, units with a
degree up to its first pixel have read all of theirs: they are `far`. Units with a degree inside the row
still read some: they are `near`, a short window. All others give nothing to this row.
"""

from dataclasses import dataclass

import keras
import numpy as np

from dimaging_tf.layers.masked_dense import MaskedDense, degrees


def is_dense(network: keras.Model) -> bool:
    """Return whether masked dense layers lead from pixel to pixel, as in a fully visible belief network."""
    return any(type(layer) is MaskedDense for layer in network.layers)


@dataclass(frozen=True)
class Weights:
    """Weights of K hidden units and O parameters; those of the H rows are read one row at a time."""

    first: np.ndarray
    """State of an empty image, [K + O]."""
    label: np.ndarray | None
    """What a label adds to the state, [classes, K + O]; None without labels."""
    row: np.ndarray
    """What the pixels of each row add to the state, [H, W C, K (+ O)]."""
    start: np.ndarray
    """Index of the first unit near each row, [H]."""
    near: np.ndarray
    """What units near a row, and its pixels, give to its parameters, [H, near (+ W C), W, count]."""
    far: np.ndarray
    """What units far from a row give to its parameters, [H, K, W count]."""
    units: int
    """Number of hidden units, K."""
    window: int
    """Number of units near a row."""
    direct: bool
    """True where pixels give something to parameters directly, past the hidden units."""


def weights_of(network: keras.Model, height: int, width: int, channels: int) -> Weights:
    """Cut the weights of `dimaging_tf.models.fvbn`'s network for images of this size."""
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
