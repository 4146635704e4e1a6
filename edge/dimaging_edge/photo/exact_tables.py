"""Tables of probabilities of exact pixels: 40 widths of 3 shapes, made by whole numbers alone.

With r = RATIOS[width] and a_0 = 2^24, a_(j+1) = floor(a_j r / 65536), the weight of +-j is

    shape 0    a_j                                      two-sided geometric
    shape 1    floor(2^48 a_j / (2^24 + a_j)^2)         logistic
    shape 2    a_j + floor(a'_j / 20)                   with a heavy tail; a' as a, with RATIOS[width + 8]

for j to 511; s is the sum over -511 to 511. Symbols reach to the last j of at most 127 with 4096 weight >= s,
at least to 1; ESCAPE has the weight of all others, at least floor(s / 4096) and 1. A weight is at least 1,
and `frequencies.normalise` makes the sum 4096.
"""

from functools import lru_cache

import numpy as np

from dimaging_edge.entropy.frequencies import normalise
from dimaging_edge.photo.symbols import BITS, WIDEST, ScaleTables

RATIOS = (
    1200, 2268, 3874, 6075, 8869, 12192, 15933, 19953, 24109, 28267, 32314, 36162, 39750, 43041, 46019, 48681,
    51039, 53111, 54917, 56484, 57835, 58997, 59992, 60842, 61565, 62181, 62703, 63145, 63520, 63836, 64104,
    64329, 64520, 64681, 64816, 64930, 65026, 65107, 65175, 65232, 65280, 65321, 65355, 65384, 65408, 65428,
    65446, 65460,
)  # fmt: skip
"""65536 exp(-1 / 2^((k - 8) / 4)) for k from 0 to 47."""
WIDTHS, SHAPES = 40, 3
TABLES = WIDTHS * SHAPES
"""The number of tables; table 3 width + shape is row 1 + 3 width + shape of the counts."""
_ONE = 1 << 24
_HALF, _LAST = 127, 511


def _geometric(width: int) -> list[int]:
    found = [_ONE]
    for _ in range(_LAST):
        found.append(found[-1] * RATIOS[width] >> 16)
    return found


def _weights(width: int, shape: int) -> list[int]:
    plain = _geometric(width)
    if shape == 1:
        return [(a << 48) // (_ONE + a) ** 2 for a in plain]
    if shape == 2:
        return [a + b // 20 for a, b in zip(plain, _geometric(width + 8), strict=True)]
    return plain


@lru_cache(maxsize=1)
def exact_tables() -> ScaleTables:
    """Return all tables; made once a process."""
    rows = np.zeros((1 + TABLES, 2 * _HALF + 2), np.uint16)
    for table in range(TABLES):
        weights = _weights(*divmod(table, SHAPES))
        whole = weights[0] + 2 * sum(weights[1:])
        reach = max([1] + [j for j in range(_HALF + 1) if weights[j] << BITS >= whole])
        inside = weights[1 : reach + 1]
        escape = max(whole - weights[0] - 2 * sum(inside), whole >> BITS, 1)
        both = np.array([*inside[::-1], weights[0], *inside, escape], np.int64)
        frequency = normalise(np.maximum(both, 1), BITS)
        rows[1 + table, _HALF - reach : _HALF + reach + 1] = frequency[:-1]
        rows[1 + table, -1] = frequency[-1]
    return ScaleTables(rows, WIDEST)
