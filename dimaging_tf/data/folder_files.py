"""The files of a person's folder of images: which of them are images, and which masks."""

import warnings
from collections.abc import Iterator
from pathlib import Path

from dimaging_tf.data.files import SUFFIXES
from dimaging_tf.errors import DataError

MASK = "_mask"
"""The end of a mask's name, before its suffix."""
MASK_SUFFIXES = tuple(s for end in SUFFIXES if end != ".webp" for s in (end, end.upper()))
"""Suffixes of files that are looked for as masks."""
PICTURES = (
    ".gif",
    ".heic",
    ".heif",
    ".avif",
    ".jxl",
    ".jp2",
    ".svg",
    ".psd",
    ".dng",
    ".nef",
    ".cr2",
    ".arw",
)
"""Suffixes of pictures that are not read; files that have one are said to be left out."""


def image_files(folder: Path) -> list[Path]:
    """Return the image files of a folder and its subfolders, relative to it, in order; no masks, none hidden.

    DataError for what is no folder, and for a folder without images.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}; expected a folder of images")
    found = [path.relative_to(folder) for path in _files_below(folder)]
    others = [path for path in found if path.suffix.lower() in PICTURES]
    files = [
        path for path in found if path.suffix.lower() in SUFFIXES and not path.stem.endswith(MASK)
    ]
    if not files:
        raise DataError(
            f"{folder} holds no images; expected files that end in "
            f"{' '.join(SUFFIXES)}, found {len(found)} other file(s)"
        )
    if others:
        shown = ", ".join(map(str, others[:5])) + (", ..." if len(others) > 5 else "")
        warnings.warn(
            f"left out {len(others)} picture(s) of formats that are not read: {shown} (save them as PNG; "
            "animations are read as movies: --kind movie)",
            stacklevel=3,
        )
    _tell_of_single_masks(found, files)
    return files


def _files_below(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files that are not hidden, in order, of linked folders too; also links to nothing."""
    real = folder.resolve()
    if real in above:  # a link to a folder that it lies in
        return
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}") from error
    for path in paths:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files_below(path, (*above, real))
        elif path.is_file() or path.is_symlink():
            yield path


def _tell_of_single_masks(found: list[Path], images: list[Path]) -> None:
    known = {path.with_name(f"{path.stem}{MASK}") for path in images}
    single = [
        path
        for path in found
        if path.stem.endswith(MASK)
        and path.suffix in MASK_SUFFIXES
        and path.with_suffix("") not in known
    ]
    if single:
        shown = ", ".join(map(str, single[:5])) + (", ..." if len(single) > 5 else "")
        warnings.warn(f"left out {len(single)} mask(s) without an image: {shown}", stacklevel=4)
