"""Search for the quality that meets a target: at most so many bits a pixel, or at least so many dB."""

import math

import numpy as np

from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.codec import TILE, compress, decompress
from dimaging_edge.photo.container import QUALITIES
from dimaging_edge.photo.symbol_model import Photo, SymbolModel


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Return the PSNR of two pictures of one dtype, in dB; infinite if they are equal."""
    error = sum(
        float(np.square(x.astype(np.float64) - y).sum()) for x, y in zip(a, b, strict=True)
    )  # row by row: no copy of the whole in float64
    top = float(np.iinfo(a.dtype).max)
    return 10 * math.log10(top**2 * a.size / error) if error else math.inf


def to_target(
    model: SymbolModel,
    photo: Photo,
    *,
    bpp: float | None = None,
    decibel: float | None = None,
    tile: int = TILE,
    effort: int = 0,
    workers: int = 1,
) -> tuple[bytes, int]:
    """Return (file, quality): the highest quality within `bpp`, or the lowest that reaches `decibel`.

    It takes six or seven trials, because both grow with quality. workers: tiles at a time. InputError if no
    quality meets the target.
    """
    if (bpp is None) == (decibel is None):
        raise InputError("expected either a target of bits a pixel or one of dB")
    target = decibel if bpp is None else bpp
    if target is None or not 0 < target < math.inf:  # NaN fails too
        raise InputError(f"expected a target above 0, received {target}")
    pixels = photo.image.shape[0] * photo.image.shape[1]
    found: dict[int, tuple[float, bytes]] = {}

    def value(quality: int) -> float:
        data = compress(model, photo, quality, tile=tile, effort=effort, workers=workers)
        if bpp is not None:
            now = 8 * len(data) / pixels
        else:
            now = psnr(decompress(model, data, workers=workers)[0].image, photo.image)
        found[quality] = now, data
        return now

    low, high = -1, QUALITIES  # below the target for sure; at it, or above
    while high - low > 1:
        middle = (low + high) // 2
        reached = value(middle) > bpp if bpp is not None else value(middle) >= (decibel or 0)
        low, high = (low, middle) if reached else (middle, high)
    quality = low if bpp is not None else high
    if quality not in found:
        end = "least" if bpp is not None else "most"
        limit = found[0 if bpp is not None else QUALITIES - 1][0]
        wanted, unit = (bpp, "bits a pixel") if bpp is not None else (decibel, "dB")
        more = "" if bpp is not None else "; --max-error and --lossless reach more"
        raise InputError(
            f"{wanted:g} {unit} cannot be met: this picture has at {end} {limit:.3f} {unit}{more}"
        )
    return found[quality][1], quality
