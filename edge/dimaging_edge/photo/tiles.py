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


def blocks(grid: list[Tile], columns: int, most: int) -> list[list[tuple[Tile, list[Tile]]]]:
    """Return rows of blocks, each with its tiles: as many as make a window of at most `most` pixels.

    A network that works on a block sees fewer pixels of halos than one that works on each of its tiles.
    """
    rows = len(grid) // columns
    whole = [grid[i * columns :][:columns] for i in range(rows)]
    first, tall, wide = grid[0], 1, 1
    edge = max(first.bottom, first.right)
    halo = max(max(x.window[1] - x.bottom, x.window[3] - x.right) for x in grid)
    while (tall, wide) != (rows, columns):
        lower = tall < rows and (tall < wide or wide == columns)
        taller, wider = tall + lower, wide + (not lower)
        if (taller * edge + 2 * halo) * (wider * edge + 2 * halo) > most:
            break
        tall, wide = taller, wider
    found = []
    for top in range(0, rows, tall):
        line = []
        for left in range(0, columns, wide):
            parts = [x for row in whole[top : top + tall] for x in row[left : left + wide]]
            a, b = parts[0], parts[-1]
            window = (a.window[0], b.window[1], a.window[2], b.window[3])
            line.append((Tile(a.number, a.top, b.bottom, a.left, b.right, window), parts))
        found.append(line)
    return found


def cut(image: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
    """Return a window [1, h, w, C] of an image [H, W, C]; beyond its edge the last pixels are repeated."""
    top, bottom, left, right = window
    height, width, _ = image.shape
    part = image[top : min(bottom, height), left : min(right, width)]
    more = (0, bottom - top - part.shape[0]), (0, right - left - part.shape[1]), (0, 0)
    return np.pad(part, more, mode="edge")[None]
