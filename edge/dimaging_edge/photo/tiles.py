"""The tiles of a picture: cores that cover it without overlap, and the halo that the networks see.

All edges lie on multiples of 32 pixels (the step of z), the last tile of a row or column reaches to the
next multiple beyond the picture. A network sees a core and `halo` pixels more on each side, as far as
the padded picture goes, and what it answers for the halo is cut off. So with a halo that is not smaller
than its receptive field a tile's answer is the whole picture's, and there is no seam.
"""

from dataclasses import dataclass

import numpy as np

STEP = 32
"""All edges of tiles lie on multiples of this, in pixels."""


@dataclass(frozen=True)
class Tile:
    """A core [top, bottom) x [left, right), in pixels, multiples of 32, and its window with halo."""

    number: int
    top: int
    bottom: int
    left: int
    right: int
    window: tuple[int, int, int, int]  # top, bottom, left, right

    def inside(self, scale: int) -> tuple[slice, slice]:
        """Return the core within the window, for arrays of 1/scale of the size."""
        top, _, left, _ = self.window
        rows = slice((self.top - top) // scale, (self.bottom - top) // scale)
        return rows, slice((self.left - left) // scale, (self.right - left) // scale)

    def with_halo(
        self, above: list[np.ndarray], row: np.ndarray, below: list[np.ndarray], scale: int
    ) -> np.ndarray:
        """Return a row of tiles, in 1/scale, with as much of the rows around it as the window shows."""
        top, bottom = (self.top - self.window[0]) // scale, (self.window[1] - self.bottom) // scale
        parts = [*(x[len(x) - top :] for x in above), row, *(x[:bottom] for x in below)]
        return np.concatenate(parts)


def padded(size: int) -> int:
    """Return the size, in pixels, rounded up to a multiple of 32."""
    return -(-size // STEP) * STEP


def tiles(height: int, width: int, edge: int, halo: int, least: int = 0) -> list[Tile]:
    """Return the tiles of a picture, in raster order.

    least: the smallest side of a window, in pixels; that of a small last tile reaches further back, if the
    picture is large enough, into the tile before it and no further.
    """
    height, width = padded(height), padded(width)
    found = []
    for top in range(0, height, edge):
        bottom = min(top + edge, height)
        for left in range(0, width, edge):
            right = min(left + edge, width)
            below, beyond = min(bottom + halo, height), min(right + halo, width)
            window = (
                max(0, top - edge, min(top - halo, below - least)), below,
                max(0, left - edge, min(left - halo, beyond - least)), beyond,
            )  # fmt: skip
            found.append(Tile(len(found), top, bottom, left, right, window))
    return found


def cut(image: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
    """Return a window [1, h, w, C] of an image [H, W, C]; beyond its edge the last pixels are repeated."""
    top, bottom, left, right = window
    height, width, _ = image.shape
    part = image[top : min(bottom, height), left : min(right, width)]
    more = (0, bottom - top - part.shape[0]), (0, right - left - part.shape[1]), (0, 0)
    return np.pad(part, more, mode="edge")[None]
