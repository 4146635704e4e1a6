"""Labels from the folders of a folder of images: DATA/CLASS/NAME.png.

    signs/stop/0001.png ─┐
    signs/yield/17/3.png ┴─ classes ("stop", "yield"), label 0, 1

The classes are the first level of folders in the order of their names, so a label does not depend on the
order in which a disk lists its files.
"""

from collections.abc import Collection
from pathlib import Path


def class_names(files: Collection[Path]) -> tuple[str, ...]:
    """Return the names of the classes of `files`, paths relative to the data folder; () where it has none.

    A folder counts as one of class folders where no image lies beside them and there are at least two.
    """
    if any(len(file.parts) == 1 for file in files):
        return ()
    names = tuple(sorted({file.parts[0] for file in files}))
    return names if len(names) > 1 else ()


def why_no_classes(files: Collection[Path]) -> str:
    """Return why folders with images in them are no classes, as a sentence; "" where there are none."""
    above = sorted(file for file in files if len(file.parts) == 1)
    folders = sorted({file.parts[0] for file in files if len(file.parts) > 1})
    if not folders or class_names(files):
        return ""
    if not above:
        return (
            f"all images lie in the one folder {folders[0]}; classes would be two folders or more"
        )
    shown = ", ".join(folders[:5]) + (", ..." if len(folders) > 5 else "")
    return (
        f"the folders {shown} are no classes, because {len(above)} image(s) lie beside them: {above[0]}"
        f"{', ...' if len(above) > 1 else ''}; move those into a class, or away"
    )


def class_of(file: Path, names: tuple[str, ...]) -> int:
    """Return the number of the class that a file of `class_names` belongs to."""
    return names.index(file.parts[0])
