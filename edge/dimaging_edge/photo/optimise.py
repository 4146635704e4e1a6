"""Which symbol to send: the nearest, or one that costs less than it loses. The decoder need not know.

Rate-distortion optimised quantisation in the space of the latents: with tables of narrow scales (where
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
"""(tables, exact value in 1/256 of a step, scale index) [n] -> symbols [n], clipped afterwards."""
EFFORTS = (0, 1)
WORTH = 20.0
"""Bits for a squared error of one step."""
WIDEST = 8
"""Largest scale index whose symbols are changed."""


def choice(effort: int) -> Choice:
    """How to choose symbols: 0 the nearest, 1 as above. InputError for another effort."""
    if effort not in EFFORTS:
        raise InputError(f"effort: expected 0 or 1, received {effort}")
    return cheaper if effort else nearest


def nearest(scale: ScaleTables, exact: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The usual choice."""
    return (exact + 128) >> 8


def cheaper(scale: ScaleTables, exact: np.ndarray, index: np.ndarray) -> np.ndarray:
    """One step towards 0 where that is worth it."""
    symbol = scale.clip(nearest(scale, exact, index), index)
    near = np.abs(symbol) <= scale.half
    some = (near & (symbol != 0) & (index <= WIDEST)).nonzero()[0]
    s, k, e = symbol[some], index[some], exact[some] / 256
    less = s - np.sign(s)
    saved = (scale.cost[k, s + scale.half] - scale.cost[k, less + scale.half]) / 256
    lost = WORTH * ((e - less) ** 2 - (e - s) ** 2)
    symbol[some] = np.where(saved > lost, less, s)
    return symbol
