"""The values of a tensor that are black and white, for writers of bundles and readers of pictures alike."""

Range = tuple[float, float]
"""Lowest and highest legal value of a tensor."""
UNIT: Range = (0.0, 1.0)
"""The range in which models here have their images."""


def picture_range(declared: Range | None) -> Range:
    """Return the values of black and white, for an image whose declared range is this one.

    A picture fills the range, such as (0, 255) and (-1, 1), and (0, 1) where none is declared. Only a range
    that reaches as far below 0 as above 1, such as a denoiser's (-1, 2), is (0, 1) with room for noise.
    """
    if declared is None:
        return UNIT
    low, high = declared
    return UNIT if low < 0 and low + high == 1 else (float(low), float(high))
