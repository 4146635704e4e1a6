"""Half the width and height: a picture is reduced before it is coded, and enlarged after it is decoded.

At less than a tenth of a bit a pixel a quarter of the pixels, each coded better, shows more. Enlarging is
part of the format, in whole numbers: Catmull-Rom weights at 1/4 and 3/4 between two pixels, rows and columns
alike, the edge pixels repeated, rounded once at the end. Reducing is the encoder's choice; here it is the
same filter the other way round.

    reduced  |   0   |   1   |   2   |      full column 2 i lies 1/4 to the left of reduced column i,
    full     | 0 | 1 | 2 | 3 | 4 | 5 |      2 i + 1 lies 1/4 to its right
"""

import numpy as np

_RIGHT = (-9, 111, 29, -3)
"""The weights, in 1/128, of reduced pixels i - 1 to i + 2 in full pixel 2 i + 1; mirrored, in 2 i."""
_REDUCE = (-3, -9, 29, 111, 111, 29, -9, -3)
"""The weights, in 1/256, of full pixels 2 i - 3 to 2 i + 4 in reduced pixel i."""
_BAND = 16
"""The number of reduced rows that are worked on at a time: a copy of a whole picture in int32 is large."""


def half_of(size: int) -> int:
    """Return half a size, in pixels, rounded up."""
    return -(-size // 2)


def reduced(image: np.ndarray) -> np.ndarray:
    """Return an image [H, W, C] of uint8 or uint16 with half its height and width, both rounded up."""
    height, width, channels = image.shape
    small = np.empty((half_of(height), half_of(width), channels), image.dtype)
    wide = np.int32 if image.itemsize == 1 else np.int64  # 16 bits: sums of up to 6.1e9
    for top in range(0, len(small), _BAND):
        bottom = min(top + _BAND, len(small))
        rows = _repeated(image, 2 * top - 3, 2 * bottom + 3, axis=0).astype(wide)
        rows = _filtered(rows, bottom - top, axis=0)
        columns = _repeated(rows, -3, 2 * small.shape[1] + 3, axis=1)
        sums = _filtered(columns, small.shape[1], axis=1)
        small[top:bottom] = _rounded(sums, 16, image.dtype)
    return small


def _filtered(values: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Return `count` sums of _REDUCE along an axis, each beginning two further than the one before."""
    lines = np.moveaxis(values, axis, 0)
    sums = sum(weight * lines[k : k + 2 * count - 1 : 2] for k, weight in enumerate(_REDUCE))
    return np.moveaxis(np.asarray(sums), 0, axis)


def enlarged(small: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return an image [h, w, C] of uint8 or uint16 as [height, width, C], 2 h or 2 h - 1 rows and so on."""
    image = np.empty((height, width, small.shape[2]), small.dtype)
    for top in range(0, len(small), _BAND):
        bottom = min(top + _BAND, len(small))
        rows = _repeated(small, top - 2, bottom + 2, axis=0).astype(np.int32)  # at most 1.6e9
        columns = _repeated(_doubled(rows, axis=0), -2, small.shape[1] + 2, axis=1)
        band = _rounded(_doubled(columns, axis=1), 14, small.dtype)
        image[2 * top : 2 * bottom] = band[: height - 2 * top, :width]
    return image


def _doubled(values: np.ndarray, axis: int) -> np.ndarray:
    """Return twice as many sums as there are values along an axis, without the two at each of its ends."""
    lines = np.moveaxis(values, axis, 0)
    count = len(lines) - 4
    found = np.empty((2 * count, *lines.shape[1:]), lines.dtype)
    for phase, weights in enumerate((_RIGHT[::-1], _RIGHT)):
        found[phase::2] = sum(
            weight * lines[k : k + count] for k, weight in enumerate(weights, phase)
        )
    return np.moveaxis(found, 0, axis)


def _repeated(values: np.ndarray, first: int, end: int, axis: int) -> np.ndarray:
    """Return values `first` to `end` along an axis; beyond its ends the last ones are repeated."""
    return values.take(np.arange(first, end).clip(0, values.shape[axis] - 1), axis)


def _rounded(sums: np.ndarray, shift: int, kind: np.dtype) -> np.ndarray:
    """Return sums in 1/2^shift, rounded to nearest and cut to the range of a sample."""
    return ((sums + (1 << shift - 1)) >> shift).clip(0, np.iinfo(kind).max).astype(kind)
