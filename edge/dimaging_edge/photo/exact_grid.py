"""The order in which exact pixels are coded: coarse to fine, each between pixels that are known already.

A plane is halved six times; at a level the known pixels are those at even rows and columns ("EE", of the
plane with steps of 2^level), and three kinds follow, each all at once:

    kind 0    OO: odd row, odd column       between four corners, EE
    kind 1    EO: even row, odd column      left and right EE, above and below OO
    kind 2    OE: odd row, even column      left and right OO, above and below EE

A tap is a known pixel beside the one to be coded: its phase, and by how many rows and columns of that phase
it lies from the same index. Beyond the edge of a phase its last row or column is repeated; an empty phase
is 0.
"""

from collections.abc import Iterator

import numpy as np

LEVELS = 6
"""The number of times that a plane is halved: pixels at multiples of 64 come first."""
KINDS = ((1, 1), (0, 1), (1, 0))
"""First row and column of each kind of pixels."""
EE, OO, EO = (0, 0), (1, 1), (0, 1)
Tap = tuple[tuple[int, int], int, int]
"""A phase, and the distance in its rows and columns."""
NEAR: tuple[tuple[Tap, ...], ...] = (
    ((EE, 0, 0), (EE, 0, 1), (EE, 1, 0), (EE, 1, 1)),
    ((EE, 0, 0), (EE, 0, 1), (OO, -1, 0), (OO, 0, 0)),
    ((OO, 0, -1), (OO, 0, 0), (EE, 0, 0), (EE, 1, 0)),
)
"""The four nearest taps of each kind."""
FAR: tuple[tuple[Tap, ...], ...] = (
    tuple(
        (EE, row, column)
        for row in (-1, 0, 1, 2)
        for column in (-1, 0, 1, 2)
        if not (0 <= row <= 1 and 0 <= column <= 1)
    ),
    (
        (EE, -1, 0), (EE, -1, 1), (EE, 1, 0), (EE, 1, 1), (OO, -1, -1), (OO, -1, 1),
        (OO, 0, -1), (OO, 0, 1), (EE, 0, -1), (EE, 0, 2), (OO, -2, 0), (OO, 1, 0),
    ),
    (
        (EO, 0, -1), (EO, 0, 0), (EO, 1, -1), (EO, 1, 0), (EE, 0, -1), (EE, 0, 1),
        (EE, 1, -1), (EE, 1, 1), (OO, -1, -1), (OO, -1, 0), (OO, 1, -1), (OO, 1, 0),
    ),
)  # fmt: skip
"""The twelve taps around them."""
_PAD = 4


def steps(height: int, width: int) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
    """Yield (level, kind, where) of every step that has pixels, coarse to fine."""
    for level in range(LEVELS - 1, -1, -1):
        for kind, (row, column) in enumerate(KINDS):
            step = 1 << level
            if row * step < height and column * step < width:
                where = slice(row * step, None, 2 * step), slice(column * step, None, 2 * step)
                yield level, kind, where


def taps(plane: np.ndarray, level: int, kind: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the values of the near and the far taps, each of the shape of the step's pixels."""
    coarse = plane[:: 1 << level, :: 1 << level]
    row, column = KINDS[kind]
    height, width = coarse[row::2, column::2].shape
    padded: dict[tuple[int, int], np.ndarray] = {}

    def value(tap: Tap) -> np.ndarray:
        phase, down, right = tap
        if phase not in padded:
            known = coarse[phase[0] :: 2, phase[1] :: 2]
            if known.size:
                padded[phase] = np.pad(known, _PAD, mode="edge")
            else:
                padded[phase] = np.zeros((height + 2 * _PAD, width + 2 * _PAD), plane.dtype)
        top, left = _PAD + down, _PAD + right
        return padded[phase][top : top + height, left : left + width]

    return [value(tap) for tap in NEAR[kind]], [value(tap) for tap in FAR[kind]]
