"""CIFAR-10 in its binary version: 50,000 + 10,000 small photographs of ten classes.

Keras caches the Python version, whose batches are pickles. Reading a pickle runs whatever code its
author put there, so that version is never opened, only pointed out.

uint8 [N, 32, 32, 3], sRGB 0..255; label int32 [N]; the valid split is the publishers' test split.
"""

import tarfile
from pathlib import Path

import numpy as np

from dimaging_tf.data.cache import Folder, Remote, locate
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError

CIFAR10 = Remote(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
)
TRAIN = tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6))
VALID = ("cifar-10-batches-bin/test_batch.bin",)
RECORD = 1 + 3 * 32 * 32
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def load_cifar10(data_dir: Folder = None, download: bool = False) -> Dataset:
    """Return small photographs, 32 x 32, of ten classes."""
    try:
        path = locate(CIFAR10, data_dir, download)
    except DataError as error:
        raise DataError(
            f"{error}\n(the Python version, cifar-10-batches-py, is made of pickles, which can run "
            "any code when they are read; it is not opened)"
        ) from error
    records = _read(path)
    return Dataset(
        name="cifar10",
        train=_split([records[name] for name in TRAIN]),
        valid=_split([records[name] for name in VALID]),
        licence="not stated by its authors; free for research, cite the source",
        source="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        summary="32 x 32 photographs of ten classes",
        classes=CLASSES,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    """Return the six batches, each [N, 3073], straight from the archive: nothing is unpacked to disk."""
    try:
        with tarfile.open(path) as archive:
            files = {name: archive.extractfile(name) for name in TRAIN + VALID}
            raw = {name: file.read() for name, file in files.items() if file}
            return {name: np.frombuffer(raw[name], np.uint8).reshape(-1, RECORD) for name in files}
    except Exception as error:  # tarfile, gzip, zlib and numpy each have their own
        raise DataError(f"{path} is damaged: {error}; expected the batches of CIFAR-10") from error


def _split(batches: list[np.ndarray]) -> Split:
    """Return the records as a split; a record is the label, then the red, the green and the blue plane."""
    records = np.concatenate(batches)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Split(np.moveaxis(planes, 1, -1).copy(), records[:, 0].astype(np.int32))
