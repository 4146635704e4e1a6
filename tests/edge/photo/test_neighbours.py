"""Levels cover a rung once and look only back; shift and index are the page's arithmetic."""

from dataclasses import dataclass
from math import floor

import numpy as np
import pytest
from dimaging_edge.common.errors import BundleError
from dimaging_edge.photo import neighbours
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.neighbours import (
    LEVELS,
    RUNG_LEVELS,
    SPREADS,
    Field,
    Level,
    Tables,
    level,
    read_tables,
)
from helpers.codec_dct import Dct, picture

SIZES = [(1, 1), (1, 9), (8, 8), (13, 6), (24, 16)]


def tables(channels: int, seed: int = 0) -> Tables:
    """Any that are legal."""
    rng = np.random.default_rng(seed)
    remap = rng.integers(1, 64, (LEVELS, 64, SPREADS)).astype(np.uint8)
    remap[:, 0] = 0
    return Tables(rng.integers(-128, 128, (LEVELS, channels)).astype(np.int8), remap)


def moves(here: Level, width: int) -> list[tuple[int, int]]:
    """Rows and columns to each neighbour, on a grid of this width with a margin of 4."""
    found = (divmod(move + 4, width + 8) for move in here.near)
    return [(row, column - 4) for row, column in found]


@pytest.mark.parametrize("size", SIZES)
def test_levels_cover_everything_once_and_look_back(size):
    known = np.full(size, -1)
    for number in range(LEVELS):
        here = level(number, *size)
        row, column = np.divmod(here.at, size[1])
        assert (known[row, column] == -1).all()
        assert (np.diff(here.at) > 0).all()  # raster order
        assert np.array_equal(here.place, (row + 4) * (size[1] + 8) + column + 4)
        count = np.zeros(len(row), int)
        for a, b in moves(here, size[1]):
            r, c = row + a, column + b
            inside = (r >= 0) & (r < size[0]) & (c >= 0) & (c < size[1])
            assert (known[r[inside], c[inside]] >= 0).all()
            count += inside
        if here.share is not None:
            assert (count > 0).all()
            assert np.array_equal(here.share, 12 // count)
        known[row, column] = number
    assert (known >= 0).all()
    even = np.add.outer(*map(np.arange, size)) % 2 == 0
    assert np.array_equal(even, np.isin(known, RUNG_LEVELS[1]))


@pytest.mark.parametrize("whole", [True, False])
def test_the_arithmetic_of_the_page(whole):
    """Every symbol again in Python's integers, from docs/format.md."""
    rng, size = np.random.default_rng(1), (10, 7, 3)
    table = tables(3)
    index = rng.integers(0, 64, size)
    told: dict[tuple[int, ...], tuple[int, int]] = {}
    field = Field(table, size, whole=whole)

    def code(index, shift, where):
        for k, s, *place in zip(index, shift, *np.unravel_index(where, size), strict=True):
            told[tuple(map(int, place))] = int(k), int(s)
        return rng.integers(-127, 128, len(index))

    if whole:
        found = field.walk(0, index, code)
    else:
        found = field.walk(1, index, code) + field.walk(2, index, code)
    assert set(told) == {tuple(p) for p in np.argwhere(index > 0).tolist()}
    cut = found.clip(-1016, 1016)
    for number in range(LEVELS):
        here = level(number, *size[:2])
        for at in here.at.tolist():
            row, column = divmod(at, size[1])
            near = [(row + a, column + b) for a, b in moves(here, size[1])]
            near = [(r, c) for r, c in near if 0 <= r < size[0] and 0 <= c < size[1]]
            for channel in range(size[2]):
                k = int(index[row, column, channel])
                if not k:
                    assert found[row, column, channel] == 0
                    continue
                if number:
                    d = [int(cut[r, c, channel]) for r, c in near]
                    step = 8 if whole else 1
                    x = int(table.factor[number, channel]) * (12 // len(d)) * sum(d)
                    shift = max(-1016, min(1016, step * floor((x / step + 384) / 768)))
                    spread = 4 * sum(abs(v - shift) for v in d) // len(d)
                    k = int(table.remap[number, k, min(10, spread.bit_length())])
                else:
                    shift = 0
                assert told[row, column, channel] == (k, shift)


@dataclass
class Around(Dct):
    """Tables that no picture asks for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.neighbours = tables(self.z_channels, 2), tables(self.y_channels, 3)


@pytest.mark.parametrize("size", [(1, 1), (33, 70), (96, 64)])
def test_a_file_comes_back(size):
    photo = picture(*size)
    plain, model = Dct(), Around()
    with_them, damage = decompress(model, compress(model, photo, 40, tile=64))
    assert damage == []
    without = decompress(plain, compress(plain, photo, 40, tile=64))[0].image
    error = np.abs(with_them.image.astype(float) - without).mean()
    assert error < 4  # another grid of rounding, at a price that these tables do not care for


def test_a_preview_without_the_last_rungs():
    model = Around()
    data = compress(model, picture(64, 64), 40)
    for rungs in (1, 2):
        assert decompress(model, data, rungs=rungs)[1] == []


def test_read_tables():
    pair = tables(4), tables(6, 1)
    data = b"".join(table.to_bytes() for table in pair)
    for table, again in zip(pair, read_tables(data, (4, 6)), strict=True):
        assert np.array_equal(table.factor, again.factor)
        assert np.array_equal(table.remap, again.remap)
    with pytest.raises(BundleError, match="expected 9926 bytes for 4 and 6 channels, found 9925"):
        read_tables(data[:-1], (4, 6))
    bad = bytearray(data)
    bad[LEVELS * 4] = 1  # index 0 becomes a coded one
    with pytest.raises(BundleError, match="scale index 0 must stay 0"):
        read_tables(bytes(bad), (4, 6))


def test_numbers_of_the_page():
    assert (neighbours.MOST, neighbours.FACTOR, LEVELS, SPREADS) == (1016, 64, 7, 11)
