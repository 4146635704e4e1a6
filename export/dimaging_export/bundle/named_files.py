"""Real values of one input from a path: an array in .npy or .npz, or a folder of images by their names."""

from os import PathLike
from pathlib import Path

import numpy as np
from dimaging_edge.common.errors import near

from dimaging_export.errors import ExportError
from dimaging_tf.data import images
from dimaging_tf.data.dataset import to_float
from dimaging_tf.data.files import read_image
from dimaging_tf.data.folder import image_files
from dimaging_tf.data.npz import read_npz
from dimaging_tf.errors import DataError

MOST_IMAGES = 256
"""Number of images of a folder that are read, the first by name."""
_SIZE = 64
"""Height and width of the images of an input that leaves them free, in pixels."""

Shape = tuple[int | None, ...]


def read_values(
    path: str | PathLike[str],
    name: str,
    shape: Shape,
    limits: tuple[float, float],
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Return real values of the input `name`, one row a file or as the array has them.

    shape: that of the input, batch first, None where free. limits: the range onto which images are scaled;
    arrays are taken as they are. size: height and width of images where the input leaves them
    free. Row i of every input belongs together: of folders, the files in the order of their names, the first
    MOST_IMAGES. ExportError for a path that is not there or holds something else.
    """
    found = Path(path).expanduser()
    if found.suffix.lower() in (".npy", ".npz") and found.is_file():
        return _array(found, name)
    if found.is_dir():
        return _images(found, name, shape, limits, size or (_SIZE, _SIZE))
    there = "that is neither" if found.exists() else "there is nothing at that path"
    raise ExportError(
        f"data: {name}={found}: expected a folder of images or an array in .npy or .npz; {there}"
    )


def _array(path: Path, name: str) -> np.ndarray:
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        stored = read_npz(path)
    except (OSError, ValueError, DataError) as error:
        raise ExportError(f"data: {name}={path} cannot be read as an array: {error}") from None
    if name not in stored and len(stored) != 1:
        raise ExportError(f"data: {path} holds no array {name!r}; {near(name, list(stored))}")
    return stored[name] if name in stored else next(iter(stored.values()))


def _images(
    folder: Path, name: str, shape: Shape, limits: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    if len(shape) != 4 or shape[-1] not in (1, 3):
        raise ExportError(
            f"data: {name}={folder} is a folder, and input {name!r} takes {list(shape)}, no images of 1 or 3 "
            "channels; pass an array in .npy or .npz"
        )
    height, width = (side or free for side, free in zip(shape[1:3], size, strict=True))
    try:
        files = [folder / file for file in image_files(folder)[:MOST_IMAGES]]
        rows = [_fitted(read_image(p)[0], height, width, shape[-1]) for p in files]
    except DataError as error:
        raise ExportError(f"data: {name}: {error}") from None
    low, high = limits
    return low + np.stack(rows) * np.float32(high - low)


def _fitted(image: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """Return the centre of an image, resampled to height x width, in [0, 1]."""
    square = images.centre_square(images.to_channels(image, channels), max(height, width))
    top, left = (len(square) - height) // 2, (len(square) - width) // 2
    return to_float(square[top : top + height, left : left + width])
