"""A folder of your own images, of any size: cut to patches (photographs) or to one size (objects).

    folder/**/NAME.{png,jpg,tif,webp,bmp}   8 or 16 bits, grey or RGB(A)
    folder/**/NAME_mask.{png,tif}           perhaps: its integer mask, for every image or for none
    folder/CLASS/**/NAME.png                two or more such folders, no masks: one label an image
    folder/{train,valid}/**                 the split as it is (see `folder_splits`), else a tenth is valid

    cut="patches"   size x size windows as they are, overlapping by half; of each file so many,
                    chosen at random, that all together are at most `max_patches`
    cut="resize"    the largest centred square of each file, resampled to size x size

A 16-bit file whose sensor has fewer bits needs `white`, the value of full scale (12 bits: 4095).

What comes from one file is all in train or all in valid. If a single file has 16 bits, all become
16-bit; if a single one is coloured, all become RGB (channels=1 makes all grey).
"""

import os
import sys
import warnings
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from dimaging_tf.data import images, own
from dimaging_tf.data.class_folders import class_names, class_of, why_no_classes
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.files import read_image, read_mask
from dimaging_tf.data.folder_files import MASK, MASK_SUFFIXES, image_files
from dimaging_tf.data.folder_splits import GivenSplit, given_split, refuse_folder_of_masks
from dimaging_tf.errors import DataError

Cut = Literal["patches", "resize"]


class TooSmallError(DataError):
    """A picture is smaller than a patch."""


class Piece(NamedTuple):
    """What one file gives: image [n, size, size, 1 or 3], and perhaps mask [n, size, size] or label [n]."""

    image: np.ndarray
    mask: np.ndarray | None
    label: np.ndarray | None = None


def load_folder(
    folder: str | os.PathLike,
    *,
    size: int | None = None,
    channels: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    skip_small: bool = False,
    cut: Cut = "patches",
    white: int | None = None,
    max_patches: int = 20_000,
) -> Dataset:
    """Return images [N, size, size, channels] uint8 or uint16 (size: 64), perhaps with integer labels.

    The labels are masks [N, size, size] or the numbers of the class folders [N], int32.

    About a tenth of the files, but at least one, is the valid split: `seed` and the names choose it.
    Files that cannot be used raise DataError with their names; skip_bad leaves them out and warns, skip_small
    does so with those that are smaller than a patch. Pictures of other formats are left out with a warning.
    """
    folder = Path(folder).expanduser()
    size = 64 if size is None else size
    if size < 1 or cut not in ("patches", "resize") or not 1 <= (white or 1) <= 65535:
        raise DataError(
            "expected size >= 1, cut 'patches' or 'resize', white None or 1 to 65535; "
            f"received {size}, {cut!r}, {white}"
        )
    files = image_files(folder)
    refuse_folder_of_masks(folder, files)
    given = given_split(files)
    files = given.used
    quota = max(1, max_patches // len(files))
    read = partial(_read, folder=folder, size=size, cut=cut, white=white, quota=quota, seed=seed)
    pieces = _read_all(files, read)
    good = {file: piece for file, piece in pieces.items() if isinstance(piece, Piece)}
    bad = [piece for piece in pieces.values() if isinstance(piece, DataError)]
    small: list[DataError] = [error for error in bad if isinstance(error, TooSmallError)]
    if skip_small and small:
        _report(small, len(files), True)
        bad = [error for error in bad if not isinstance(error, TooSmallError)]
    if bad:
        _report(bad, len(files), skip_bad)
    if len(good) < 2:
        raise DataError(
            f"{folder} holds {len(good)} usable image(s); expected at least 2, because no file "
            "is in both the train and the valid split"
        )
    bare = [file for file, piece in good.items() if piece.mask is None]
    if 0 < len(bare) < len(good):
        raise DataError(
            f"{folder / bare[0]} has no mask, others have; "
            f"expected {bare[0].stem}{MASK}.png beside it"
        )
    named = {file: given.within(file) for file in good}  # classes lie below the folders of a split
    classes = () if good[next(iter(good))].mask is not None else class_names(named.values())
    if classes:
        good = {f: _labelled(piece, class_of(named[f], classes)) for f, piece in good.items()}
    deep = any(piece.image.dtype == np.uint16 for piece in good.values())
    if deep and not white:
        _warn_if_dark(max(piece.image.max() for piece in good.values()))
    depth = max(piece.image.shape[-1] for piece in good.values()) if channels is None else channels
    valid = _valid(folder, given, list(good), seed)
    splits = [
        [good[file] for file in sorted(good) if (file in valid) == side] for side in (False, True)
    ]
    return Dataset(
        name=folder.resolve().name,
        train=_join(splits[0], deep, depth),
        valid=_join(splits[1], deep, depth),
        licence="not stated: your own images",
        source=str(folder),
        summary=f"{len(good)} image files, {cut} of {size} x {size} pixels{given.said}",
        classes=classes,
        unlabelled="" if bare == [] else why_no_classes(named.values()),
    )


def _valid(folder: Path, given: GivenSplit, files: list[Path], seed: int) -> set[Path]:
    """Return the files that validate; DataError where a given split leaves one of both parts empty."""
    if not given.valid:
        return own.valid_names(files, seed)
    valid = {file for file in files if file.parts[0] in given.valid}
    if not 0 < len(valid) < len(files):
        raise DataError(
            f"{folder} is split into folders{given.said}, and {len(valid)} of {len(files)} usable images "
            "validate; expected some in both"
        )
    return valid


def _read_all(
    files: list[Path], read: Callable[[Path], Piece | DataError]
) -> dict[Path, Piece | DataError]:
    """Read every file, on all cores; a bar is drawn only when a person is looking."""
    from rich.console import Console
    from rich.progress import track

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        pieces = track(
            pool.map(read, files),
            "reading images",
            total=len(files),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        return dict(zip(files, pieces, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)  # so that Ctrl-C need not wait for the rest


def _read(
    file: Path, *, folder: Path, size: int, cut: Cut, white: int | None, quota: int, seed: int
) -> Piece | DataError:
    """Return a file's piece, or why there is none: an error must not stop the reading of the others."""
    path = folder / file
    try:
        pages = read_image(path)
        mask = _read_mask(path, pages)
    except DataError as error:
        return error
    if white and pages[0].dtype == np.uint16:
        pages = [images.stretch(page, white) for page in pages]
    if cut == "resize":
        return Piece(
            np.stack([images.centre_square(page, size) for page in pages]),
            None if mask is None else images.nearest_square(mask, size)[None],
        )
    windows = [
        (page, window) for page in pages for window in images.grid(page, size, max(1, size // 2))
    ]
    if not windows:
        height, width = pages[0].shape[:2]
        return TooSmallError(
            f"{path} is {height} x {width}, smaller than a patch of {size} x {size}; expected a larger "
            "image, a smaller size= (--size), cut='resize' (--cut resize), or skip_small=True (--skip-small)"
        )
    chosen = np.random.default_rng(own.number_of(seed, file)).permutation(len(windows))[:quota]
    windows = [windows[index] for index in sorted(chosen)]
    return Piece(
        np.stack([page[window] for page, window in windows]),
        None if mask is None else np.stack([mask[window] for _, window in windows]),
    )


def _read_mask(file: Path, pages: list[np.ndarray]) -> np.ndarray | None:
    """Return the mask [H, W] int32 beside an image, if there is one."""
    paths = [file.with_name(f"{file.stem}{MASK}{suffix}") for suffix in MASK_SUFFIXES]
    path = next(filter(Path.is_file, paths), None)
    if path is None:
        return None
    if path.suffix.lower() in (".jpg", ".jpeg"):
        raise DataError(
            f"{path} is a JPEG, which changes the classes of pixels; save the mask as a .png"
        )
    mask = read_mask(path)
    if len(pages) > 1 or mask.shape != pages[0].shape[:2]:
        raise DataError(
            f"{path} is {list(mask.shape)}; expected one mask of the size of its image, "
            f"which has {len(pages)} page(s) of {list(pages[0].shape[:2])}"
        )
    return mask


def _report(bad: list[DataError], count: int, skip_bad: bool) -> None:
    # What mends a small picture need not be said where it was chosen.
    texts = [
        str(e).partition("; expected")[0] if skip_bad and isinstance(e, TooSmallError) else str(e)
        for e in bad[:10]
    ]
    shown = [f"  {text}" for text in texts] + ["  ..."] * (len(bad) > 10)
    if not skip_bad:
        raise DataError(
            "\n".join([f"{len(bad)} of {count} image files cannot be used:", *shown])
            + "\nmend or remove them, or leave them out with skip_bad=True (--skip-bad)"
        ) from bad[0]
    warnings.warn("\n".join([f"left out {len(bad)} of {count} files:", *shown]), stacklevel=3)


def _warn_if_dark(brightest: int) -> None:
    if brightest < 65536 // 4:
        bits = int(brightest).bit_length()
        warnings.warn(
            f"the brightest pixel is {brightest} of 65535; if the sensor has {bits} bits, "
            f"pass white={2**bits - 1} so that its full scale becomes 1",
            stacklevel=3,
        )


def _join(pieces: list[Piece], deep: bool, channels: int) -> Split:
    stacks = [images.to_uint16(piece.image) if deep else piece.image for piece in pieces]
    labels = [piece.label if piece.mask is None else piece.mask for piece in pieces]
    known = [label for label in labels if label is not None]
    return Split(
        np.concatenate([images.to_channels(stack, channels) for stack in stacks]),
        np.concatenate(known) if known else None,
    )


def _labelled(piece: Piece, label: int) -> Piece:
    """Return the piece with the class of its file as the label of each of its images."""
    return piece._replace(label=np.full(len(piece.image), label, np.int32))


def held_apart(
    files: list[Path], held: Collection[str], what: str
) -> tuple[list[Path], list[Path]]:
    """Return (free, held back) files, by their names without suffix; DataError where one of both is empty."""
    parts = [file for file in files if file.stem not in held], [f for f in files if f.stem in held]
    if not all(parts):
        raise DataError(
            f"{files[0].parent} holds {len(files)} {what}, {len(parts[1])} of them held back; expected "
            "some of both"
        )
    return parts
