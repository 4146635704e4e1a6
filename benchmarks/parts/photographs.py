"""What the benchmarks of the photo codec cut out of a photograph."""

import numpy as np

HEIGHT, WIDTH = 512, 768


def middle(image: np.ndarray, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The middle of a picture [H, W, C]: at most so many rows and columns."""
    top, left = (
        max(0, have - want) // 2 for have, want in zip(image.shape, (height, width), strict=False)
    )
    return np.ascontiguousarray(image[top : top + height, left : left + width])
