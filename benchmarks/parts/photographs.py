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


def textured(folder: Path, most: int) -> tuple[dict[str, np.ndarray], str]:
    """The part of the bsds_* pictures (of all, where there are none) that changes most between pixels.

    Of that part the first `most` by name are returned, and what the figures have to say of them.
    """
    from dimaging_tf.evaluation.rate_distortion import read_folder

    images = read_folder(folder)
    held = {k: x for k, x in images.items() if k.startswith("bsds_")}
    found = held or images

    def change(name: str) -> float:
        grey = found[name].astype(np.float64).mean(-1)
        return np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()

    ranked = sorted(found, key=change, reverse=True)
    chosen = sorted(ranked[: max(1, round(SHARE * len(ranked)))])
    first = chosen[:most]
    part = "" if first == chosen else f"{len(first)} of "
    judge = f"{part}the {len(chosen)} most textured of {len(found)} pictures"
    if held:
        judge += " bsds_* (BSDS500, 481 x 321), which no training and no choice saw"
    else:
        judge += f" of {folder.name}, none of which is a bsds_*; trainings may have seen them"
    return {name: found[name] for name in first}, judge
