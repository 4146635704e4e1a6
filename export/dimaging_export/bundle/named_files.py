"""Real values of one input from a path: an array in .npy or .npz, or a folder of images by their names."""

from os import PathLike
from pathlib import Path

import numpy as np
from dimaging_edge.common.errors import near

from dimaging_export.errors import ExportError
from dimaging_tf.data import images
from dimaging_tf.data.dataset import to_float
from dimaging_tf.data.files import SUFFIXES, read_image
from dimaging_tf.errors import DataError

MOST_IMAGES = 256
"""Number of images of a folder that are read, the first by name."""
_SIZE = 64
"""Height and width of the images of an input that leaves them free, in pixels."""

Shape = tuple[int | None, ...]


def read_values(
    path: str | PathLike[str], name: str, shape: Shape, limits: tuple[float, float]
) -> np.ndarray:
    """Return real values of the input `name`, one row a file or as the array has them.

    shape: that of the input, batch first, None where free. limits: the range onto which images are scaled;
    arrays are taken as they are. Row i of every input belongs together: of folders, the files in the order
    of their names. ExportError for a path that is not there or holds something else.
    """
    found = Path(path).expanduser()
    if found.suffix.lower() in (".npy", ".npz") and found.is_file():
        return _array(found, name)
    if found.is_dir():
        return _images(found, name, shape, limits)
    there = "that is neither" if found.exists() else "there is nothing at that path"
    raise ExportError(
        f"data: {name}={found}: expected a folder of images or an array in .npy or .npz; {there}"
    )


def _array(path: Path, name: str) -> np.ndarray:
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            return stored
        with stored:
            held = stored.files
            if name not in held and len(held) != 1:
                raise ExportError(f"data: {path} holds no array {name!r}; {near(name, held)}")
            return stored[name if name in held else held[0]]
    except (OSError, ValueError) as error:
        raise ExportError(f"data: {name}={path} cannot be read as an array: {error}") from None


def _images(folder: Path, name: str, shape: Shape, limits: tuple[float, float]) -> np.ndarray:
    if len(shape) != 4 or shape[-1] not in (1, 3):
        raise ExportError(
            f"data: {name}={folder} is a folder, and input {name!r} takes {list(shape)}, no images of 1 or 3 "
            "channels; pass an array in .npy or .npz"
        )
    files = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != "."
    )
    if not files:
        raise ExportError(
            f"data: {name}={folder} holds no images ({', '.join(SUFFIXES)}); pass another folder"
        )
    height, width = (side or _SIZE for side in shape[1:3])
    try:
        rows = [_fitted(read_image(p)[0], height, width, shape[-1]) for p in files[:MOST_IMAGES]]
    except DataError as error:
        raise ExportError(f"data: {name}: {error}") from None
    low, high = limits
    return low + np.stack(rows) * np.float32(high - low)


def _fitted(image: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """Return the centre of an image, resampled to height x width, in [0, 1]."""
    square = images.centre_square(images.to_channels(image, channels), max(height, width))
    top, left = (len(square) - height) // 2, (len(square) - width) // 2
    return to_float(square[top : top + height, left : left + width])
