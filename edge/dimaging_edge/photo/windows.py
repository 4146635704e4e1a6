"""The windows of one size that cover a picture, for graphs that are compiled for that size.

Every window lies inside the picture, those at its end shifted inwards, so a graph sees the picture's true
edges as one that takes any size does; what it answers within a halo of a window's inner edge is cut off.

    |----- window 0 -----|                 picture of 2 windows and a half
                |----- window 1 -----|
                        |----- window 2 -----|      shifted inwards
"""

from dataclasses import dataclass

import numpy as np

from dimaging_edge.common.errors import InputError


@dataclass(frozen=True)
class Span:
    """A window's `start` along a side and its core, from `first` to `last`; all in pixels."""

    start: int
    first: int
    last: int


def spans(length: int, window: int, halo: int) -> list[Span]:
    """Return the windows along a side of `length` pixels; InputError where not even one fits."""
    if length < window:
        raise InputError(
            f"this bundle takes windows of {window} pixels, and a side of the picture, or of a tile with its "
            f"surroundings, has {length}: use larger tiles, or a bundle exported for the target cpu or web"
        )
    found, first = [], 0
    while first < length:
        start = min(max(0, first - halo), length - window)
        end = start + window
        last = length if end == length else end - halo
        found.append(Span(start, first, last))
        first = last
    return found


@dataclass(frozen=True)
class Box:
    """A window of a picture and its core; `rows` and `columns` may be the whole picture."""

    rows: Span
    columns: Span
    size: tuple[int, int]  # of the window

    def window(self, array: np.ndarray, step: int = 1) -> np.ndarray:
        """Return the window of an array [1, H, W, C] in 1/step of the size."""
        sides = [
            slice(span.start // step, (span.start + size) // step)
            for span, size in zip((self.rows, self.columns), self.size, strict=True)
        ]
        return np.ascontiguousarray(array[:, sides[0], sides[1]])

    def keep(self, array: np.ndarray, part: np.ndarray, step: int) -> None:
        """Put the core of the window's answer `part` into an array [1, H, W, C], both in 1/step."""
        spans = self.rows, self.columns
        to = [slice(span.first // step, span.last // step) for span in spans]
        of = [
            slice((span.first - span.start) // step, (span.last - span.start) // step)
            for span in spans
        ]
        array[:, to[0], to[1]] = part[:, of[0], of[1]]


def boxes(shape: tuple[int, int], window: int | None, halo: int) -> list[Box]:
    """Return the windows of a picture in raster order; without a size, one that is all of it."""
    if window is None:
        height, width = shape
        return [Box(Span(0, 0, height), Span(0, 0, width), shape)]
    rows, columns = (spans(length, window, halo) for length in shape)
    return [Box(row, column, (window, window)) for row in rows for column in columns]
