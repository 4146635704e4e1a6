"""The chunk `PIXL` of a `.dimg` file: the exact pixels of every tile, see `exact`.

    byte 0: 1, the kind of layer; byte 1: the bound, 0 to 32 levels; a length of 4 bytes a tile; the tiles

A reader that does not know the chunk refuses the file in words, for its first letter is a capital.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.photo.container import Header
from dimaging_edge.photo.exact import MOST_BOUND, check_span, decode_pixels, encode_pixels
from dimaging_edge.photo.tiles import Tile

_KIND = 1
Each = Callable[..., Iterable[Any]]
"""A `map`, which may work on several items at a time."""


def check_bound(bound: int) -> None:
    """Raise InputError for a bound that no file has."""
    if not 0 <= bound <= MOST_BOUND:
        raise InputError(
            f"max_error: expected 0 (lossless) to {MOST_BOUND} levels, received {bound}"
        )


def check_image(image: np.ndarray, grid: list[Tile], bound: int) -> None:
    """Raise InputError for a bound that no file has, and for an image [H, W, C] of too many levels."""
    check_bound(bound)
    for part in grid:
        check_span(image[part.top : part.bottom, part.left : part.right], bound)


def pack_exact(image: np.ndarray, grid: list[Tile], bound: int, each: Each) -> bytes:
    """Return the data of the chunk for an image [H, W, C]; `bound`: largest error of a pixel, in levels."""

    def one(part: Tile) -> bytes:
        return encode_pixels(image[part.top : part.bottom, part.left : part.right], bound)

    found = list(each(one, grid))
    lengths = struct.pack(f"<{len(found)}I", *map(len, found))
    return b"".join([bytes([_KIND, bound]), lengths, *found])


def bound_of(data: bytes) -> int:
    """Return the bound that a chunk states; CodecError for another kind of layer."""
    if len(data) < 2 or data[0] != _KIND or data[1] > MOST_BOUND:
        raise CodecError(
            f"the exact pixels are of kind {data[:1].hex() or 'none'}, or their bound is, which this "
            "dimaging_edge does not know. Update it: pip install -U dimaging"
        )
    return data[1]


def unpack_exact(data: bytes, header: Header, grid: list[Tile], each: Each) -> np.ndarray:
    """Return the image [H, W, C] of a chunk's data; CodecError where they do not fit the header."""
    bound, table = bound_of(data), 2 + 4 * len(grid)
    lengths = struct.unpack_from(f"<{len(grid)}I", data, 2) if len(data) >= table else ()
    if len(data) != table + sum(lengths) or not lengths:
        raise CodecError(
            f"the exact pixels are damaged or forged: their {len(grid)} tiles end elsewhere than the "
            f"chunk of {len(data)} bytes"
        )
    image = np.zeros((header.height, header.width, header.channels), f"u{header.depth // 8}")
    starts = (table + np.cumsum((0, *lengths))).tolist()

    def one(part: Tile) -> tuple[Tile, np.ndarray]:
        place = image[part.top : part.bottom, part.left : part.right]
        mine = data[starts[part.number] : starts[part.number + 1]]
        return part, decode_pixels(mine, place.shape, image.dtype, bound)

    for part, pixels in each(one, grid):
        image[part.top : part.bottom, part.left : part.right] = pixels
    return image
