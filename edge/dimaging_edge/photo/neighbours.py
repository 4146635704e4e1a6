"""Prediction of a symbol from its decoded neighbours, beyond the prior: in whole numbers, without a network.

The symbols of a rung are coded in levels, coarse to fine, each between symbols of those before it:

    level 0    row and column multiples of 8        knows nothing
    1, 3, 5    the middles of the squares of 8, 4, 2 steps, between four corners
    2, 4, 6    the other points of the grid of 4, 2, 1 steps, between above, below, left and right

z has all seven, pass 0 of y the first six, pass 1 the last. A deviation d is by how much a symbol's decoded
value differs from what the prior said (z: from 0), in eighths of a step, cut to +-1016. From those of the
neighbours inside the tile, n of 1 to 4, with the model's tables:

    shift   floor((factor[level, channel] 12/n sum(d) + 384) / 768), cut to +-1016; z: to whole steps
    spread  how many binary digits floor(4/n sum |d - shift|) has, at most 10
    index   remap[level, index, spread]

A symbol stands for prior + shift + 8 symbol. Smooth pictures gain most: where one square of sky was darker
than the bottleneck said, so is the next. Bundles without the tables have one level a rung, without shift.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dimaging_edge.common.errors import BundleError

NEIGHBOURS = "neighbours.bin"
"""The file of a bundle that holds factors of z, remap of z, factors of y, remap of y."""
LEVELS = 7
"""The number of levels, coarse to fine."""
SPREADS = 11
"""The number of spreads that a remap tells apart."""
RUNG_LEVELS = ((0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5), (6,))
"""The levels of each rung: z, pass 0 of y, pass 1 of y."""
FACTOR = 64
"""Factors are stored in 1/64."""
MOST = 1016
"""The largest deviation and shift, in eighths of a step."""
_COARSEST = 8
_MARGIN = 4
_SCALES = 64
_DIGITS = np.minimum([int(x).bit_length() for x in range(8 * MOST + 1)], SPREADS - 1)


@dataclass(frozen=True)
class Tables:
    """The tables for z or y: factors int8 [levels, C] in 1/64, scale indices uint8 [levels, 64, spreads]."""

    factor: np.ndarray
    remap: np.ndarray

    def to_bytes(self) -> bytes:
        """Return both tables, one after the other."""
        return self.factor.tobytes() + self.remap.tobytes()


def read_tables(data: bytes, channels: tuple[int, int]) -> tuple[Tables, Tables]:
    """Return the tables of z and y in `neighbours.bin`; BundleError for another size, or a coded index 0."""
    remap = LEVELS * _SCALES * SPREADS
    sizes = [LEVELS * c + remap for c in channels]
    if len(data) != sum(sizes):
        raise BundleError(
            f"neighbours.bin: expected {sum(sizes)} bytes for {channels[0]} and {channels[1]} channels, "
            f"found {len(data)}; export the bundle again"
        )
    found = []
    for part, c in zip((data[: sizes[0]], data[sizes[0] :]), channels, strict=True):
        factor = np.frombuffer(part[: LEVELS * c], np.int8).reshape(LEVELS, c)
        table = np.frombuffer(part[LEVELS * c :], np.uint8).reshape(LEVELS, _SCALES, SPREADS)
        if table[:, 0].any() or not (0 < table[:, 1:]).all() or table.max() >= _SCALES:
            raise BundleError(
                "neighbours.bin: scale index 0 must stay 0, and 1 to 63 within 1 to 63; export the "
                "bundle again"
            )
        found.append(Tables(factor, table))
    return found[0], found[1]


@dataclass(frozen=True)
class Level:
    """The positions of a level in raster order, and where each finds its neighbours."""

    at: np.ndarray
    """The number of each position on the grid, row by row."""
    place: np.ndarray
    """The same on the grid with a margin around it."""
    near: tuple[int, ...] = ()
    """How far each neighbour is from there on the grid with a margin."""
    share: np.ndarray | None = None
    """12 over the number of neighbours that lie inside the grid."""


def _at(row: np.ndarray, column: np.ndarray, width: int, *more: Any) -> Level:
    place = (row + _MARGIN) * (width + 2 * _MARGIN) + column + _MARGIN
    return Level(row * width + column, place, *more)


@lru_cache(maxsize=64)
def level(number: int, height: int, width: int) -> Level:
    """Return one of the seven levels, on a grid of `height` rows and `width` columns."""
    if number == 0:
        rows, columns = np.arange(0, height, _COARSEST), np.arange(0, width, _COARSEST)
        return _at(rows.repeat(len(columns)), np.tile(columns, len(rows)), width)
    step = _COARSEST >> (number + 1) // 2
    row, column = (x.ravel() * step for x in np.mgrid[: -(-height // step), : -(-width // step)])
    odd = (row // step % 2, column // step % 2)
    chosen = odd[0] & odd[1] if number % 2 else odd[0] ^ odd[1]
    row, column = row[chosen > 0], column[chosen > 0]
    corners = ((-1, -1), (-1, 1), (1, -1), (1, 1))
    beside = ((-1, 0), (0, -1), (0, 1), (1, 0))
    near = tuple((step * a, step * b) for a, b in (corners if number % 2 else beside))
    inside = [
        (0 <= row + a) & (row + a < height) & (0 <= column + b) & (column + b < width)
        for a, b in near
    ]
    moves = tuple(a * (width + 2 * _MARGIN) + b for a, b in near)
    return _at(row, column, width, moves, (12 // np.sum(inside, 0)).astype(np.int32))


@lru_cache(maxsize=16)
def _plain(rung: int, height: int, width: int) -> Level:
    """Return all positions of a rung as one level without neighbours."""
    row, column = (x.ravel() for x in np.mgrid[:height, :width])
    mine = (row + column) % 2 == rung - 1 if rung else slice(None)
    return _at(row[mine], column[mine], width)


Code = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""A function of (scale index, shift, where) of coded symbols in their order that returns the symbols.

`where` is the number of each in the flattened array [h, w, C]."""


class Field:
    """The deviations of z or y of one tile as they become known."""

    def __init__(self, tables: Tables | None, shape: tuple[int, ...], *, whole: bool):
        """Begin with nothing known of `shape` [height, width, channels].

        whole: shifts are whole steps (z). Without tables nothing is predicted.
        """
        self._tables, self._whole = tables, whole
        self._height, self._width, self._channels = shape
        size = (self._height + 2 * _MARGIN) * (self._width + 2 * _MARGIN) * self._channels
        self._known = np.zeros(size if tables is not None else 0, np.int32)

    def walk(self, rung: int, index: np.ndarray, code: Code) -> np.ndarray:
        """Code a rung of scale indices [h, w, C] level by level; returns its deviations, int32 [h, w, C]."""
        found = np.zeros(index.size, np.int32)
        size, channels = (self._height, self._width), self._channels
        rows = index.reshape(-1, channels)
        for number in RUNG_LEVELS[rung] if self._tables is not None else (0,):
            here = _plain(rung, *size) if self._tables is None else level(number, *size)
            all_of_it = rows.take(here.at, axis=0).reshape(-1)
            coded = all_of_it.nonzero()[0]
            at = coded // channels
            channel = coded - at * channels
            where = (here.at * channels).take(at) + channel
            chosen = all_of_it.take(coded)
            if self._tables is None:
                found[where] = 8 * code(chosen, np.zeros(len(at), np.int32), where)
                continue
            place, shift = (here.place * channels).take(at) + channel, np.zeros(len(at), np.int32)
            if here.share is not None:
                share = here.share.take(at)
                chosen, shift = self._predict(
                    self._tables, number, here, place, share, channel, chosen
                )
            deviation = 8 * code(chosen, shift, where) + shift
            found[where] = deviation
            self._known[place] = deviation.clip(-MOST, MOST)
        return found.reshape(index.shape)

    def _predict(
        self, tables: Tables, number: int, here: Level, place: np.ndarray, share: np.ndarray,
        channel: np.ndarray, index: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Return the new (scale index, shift) of symbols; everything is [n]."""
        near = [self._known.take(place + move * self._channels) for move in here.near]
        mean = share * (near[0] + near[1] + near[2] + near[3])
        total = self._factor(tables, number, channel, mean) * mean
        whole = 8 if self._whole else 1
        shift = whole * ((total + 6 * FACTOR * whole) // (12 * FACTOR * whole))
        shift = shift.clip(-MOST, MOST)
        apart = np.abs(near[0] - shift)
        for d in near[1:]:
            apart += np.abs(d - shift)
        edge = (share > 3).nonzero()[0]  # a neighbour outside is 0 in memory and counts for nothing
        apart[edge] -= (len(near) - 12 // share[edge]) * np.abs(shift[edge])
        spread = _DIGITS.take(share * apart // 3)
        return self._index(tables, number, index, spread), shift

    def _factor(
        self, tables: Tables, number: int, channel: np.ndarray, mean: np.ndarray
    ) -> np.ndarray:
        """Return the factor of each symbol in 1/64; `mean` of its neighbours is in 1/12 of an eighth."""
        return tables.factor[number].astype(np.int32).take(channel)

    def _index(
        self, tables: Tables, number: int, index: np.ndarray, spread: np.ndarray
    ) -> np.ndarray:
        return tables.remap[number].take(index * SPREADS + spread).astype(index.dtype)
