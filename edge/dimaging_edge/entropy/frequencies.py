"""From a model's integer weights to the frequencies of the entropy coder, in exact arithmetic.

Encoder and decoder must find the same table from the same weights on any machine, so nothing here
is a float. All products stay below 2^48: JavaScript's numbers do the same, as
1 + Math.floor(w * spare / sum).
"""

import numpy as np

from dimaging_edge.common.errors import InputError

LARGEST = 1 << 32
"""The largest weight that a model may give."""


def normalise(weights: np.ndarray, bits: int = 16) -> np.ndarray:
    """Return frequencies, uint32 [..., levels], each 1 or more, with the sum 2^bits.

    `weights` are integers [..., levels], 1 to 2^32. Each symbol gets one slot, and of the other
    2^bits - levels the share floor(weight * spare / sum); what is left goes to the largest weight,
    the first of equals. InputError for other weights, or more levels than slots.
    """
    slots = 1 << bits
    if weights.dtype.kind not in "iu" or weights.ndim < 1 or not weights.size:
        raise InputError(
            "weights: expected integers [..., levels], at least one, "
            f"received {weights.dtype} {weights.shape}"
        )
    levels = weights.shape[-1]
    if levels > slots:
        raise InputError(
            f"weights: expected at most {slots} levels, the slots of {bits} bits, received {levels}"
        )
    low, high = int(weights.min()), int(weights.max())
    if low < 1 or high > LARGEST:
        raise InputError(f"weights: expected 1 to {LARGEST}, received {low} to {high}")
    weights = weights.astype(np.int64, copy=False)
    spare = slots - levels
    if levels == 2:  # the same in fewer steps: half of the time of unpacking went into them
        first, second = weights[..., 0], weights[..., 1]
        small = 1 + np.minimum(first, second) * spare // (first + second)
        owned = np.where(first >= second, slots - small, small)
        return np.stack([owned, slots - owned], -1).astype(np.uint32)
    frequency = 1 + weights * spare // weights.sum(axis=-1, keepdims=True)
    largest = weights.argmax(axis=-1)[..., None]
    rest = slots - frequency.sum(axis=-1, keepdims=True)
    rest += np.take_along_axis(frequency, largest, axis=-1)
    np.put_along_axis(frequency, largest, rest, axis=-1)
    return frequency.astype(np.uint32)


def cumulative(frequency: np.ndarray) -> np.ndarray:
    """Return the first slot of each symbol, uint32 [..., levels]: the sum of those before it."""
    return np.cumsum(frequency, axis=-1, dtype=np.uint32) - frequency.astype(np.uint32)


def find(start: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Return which symbol owns each slot, int64 [...]; `start` [..., levels] from `cumulative`."""
    return np.count_nonzero(start[..., 1:] <= slot[..., None], axis=-1)


def pick(table: np.ndarray, symbol: np.ndarray) -> np.ndarray:
    """Return a table's [..., levels] entries at the symbols [...]."""
    rows = table.reshape(-1, table.shape[-1])  # take_along_axis takes three times as long
    return rows[np.arange(len(rows)), symbol.reshape(-1)].reshape(symbol.shape)
