"""Labels from the folders of a folder of images: DATA/CLASS/NAME.png.

    signs/stop/0001.png ─┐
    signs/yield/17/3.png ┴─ classes ("stop", "yield"), label 0, 1

The classes are the first level of folders in the order of their names, so a label does not depend on the
order in which a disk lists its files.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from dimaging_tf.errors import DataError


def class_names(files: Collection[Path]) -> tuple[str, ...]:
    """Return the names of the classes of `files`, paths relative to the data folder; () where it has none.

    A folder counts as one of class folders where no image lies beside them and there are at least two.
    """
    if any(len(file.parts) == 1 for file in files):
        return ()
    names = tuple(sorted({file.parts[0] for file in files}))
    return names if len(names) > 1 else ()


def class_of(file: Path, names: tuple[str, ...]) -> int:
    """Return the number of the class that a file of `class_names` belongs to."""
    return names.index(file.parts[0])


def check_classes(model: str, name: str, label: Any, classes: int) -> None:
    """DataError unless labels [N] of the data called `name` are there, from 0 to classes - 1."""
    if label is None or label.ndim != 1:
        raise DataError(
            f"{name} has no class labels, and {model} with classes={classes} "
            "needs one for each image; take --set classes=0, or a folder with one folder a class"
        )
    if not 0 <= label.min() <= label.max() < classes:
        raise DataError(
            f"{name} has labels {label.min()} to {label.max()}; expected 0 to "
            f"{classes - 1}: --set classes={label.max() + 1}"
        )
