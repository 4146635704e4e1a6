"""What the benchmarks of the photo codec cut out of a photograph."""

from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 512, 768


def middle(image: np.ndarray, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The middle of a picture [H, W, C]: at most so many rows and columns."""
    top, left = (
        max(0, have - want) // 2 for have, want in zip(image.shape, (height, width), strict=False)
    )
    return np.ascontiguousarray(image[top : top + height, left : left + width])


SHARE = 24 / 110
"""Of the pictures: the most textured ones."""
JUDGE = "the 24 most textured of 110 pictures bsds_* (BSDS500, 481 x 321), which no training and no choice saw"
"""What the figures say of the pictures that `textured` returns."""


def textured(folder: Path) -> dict[str, np.ndarray]:
    """The part of the bsds_* pictures (of all, where there are none) that changes most between pixels."""
    from dimaging_tf.evaluation.rate_distortion import read_folder

    images = read_folder(folder)
    found = {k: x for k, x in images.items() if k.startswith("bsds_")} or images

    def change(name: str) -> float:
        grey = found[name].astype(np.float64).mean(-1)
        return np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()

    ranked = sorted(found, key=change, reverse=True)
    return {name: found[name] for name in sorted(ranked[: max(1, round(SHARE * len(ranked)))])}
