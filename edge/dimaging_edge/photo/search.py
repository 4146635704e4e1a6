"""Search for the quality that meets a target: at most so many bits a pixel, or at least so many dB.

Where the quality that is found is low, or none meets a rate, the picture is also tried at half its width and
height, and the better of both files is taken. With a region of interest each size has a background of its
own, and the region alone is judged, beside the picture as it was given.
"""

import math

import numpy as np

from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.codec import TILE, compress, decompress
from dimaging_edge.photo.container import QUALITIES
from dimaging_edge.photo.half import half_of
from dimaging_edge.photo.region import with_region
from dimaging_edge.photo.symbol_model import Photo, SymbolModel
from dimaging_edge.photo.tiles import padded

LOW = 10
"""Below this quality half size is tried, too; on photographs it wins up to about 5."""
REGION_LOW = 16
"""The same with a region of interest: its background costs fewer bytes at half size, so it wins longer."""
Found = tuple[bytes, int, bool]
"""(file, quality, whether it is coded at half size)."""


Region = tuple[np.ndarray, int]
"""(mask, quality of the background), as `with_region` takes them."""


def psnr(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the PSNR of two pictures of one dtype, in dB; infinite if they are equal.

    mask: how much each pixel [H, W] counts, of uint8 or uint16; without one all count alike.
    """
    error, count = 0.0, float(a.size)
    if mask is not None:
        count = float(mask.sum(dtype=np.float64)) * a.shape[2]
    for row, (x, y) in enumerate(zip(a, b, strict=True)):  # no copy of the whole in float64
        squares = np.square(x.astype(np.float64) - y)
        error += float(squares.sum() if mask is None else (mask[row] @ squares).sum())
    top = float(np.iinfo(a.dtype).max)
    return 10 * math.log10(top**2 * count / error) if error else math.inf


def to_target(
    model: SymbolModel,
    photo: Photo,
    *,
    bpp: float | None = None,
    decibel: float | None = None,
    tile: int = TILE,
    effort: int = 0,
    workers: int = 1,
    region: Region | None = None,
) -> Found:
    """Return (file, quality, half): the best picture within `bpp`, or the smallest file of `decibel` or more.

    It takes six or seven trials, because both grow with quality, and as many of half the width and height
    where the quality is below LOW, with a region REGION_LOW. workers: tiles at a time. region: what is
    outside it is stored at a quality of its own, and what is inside is judged: `decibel` is of that alone.
    InputError if no quality meets the target.
    """
    if (bpp is None) == (decibel is None):
        raise InputError("expected either a target of bits a pixel or one of dB")
    target = decibel if bpp is None else bpp
    if target is None or not 0 < target < math.inf:  # NaN fails too
        raise InputError(f"expected a target above 0, received {target}")
    pixels = photo.image.shape[0] * photo.image.shape[1]

    def shows(data: bytes) -> float:
        mask = None if region is None else region[0]
        return psnr(decompress(model, data, workers=workers)[0].image, photo.image, mask)

    def source(half: bool) -> Photo:
        if region is None:
            return photo
        return with_region(model, photo, *region, tile=tile, half=half, workers=workers)

    def search(half: bool) -> tuple[Found | None, float]:
        """Return the file that meets the target, if one does, and the value of the last that was tried."""
        files: dict[int, bytes] = {}
        coded = source(half)
        low, high, value = -1, QUALITIES, math.nan  # below the target for sure; at it, or above
        while high - low > 1:
            middle = (low + high) // 2
            data = files[middle] = compress(
                model, coded, middle, tile=tile, effort=effort, half=half, workers=workers
            )
            value = 8 * len(data) / pixels if decibel is None else shows(data)
            reached = value >= decibel if decibel is not None else value > target
            low, high = (low, middle) if reached else (middle, high)
        quality = low if decibel is None else high
        return ((files[quality], quality, half) if quality in files else None), value

    found, limit = search(half=False)
    usual = LOW if region is None else REGION_LOW
    low = bpp is not None if found is None else found[1] < usual
    if low and _can_be_half(model, photo):
        smaller, least = search(half=True)
        if bpp is not None:
            limit = min(limit, least)
        if found is not None and smaller is not None:
            by_size = len(smaller[0]) < len(found[0])
            better = by_size if bpp is None else shows(smaller[0]) > shows(found[0])
            found = smaller if better else found
        found = found or smaller
    if found is None:
        wanted, unit = (bpp, "bits a pixel") if bpp is not None else (decibel, "dB")
        end = "least" if bpp is not None else "most"
        more = "" if bpp is not None else "; --max-error and --lossless reach more"
        raise InputError(
            f"{wanted:g} {unit} cannot be met: this picture has at {end} {limit:.3f} {unit}{more}"
        )
    return found


def _can_be_half(model: SymbolModel, photo: Photo) -> bool:
    """Return whether half a picture has pixels to spare, and enough for a model of windows of one size."""
    side = min(photo.image.shape[:2])
    return side > 1 and padded(half_of(side)) >= getattr(model, "least", 0)
