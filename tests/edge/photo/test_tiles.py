"""Blocks of tiles: each tile lies in one, and the decoder's windows stay within their size."""

import numpy as np
import pytest
from dimaging_edge.photo import codec
from dimaging_edge.photo.tiles import blocks, tiles
from helpers.codec_dct import Dct, picture

CASES = [  # height, width, tile, halo, most -> rows and columns of blocks
    (100, 100, 32, 32, 1, (4, 4)),
    (100, 100, 32, 32, 128 * 160, (2, 2)),
    (100, 100, 32, 32, 1 << 20, (1, 1)),
    (64, 1000, 64, 32, 128 * 256, (1, 6)),
    (3000, 4000, 768, 64, 1 << 20, (4, 6)),
    (3000, 4000, 256, 64, 1 << 20, (4, 4)),
]


@pytest.mark.parametrize(("height", "width", "edge", "halo", "most", "shape"), CASES)
def test_each_tile_lies_in_one_block(height, width, edge, halo, most, shape) -> None:
    grid = tiles(height, width, edge, halo)
    columns = -(-width // edge)
    found = blocks(grid, columns, most)
    assert (len(found), len(found[0])) == shape
    assert sorted(x.number for line in found for _, parts in line for x in parts) == [
        x.number for x in grid
    ]
    alone = max((x.window[1] - x.window[0]) * (x.window[3] - x.window[2]) for x in grid)
    for block, parts in (one for line in found for one in line):
        top, bottom, left, right = block.window
        assert (bottom - top) * (right - left) <= max(most, alone)
        for x in parts:
            assert block.top <= x.top
            assert x.bottom <= block.bottom
            assert block.left <= x.left
            assert x.right <= block.right
            assert top <= x.window[0]
            assert x.window[1] <= bottom
            assert left <= x.window[2]
            assert x.window[3] <= right


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("most", [1, 96 * 96, 1 << 20])
def test_the_size_of_blocks_changes_no_pixel(monkeypatch, most: int, workers: int) -> None:
    model, photo = Dct(), picture(150, 110)
    data = codec.compress(model, photo, 40, tile=32)
    expected = codec.decompress(model, data)[0].image
    told: list[int] = []
    monkeypatch.setattr(codec, "AT_ONCE", most)
    found, _ = codec.decompress(
        model, data, workers=workers, progress=lambda done, _: told.append(done)
    )
    assert np.array_equal(found.image, expected)
    assert told == list(range(1, 21))
