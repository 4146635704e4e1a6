"""MNIST and its siblings from files that people have; nothing is downloaded unless asked for.

    mnist             mnist.npz, as keras.datasets keeps it              60,000 + 10,000
    fashion_mnist     fashion-mnist/*-ubyte.gz, as keras.datasets does   60,000 + 10,000
    binarized_mnist   binarized_mnist.npz, a fixed binarisation          50,000 + 10,000

uint8 [N, 28, 28, 1]: 0..255, or 0 and 255 when binarised; label int32 [N], none when binarised.
The valid split is the publishers' test split (of binarized_mnist, their validation split).
"""

import gzip
import struct
from pathlib import Path

import numpy as np

from dimaging_tf.data.cache import Folder, Remote, locate
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.npz import read_npz
from dimaging_tf.errors import DataError

KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
MNIST = Remote("mnist.npz", f"{KERAS}/mnist.npz", "8a61469f7ea1b51cbae51d4f78837e45")
FASHION = [
    Remote(f"fashion-mnist/{name}-ubyte.gz", f"{KERAS}/{name}-ubyte.gz", md5)
    for name, md5 in (
        ("train-images-idx3", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1", "bb300cfdad3c16e7a12a480ee83cd310"),
    )
]
FASHION_CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip
BINARIZED = Remote("binarized_mnist.npz")


def load_mnist(data_dir: Folder = None, download: bool = False) -> Dataset:
    """Return handwritten digits, 28 x 28."""
    path = locate(MNIST, data_dir, download)
    keys = ("x_train", "y_train", "x_test", "y_test")
    return _labelled(
        "mnist",
        *(_checked(path, array) for array in read_npz(path, keys).values()),
        licence="CC BY-SA 3.0",
        source="Y. LeCun, C. Cortes and C. Burges, MNIST",
        summary="28 x 28 handwritten digits",
    )


def load_fashion_mnist(data_dir: Folder = None, download: bool = False) -> Dataset:
    """Return Zalando's articles of clothing, ten classes, 28 x 28."""
    paths = [locate(remote, data_dir, download) for remote in FASHION]
    return _labelled(
        "fashion_mnist",
        *(_checked(path, _read_idx(path)) for path in paths),
        licence="MIT",
        source="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, arXiv 1708.07747",
        summary="28 x 28 articles of clothing",
        classes=FASHION_CLASSES,
    )


def load_binarized_mnist(data_dir: Folder = None) -> Dataset:
    """Return digits whose every pixel was drawn once, black or white, for likelihoods in nats.

    The file's x_train and x_valid are rows of 98 bytes: np.packbits of 784 pixels. It is sorted by
    digit, so a likelihood is an average over a whole split, never over its beginning.
    """
    path = locate(BINARIZED, data_dir, download=False)
    splits = []
    for rows in read_npz(path, ("x_train", "x_valid")).values():
        if rows.dtype != np.uint8 or rows.shape[1:] != (98,):
            raise DataError(
                f"{path} holds {rows.dtype} {list(rows.shape)}; expected uint8 [N, 98], packed bits"
            )
        splits.append(Split(np.unpackbits(rows, axis=1).reshape(-1, 28, 28, 1) * np.uint8(255)))
    return Dataset(
        name="binarized_mnist",
        train=splits[0],
        valid=splits[1],
        licence="CC BY-SA 3.0",
        source="MNIST, binarised once as by H. Larochelle and I. Murray, AISTATS 2011",
        summary="28 x 28 handwritten digits in black and white",
    )


def _labelled(
    name, x_train, y_train, x_valid, y_valid, *, licence, source, summary, classes=()
) -> Dataset:
    return Dataset(
        name=name,
        train=Split(x_train[..., None], y_train.astype(np.int32)),
        valid=Split(x_valid[..., None], y_valid.astype(np.int32)),
        licence=licence,
        source=source,
        summary=summary,
        classes=classes,
    )


def _read_idx(path: Path) -> np.ndarray:
    """Read LeCun's format: 0, 0, 8 for bytes, the number of axes, each length as 4 bytes, the values."""
    try:
        raw = gzip.decompress(path.read_bytes())
        shape = struct.unpack_from(f">{raw[3]}I", raw, 4)
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape).copy()
    except Exception as error:  # gzip, zlib, struct and numpy each have their own
        raise DataError(f"{path} is damaged: {error}") from error


def _checked(path: Path, array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8 or array.shape[1:] not in ((28, 28), ()) or array.ndim == 0:
        raise DataError(
            f"{path} holds {array.dtype} {list(array.shape)}; expected uint8 [N, 28, 28] or [N]"
        )
    return array
