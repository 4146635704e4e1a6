"""Rate-distortion optimised quantisation: send the nearest symbol, or a cheaper one worth its error.

The decoder needs no change. It happens in the space of the latents: with tables of narrow scales (where
nearly all symbols are 0) a symbol goes one step towards 0 if that saves more bits than WORTH x the rise of
the squared error, in steps. In theory a step of a trained codec is worth 6 to 12 bits (12 / (2 ln 2) for a
fine quantiser, and as measured by pushing single latents). But errors that all point to 0 add up in the
decoder's blocks, so wider scales, such as those of a block's mean, must be left alone, and little is won.
"""

from collections.abc import Callable

import numpy as np

from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.symbols import ScaleTables

Choice = Callable[[ScaleTables, np.ndarray, np.ndarray], np.ndarray]
"""A function of (tables, exact value in 1/256 of a step, scale index), [n] each, that returns symbols [n].

The caller clips them afterwards."""
EFFORTS = (0, 1)
"""The efforts that an encoder knows."""
WORTH = 20.0
"""What a squared error of one step is worth, in bits."""
WIDEST = 8
"""The largest scale index whose symbols are changed."""


def choice(effort: int) -> Choice:
    """Return how to choose symbols: 0 takes the nearest, 1 optimises; InputError for another effort."""
    if effort not in EFFORTS:
        raise InputError(f"effort: expected 0 or 1, received {effort}")
    return cheaper if effort else nearest


def nearest(scale: ScaleTables, exact: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the nearest symbols."""
    return (exact + 128) >> 8


def cheaper(scale: ScaleTables, exact: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the nearest symbols, moved one step towards 0 where that is worth it."""
    symbol = scale.clip(nearest(scale, exact, index), index)
    near = np.abs(symbol) <= scale.half
    some = (near & (symbol != 0) & (index <= WIDEST)).nonzero()[0]
    s, k, e = symbol[some], index[some], exact[some] / 256
    less = s - np.sign(s)
    saved = (scale.cost[k, s + scale.half] - scale.cost[k, less + scale.half]) / 256
    lost = WORTH * ((e - less) ** 2 - (e - s) ** 2)
    symbol[some] = np.where(saved > lost, less, s)
    return symbol
