"""How large small images are shown to people, and how many of them one picture holds."""

READABLE = 96
"""Side in pixels to which small images are enlarged."""
MOST_IMAGES = 10_000
"""The most images in one picture; an array holds any number."""
_WIDEST = 4096
"""Side in pixels that a picture of many images does not pass by enlarging them."""


def readable_scale(height: int, width: int, down: int, across: int) -> int:
    """Return the pixels of a picture for a pixel of an image, 1 or more, of `down` x `across` images.

    An image is enlarged until its longer side has READABLE pixels, as far as the picture stays within 4096.
    """
    side = max(height, width)
    return max(1, min(READABLE // side, _WIDEST // max(height * down, width * across)))
