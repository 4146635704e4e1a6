"""Fluorescence microscopy of real nuclei, 16 bits: fields of BBBC039 (Caicedo et al. 2018; CC0).

    DATA_DIR/nuclei16/NNN.png       uint16 as the camera stored it; NNN_mask.png is left alone

U2OS cells, Hoechst stain, 20x. The camera has 12 bits, so a field holds 0..4095 of 65535, as files of such
cameras do; nothing is stretched. Eight fields, chosen by name, are for validation and for measured
curves. uint16 [N, size, size, 1], no label; patches overlap by three quarters in train.
"""

from pathlib import Path

import numpy as np

from dimaging_tf.data import images
from dimaging_tf.data.cache import Folder
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.files import read_image
from dimaging_tf.data.folder import held_apart
from dimaging_tf.errors import DataError

HELD_BACK = ("004", "011", "018", "024", "029", "036", "042", "048")


def load_nuclei(data_dir: Folder = None, size: int | None = None) -> Dataset:
    """Return patches of `size` pixels (default 256): all of train, the middle one of a held-back field."""
    size = 256 if size is None else size
    files = find(data_dir)
    free, held = held_apart(files, HELD_BACK, "fields")
    train = [_patches(file, size, size // 4) for file in free]
    patches = [_patches(file, size, size // 4) for file in held]
    valid = [x[len(x) // 2][None] for x in patches]
    return Dataset(
        name="nuclei",
        train=Split(np.concatenate(train)),
        valid=Split(np.concatenate(valid)),
        licence="CC0",
        source="BBBC039, Broad Bioimage Benchmark Collection",
        summary=f"{len(files)} fields of nuclei in patches of {size} x {size}",
    )


def find(data_dir: Folder = None) -> list[Path]:
    """Return the fields below DATA_DIR, in order; DataError where there are none."""
    folder = Path(data_dir or ".").expanduser() / "nuclei16"
    found = [file for file in sorted(folder.glob("*.png")) if not file.stem.endswith("_mask")]
    if not found:
        raise DataError(
            f"{folder} holds no fields; expected 16-bit files 001.png, 002.png ... of BBBC039 "
            "(https://bbbc.broadinstitute.org/BBBC039). Say where they lie with --data-dir, or train on "
            "a folder of your own: --data my_fields/"
        )
    return found


def _patches(file: Path, size: int, stride: int) -> np.ndarray:
    picture = read_image(file)[0]
    windows = images.grid(picture, size, max(1, stride))
    if picture.dtype != np.uint16 or not windows:
        raise DataError(
            f"{file} is {picture.dtype} {list(picture.shape)}; expected uint16, grey, at least "
            f"{size} x {size}"
        )
    return np.stack([picture[window] for window in windows])
