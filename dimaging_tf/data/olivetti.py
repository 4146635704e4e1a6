"""The Olivetti faces (AT&T Laboratories Cambridge) from a file that people have; no download.

    olivetti    olivetti.npz    40 people x 10 pictures    32 people in train, 8 others in valid

uint8 [N, S, S, 1], S = 32 unless `size` says 64 or another divisor of it: the mean of each block of
pixels. label int32 [N]: 1 with glasses.
"""

from pathlib import Path

import numpy as np

from dimaging_tf.data.cache import Folder, Remote, locate
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.npz import read_npz
from dimaging_tf.errors import DataError

OLIVETTI = Remote("olivetti.npz")
STORED, PEOPLE, TRAIN = 64, 40, 32


def load_olivetti(data_dir: Folder = None, size: int | None = None) -> Dataset:
    """Return the faces. The file holds images uint8 [400, 64, 64], person 0..39 and glasses 0/1, [400]."""
    size = 32 if size is None else size
    if size < 1 or STORED % size:
        raise DataError(f"olivetti comes in 64, 32, 16 or 8 pixels a side; received size={size}")
    path = locate(OLIVETTI, data_dir, download=False)
    image, person, glasses = read_npz(path, ("images", "person", "glasses")).values()
    _check(path, image, person, glasses)
    block = STORED // size
    blocks = image.reshape(-1, size, block, size, block).astype(np.float32)
    image = np.rint(blocks.mean((2, 4))).astype(np.uint8)[..., None]
    train, label = person < TRAIN, glasses.astype(np.int32)
    return Dataset(
        name="olivetti",
        train=Split(image[train], label[train]),
        valid=Split(image[~train], label[~train]),
        licence="research, with credit to AT&T Laboratories Cambridge",
        source="F. Samaria and A. Harter, Parameterisation of a stochastic model for human face "
        "identification, 1994 (The Database of Faces, AT&T Laboratories Cambridge)",
        summary=f"{size} x {size} faces of {PEOPLE} people",
    )


def _check(path: Path, image: np.ndarray, *labels: np.ndarray) -> None:
    shapes = {label.shape for label in labels}
    if (
        image.dtype != np.uint8
        or image.shape[1:] != (STORED, STORED)
        or shapes != {image.shape[:1]}
    ):
        raise DataError(
            f"{path} holds images {image.dtype} {list(image.shape)} and labels "
            f"{', '.join(str(list(label.shape)) for label in labels)}; expected uint8 [N, 64, 64] "
            "and person, glasses [N]"
        )
