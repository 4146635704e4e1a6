"""Reversible colours: YCoCg-R of Malvar and Sullivan 2003, in whole numbers.

co = r - b,  t = b + floor(co / 2),  cg = g - t,  y = t + floor(cg / 2)
"""

import numpy as np

from dimaging_edge.common.errors import CodecError


def to_planes(image: np.ndarray, *, mixed: bool) -> list[np.ndarray]:
    """Return the planes [h, w] of an image [h, w, C] in the order in which they are coded.

    mixed: colour as y, cg, co; otherwise as green, red, blue. Grey is one plane. int32, for 16 bits int64.
    """
    wide = image.astype(np.int32 if image.itemsize == 1 else np.int64)
    if image.shape[2] == 1:
        return [wide[..., 0]]
    red, green, blue = (wide[..., channel] for channel in range(3))
    if not mixed:
        return [green, red, blue]
    co = red - blue
    t = blue + (co >> 1)
    cg = green - t
    return [t + (cg >> 1), cg, co]


def from_planes(planes: list[np.ndarray], dtype: np.dtype, *, mixed: bool) -> np.ndarray:
    """Return the image [h, w, C] of planes, see `to_planes`.

    CodecError for samples outside the range of `dtype`, which no encoder makes.
    """
    if len(planes) == 1:
        return _within(planes[0][..., None], dtype)
    if not mixed:
        green, red, blue = planes
    else:
        y, cg, co = planes
        t = y - (cg >> 1)
        green = cg + t
        blue = t - (co >> 1)
        red = blue + co
    return _within(np.stack([red, green, blue], axis=-1), dtype)


def _within(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    low, high, most = int(image.min()), int(image.max()), np.iinfo(dtype).max
    if low < 0 or high > most:
        raise CodecError(
            f"the exact pixels are damaged: samples from {low} to {high}, expected 0 to {most}"
        )
    return image.astype(dtype)
