"""What the loaders of a person's own files share: limits, the split, equal lengths, names of classes.

many files or examples   about a tenth of them, chosen by seed and name, is the valid split
one long recording       its last tenth is; both parts are cut into examples of `length` steps
"""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from dimaging_tf.data.class_folders import class_names, class_of
from dimaging_tf.errors import DataError

LICENCE = "not stated: your own data"
VALID_SHARE = 0.1
"""The share of a person's own files or steps that becomes the valid split."""
LENGTH = 64
"""Characters of text, or steps of a single recording, in one example where nobody says how many."""
MOST_BYTES = 4 * 2**30
"""The largest size of a person's own arrays in memory, in bytes, checked before anything is inflated."""

Name = TypeVar("Name", bound=Hashable)


def check_bytes(path: Path, needed: int) -> None:
    """DataError where a file would take more memory than MOST_BYTES."""
    if needed > MOST_BYTES:
        raise DataError(
            f"{path} would take {needed / 2**30:,.1f} GiB of memory; expected at most "
            f"{MOST_BYTES / 2**30:g} GiB (give a part of it, or smaller numbers)"
        )


def number_of(seed: int, name: object) -> int:
    """Return a number below 2**64 that depends on the seed and the name and on nothing else.

    So adding a file moves no other between the splits, except out of one that had to be filled.
    """
    said = name.as_posix() if isinstance(name, Path) else name
    return int.from_bytes(hashlib.sha256(f"{seed}/{said}".encode()).digest()[:8])


def valid_names(names: Sequence[Name], seed: int) -> set[Name]:
    """Return the names of the valid split: about a tenth, at least one, and never all."""
    order = sorted(names, key=lambda name: number_of(seed, name))
    count = sum(number_of(seed, name) < VALID_SHARE * 2**64 for name in order)
    return set(order[: min(max(count, 1), len(order) - 1)])


def check_lengths(lengths: Mapping[str, int], length: int | None, steps: str) -> None:
    """DataError where the numbers of steps differ and no `length` cuts them, or where one has fewer."""
    shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
    if length is None and lengths[shortest] != lengths[longest]:
        raise DataError(
            f"{shortest} has {lengths[shortest]} {steps}, {longest} has {lengths[longest]}; expected equal "
            f"lengths (or cut them with length=, --length, of at most {lengths[shortest]})"
        )
    if length is not None and not 1 <= length <= lengths[shortest]:
        raise DataError(
            f"{shortest} has {lengths[shortest]} {steps}; expected length= (--length) to be from 1 to that, "
            f"received {length}"
        )


def cut(array: np.ndarray, length: int | None) -> np.ndarray:
    """Return [N, T, ...] as [N * pieces, length, ...]: whole pieces in order; the rest of T is left out."""
    if length is None or length == array.shape[1]:
        return array
    pieces = array.shape[1] // length
    kept = array[:, : pieces * length]
    return kept.reshape(len(array) * pieces, length, *array.shape[2:])


def parts_in_time(steps: np.ndarray, length: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the first nine tenths and the last tenth of [T, ...], each cut to [N, length, ...].

    DataError where one of them is shorter than one example.
    """
    last = int(len(steps) * VALID_SHARE)
    if not 1 <= length <= last:
        raise DataError(
            f"{path} has {len(steps):,} steps, of which the last tenth, {last}, is the valid split; expected "
            f"length= (--length) to be from 1 to that, received {length}"
        )
    train, valid = (
        cut(part[None], length) for part in (steps[: len(steps) - last], steps[len(steps) - last :])
    )
    return train, valid


def classes_of(names: Sequence[Path], folder: Path) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the label of each file, the number of its class folder, and the names of the classes.

    (None, ()) where there are no class folders. DataError where only some files lie in subfolders.
    """
    classes = class_names(names)
    above, below = ([n for n in names if (len(n.parts) > 1) == deep] for deep in (False, True))
    if above and below:
        raise DataError(
            f"{folder} holds {above[0]} and {below[0]}; expected all in the folder itself (no labels), or "
            "each in a subfolder that is called like its class"
        )
    if not classes:
        return None, ()
    return np.array([class_of(name, classes) for name in names], np.int32), classes
