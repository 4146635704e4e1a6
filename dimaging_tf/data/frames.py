"""Where the movies of a folder are, what their headers say, and their frames.

A movie is a file of several frames (TIFF, WebP, GIF) or a folder of images whose names end in numbers.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dimaging_tf.data.files import SUFFIXES, read_frames, read_image
from dimaging_tf.errors import DataError

FILMS = (".tif", ".tiff", ".webp", ".gif")
"""Suffixes of files that may hold several frames."""


class Film(NamedTuple):
    """One movie, by its headers."""

    path: Path  # a file, or the folder of the frames
    files: tuple[Path, ...]  # the file itself, or the frames in order
    frames: int
    height: int  # pixels
    width: int  # pixels
    pixel_bytes: int  # of one pixel in memory

    @property
    def bytes(self) -> int:
        """What all frames take in memory."""
        return self.frames * self.height * self.width * self.pixel_bytes


class _Header(NamedTuple):
    frames: int
    height: int
    width: int
    pixel_bytes: int


def find_films(path: Path) -> list[Film]:
    """Return the movies of a folder and its subfolders, or the one that `path` is, in the order of names.

    DataError where there is none, where stills and movies lie side by side, and for what cannot be read.
    """
    if path.is_file():
        return [_film(path, _header(path))]
    folders = [path, *sorted(folder for folder in path.rglob("*") if folder.is_dir())]
    found = []
    for folder in folders:
        if any(part.startswith(".") for part in folder.relative_to(path).parts):
            continue
        files = [
            file
            for file in sorted(folder.iterdir())
            if file.is_file()
            and file.suffix.lower() in {*SUFFIXES, *FILMS}
            and not file.name.startswith(".")
        ]
        headers = {file: _header(file) for file in files}
        films = [file for file, header in headers.items() if header.frames > 1]
        stills = [file for file, header in headers.items() if header.frames == 1]
        if films and stills:
            raise DataError(
                f"{folder} holds a movie, {films[0].name}, beside an image, {stills[0].name}; expected "
                "movies, or the numbered frames of one"
            )
        found += [_film(file, headers[file]) for file in films]
        if stills:
            found.append(_numbered(folder, stills, headers))
    if not found:
        raise DataError(
            f"{path} holds no movies; expected files of several frames that end in {' '.join(FILMS)}, or "
            "folders of numbered images"
        )
    return sorted(found, key=lambda film: film.path)


def read_film(film: Film) -> tuple[np.ndarray, float | None]:
    """Return the frames [T, H, W, 1 or 3] uint8 or uint16, and frames a second where the file says it."""
    rate = None
    if len(film.files) > 1:
        frames = [frame for file in film.files for frame in read_image(file)]
    else:
        frames, rate = read_frames(film.path)
    kinds = sorted({f"{f.dtype} {list(f.shape)}" for f in frames})
    if len(kinds) > 1 or len(frames) != film.frames:
        raise DataError(
            f"{film.path} holds {len(frames)} frames of {' and '.join(kinds)}; expected {film.frames} frames "
            "of one kind"
        )
    return np.stack(frames), rate


def _film(file: Path, header: _Header) -> Film:
    if header.frames < 2:
        raise DataError(
            f"{file} is a single image; expected a movie: {' '.join(FILMS)} of several frames, or a folder "
            "of numbered images"
        )
    return Film(file, (file,), *header)


def _numbered(folder: Path, stills: Sequence[Path], headers: dict[Path, _Header]) -> Film:
    """Return the movie of a folder of images. DataError where numbers or sizes are not those of one movie."""
    numbers = {}
    for file in stills:
        if not (digits := re.findall(r"\d+", file.stem)):
            raise DataError(
                f"{file} has no number; expected numbered frames, such as frame_0001.png, or files of movies"
            )
        numbers.setdefault(int(digits[-1]), []).append(file)
    order = sorted(numbers)
    for number in order:
        if len(numbers[number]) > 1:
            shown = " and ".join(file.name for file in numbers[number][:2])
            raise DataError(f"{folder} has two frames of the number {number}: {shown}")
    if len(order) < 2:
        raise DataError(
            f"{folder} holds one frame, {stills[0].name}; expected at least 2, or files of movies"
        )
    step = min(b - a for a, b in pairwise(order))
    for a, b in pairwise(order):
        if b - a != step:
            raise DataError(
                f"{folder} lacks frames between the numbers {a} and {b}; expected steps of {step}"
            )
    files = tuple(numbers[number][0] for number in order)
    first = headers[files[0]]
    for file in files:
        if headers[file][:3] != first[:3]:
            raise DataError(
                f"{file} is {headers[file].height} x {headers[file].width}, {files[0].name} is "
                f"{first.height} x {first.width}; expected frames of one size"
            )
    most = max(headers[file].pixel_bytes for file in files)
    return Film(folder, files, len(files), first.height, first.width, most)


def _header(file: Path) -> _Header:
    """Return what the file says of itself; nothing is decoded. DataError where that cannot be read."""
    if not file.stat().st_size:
        raise DataError(f"{file} is empty (0 bytes)")
    try:
        if file.suffix.lower() in (".tif", ".tiff"):
            return _tiff_header(file)
        return _pillow_header(file)
    except DataError:
        raise
    except Exception as error:  # on a broken file decoders raise anything
        raise DataError(f"{file} cannot be read as a movie: {error or repr(error)}") from error


def _tiff_header(file: Path) -> _Header:
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        pages = [page.aspage() for page in tiff.pages]
    shapes = {(page.imagelength, page.imagewidth) for page in pages}
    if len(shapes) > 1:
        (h, w), (other_h, other_w) = sorted(shapes)[:2]
        raise DataError(
            f"{file} has pages of {h} x {w} and {other_h} x {other_w}; expected frames of one size"
        )
    deep = max(1 if page.dtype is None else page.dtype.itemsize for page in pages)
    samples = max(page.samplesperpixel for page in pages)
    return _Header(len(pages), *next(iter(shapes)), deep * (3 if samples > 2 else 1))


def _pillow_header(file: Path) -> _Header:
    from PIL import Image

    with Image.open(file) as picture:
        width, height = picture.size
        frames = getattr(picture, "n_frames", 1)
        deep = 2 if picture.mode.startswith("I;16") else 1
        colour = 1 if picture.mode in ("1", "L", "LA") or deep == 2 else 3
    return _Header(frames, height, width, deep * colour)
