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
"""The number of reduced rows that are worked on at a time, since sums take many times the bytes of pixels."""


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
        rows = _sums(_lines(image, 2 * top - 3, 2 * bottom + 3).astype(wide), _REDUCE, 2)
        columns = _lines(rows.swapaxes(0, 1), -3, 2 * small.shape[1] + 3)
        small[top:bottom] = _rounded(_sums(columns, _REDUCE, 2), 16, image.dtype)
    return small


def enlarged(small: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return an image [h, w, C] of uint8 or uint16 as [height, width, C], 2 h or 2 h - 1 rows and so on."""
    image = np.empty((height, width, small.shape[2]), small.dtype)
    for top in range(0, len(small), _BAND):
        bottom = min(top + _BAND, len(small))
        rows = _doubled(_lines(small, top - 2, bottom + 2).astype(np.int32))  # sums of up to 1.6e9
        columns = _doubled(_lines(rows.swapaxes(0, 1), -2, small.shape[1] + 2))
        band = _rounded(columns, 14, small.dtype)
        image[2 * top : 2 * bottom] = band[: height - 2 * top, :width]
    return image


def _lines(values: np.ndarray, first: int, end: int) -> np.ndarray:
    """Return lines `first` to `end` of the first axis; beyond the ends the last ones are repeated."""
    return values.take(np.arange(first, end).clip(0, len(values) - 1), axis=0)


def _sums(lines: np.ndarray, weights: tuple[int, ...], step: int = 1) -> np.ndarray:
    """Return weighted sums of neighbouring lines, each `step` lines further than the one before."""
    count = len(lines) - len(weights) + 1
    return np.asarray(sum(w * lines[k : k + count : step] for k, w in enumerate(weights)))


def _doubled(lines: np.ndarray) -> np.ndarray:
    """Return twice as many lines as there are between the first two and the last two."""
    pairs = np.stack([_sums(lines[:-1], _RIGHT[::-1]), _sums(lines[1:], _RIGHT)], axis=1)
    return pairs.reshape(-1, *lines.shape[1:])


def _rounded(sums: np.ndarray, shift: int, kind: np.dtype) -> np.ndarray:
    """Return sums [W, H, C] in 1/2^shift as samples [H, W, C]: rounded to nearest, and cut to their range."""
    samples = ((sums + (1 << shift - 1)) >> shift).clip(0, np.iinfo(kind).max)
    return samples.swapaxes(0, 1).astype(kind)
