"""A region of interest: a mask says where the bytes of a file go, and the decoder need not know.

Outside the mask the picture is replaced by what a file of low quality shows of it, before it is compressed
at the quality of the region. What is left there is smooth, so it costs few bytes; inside nothing changes.
Grey values of the mask mix the two, for a soft border.
"""

from dataclasses import replace

import numpy as np

from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.codec import TILE, compress, decompress
from dimaging_edge.photo.picture import to_depth
from dimaging_edge.photo.symbol_model import Photo, SymbolModel

_BAND = 256
"""The number of rows that are mixed at a time."""


def mask_of(photo: Photo) -> np.ndarray:
    """Return the mask [H, W] that a picture shows: what is white, and not transparent, is the region."""
    mask = photo.image.min(axis=-1)
    if photo.alpha is None:
        return mask
    clear = to_depth(Photo(photo.alpha[..., None]), 8 * mask.itemsize).image[..., 0]
    return np.minimum(mask, clear)


def with_region(
    model: SymbolModel,
    photo: Photo,
    mask: np.ndarray,
    background: int,
    *,
    tile: int = TILE,
    half: bool = False,
    workers: int = 1,
) -> Photo:
    """Return the picture with its background as a file of quality `background` shows it.

    mask: uint8 or uint16 [H, W], the largest value inside the region, 0 outside. half: whether that file is
    coded at half size, as the picture will be. workers: tiles at a time.
    InputError for a mask of another size, and for one that holds nothing but 0 and 1.
    """
    if mask.shape != photo.image.shape[:2]:
        height, width = photo.image.shape[:2]
        raise InputError(
            f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels, the picture {width} x {height}; "
            "give a mask of the picture's size, white where bytes should go"
        )
    white = np.iinfo(mask.dtype).max
    if mask.max() <= 1:
        raise InputError(
            f"the mask's largest value is {mask.max()}, so nothing is in the region; white, {white}, says "
            "where bytes should go"
        )
    plain = replace(photo, alpha=None, icc=None, exif=None)
    data = compress(model, plain, background, tile=tile, half=half, workers=workers)
    low = decompress(model, data, workers=workers)[0].image
    top = np.int64(white)
    for start in range(0, len(mask), _BAND):
        rows = slice(start, start + _BAND)
        share = mask[rows, :, None].astype(np.int64)
        mixed = photo.image[rows] * share + low[rows] * (top - share)
        low[rows] = (mixed + top // 2) // top
    return replace(photo, image=low)
