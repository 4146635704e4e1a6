"""Folders of a folder of images that are no classes: a split that somebody made, or images and their masks.

folder/train/CLASS/*.png ─ train        folder/images/*.png ─┐ refused, with the command that
folder/val/CLASS/*.png   ─ valid        folder/masks/*.png  ─┘ puts masks beside their images
folder/test/CLASS/*.png  ─ left out; valid where there is no other
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dimaging_tf.errors import DataError

TRAIN = {"train", "training"}
VALID = {"val", "valid", "validation", "dev"}
TEST = {"test", "testing"}
IMAGES = {"image", "images", "img", "imgs"}
MASKS = {"mask", "masks", "label", "labels", "annotation", "annotations", "gt", "ground_truth"}


@dataclass(frozen=True)
class GivenSplit:
    """The files of a folder that are used, and the folders in it of those that validate."""

    used: list[Path]
    valid: frozenset[str] = frozenset()
    """Empty where the folder has no split."""

    def within(self, file: Path) -> Path:
        """Return a file's path below the folder of its split."""
        return Path(*file.parts[1:]) if self.valid else file

    @property
    def said(self) -> str:
        """How the files are split, to follow on a summary."""
        return f", validated by the folder {' and '.join(sorted(self.valid))}" if self.valid else ""


def given_split(files: Sequence[Path]) -> GivenSplit:
    """Return the split of files, relative to their folder, where all of its folders are called like parts.

    What lies in a folder called test is left out with a warning, unless nothing else validates.
    """
    names = {file.parts[0] for file in files if len(file.parts) > 1}
    called = {name: name.lower() for name in names}
    lower = set(called.values())
    whole = all(len(file.parts) > 1 for file in files) and lower <= TRAIN | VALID | TEST
    if not whole or not lower & TRAIN or len(lower) < 2:
        return GivenSplit(list(files))
    kinds = VALID if lower & VALID else TEST
    valid = frozenset(name for name in names if called[name] in kinds)
    used = [file for file in files if called[file.parts[0]] in TRAIN | kinds]
    if len(used) < len(files):
        warnings.warn(
            f"left out {len(files) - len(used)} image(s) of the folder test: they neither train nor validate",
            stacklevel=3,
        )
    return GivenSplit(used, valid)


def refuse_folder_of_masks(folder: Path, files: Sequence[Path]) -> None:
    """DataError where the only folders are one of images and one of masks, else learned as images."""
    names = {file.parts[0] for file in files if len(file.parts) > 1}
    found = {name for name in names if name.lower() in MASKS}
    if len(names) != 2 or len(found) != 1 or any(len(file.parts) == 1 for file in files):
        return
    (masks,) = found
    (images,) = names - found
    if images.lower() in IMAGES:
        raise DataError(
            f"{folder} holds the folders {images} and {masks}; a mask lies beside its image here, as "
            f"NAME_mask.png. Bring them there, and give {folder / images}: cd {folder}; "
            f'for f in {masks}/*.png; do cp "$f" "{images}/$(basename "$f" .png)_mask.png"; done'
        )
