"""Labels that are classes: the settings that follow from them, and what a model asks of them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_tf.errors import DataError, near

if TYPE_CHECKING:
    from dimaging_tf.data.dataset import Dataset
    from dimaging_tf.data.kinds import LabelKind

MOST_CLASSES = 1000
"""Numbers of classes that are taken as they are; a larger one needs as many labels, or it counts nothing."""


def class_settings(dataset: "Dataset", kind: "LabelKind" = "example") -> dict[str, Any]:
    """Return the number of classes that the data names or numbers, and their names, as settings of a model.

    They are empty where the labels are of another kind; `check_classes` says what is missing. DataError for
    numbers that name something and count nothing, such as 1001: a model would have an output for each below.
    """
    if dataset.classes:
        return {"classes": len(dataset.classes), "names": dataset.classes}
    label = dataset.train.label
    if label is None or dataset.train.label_kind != kind:
        return {}
    if (high := int(label.max())) >= max(MOST_CLASSES, label.size):
        raise DataError(
            f"{dataset.name} has {label.size:,} labels, up to {high:,}; expected classes that are numbered "
            "0, 1, 2, ... (numbers that are names: np.unique(label, return_inverse=True)[1])"
        )
    return {"classes": max(high + 1, 2)}


def check_classes(
    model: str, dataset: "Dataset", classes: int, of: str, mend: str, kind: "LabelKind" = "example"
) -> None:
    """Raise DataError unless every example, or every step, has one label of 0 to classes - 1.

    of: what has a label, such as "an image". mend: a sentence that says where the labels are to be put.
    """
    for split in (dataset.train, dataset.valid):
        if split.label is None or split.label_kind != kind:
            article = "an" if split.label_kind == "example" else "a"
            found = "no labels" if split.label is None else f"one {article} {split.label_kind}"
            found += f" ({dataset.unlabelled})" if dataset.unlabelled else ""
            raise DataError(
                f"{model}: it learns from one label {of}; {dataset.name} has {found}. {mend}"
            )
        low, high = int(split.label.min()), int(split.label.max())
        if low < 0 or high >= classes:
            named = f", of {', '.join(dataset.classes[:5])}" if dataset.classes else ""
            more = f", or --set classes={max(len(dataset.classes), high + 1)}" if low >= 0 else ""
            raise DataError(
                f"{model}: the labels of {dataset.name} reach from {low} to {high}{named}; expected 0 to "
                f"{classes - 1}. Number the classes 0, 1, 2, ...{more}"
            )


def check_condition(model: str, dataset: "Dataset", classes: int) -> None:
    """Raise DataError unless every image has a label of 0 to classes - 1, for a model that draws classes."""
    mend = (
        f"With classes={classes} it draws classes; take --set classes=0, "
        "or a folder with one folder a class"
    )
    check_classes(model, dataset, classes, "an image", mend)


def chosen_classes(model: str, n: int, classes: int, label: Any = None) -> np.ndarray:
    """Return the classes int [n] of n images to draw: `label`, or one class after the other for None.

    label: a class for all images, or an array int [n]. ValueError for a label out of range, and for any
    where the model, of the name given, has no classes.
    """
    if not classes:
        if label is None:
            return np.zeros(0, np.int64)
        raise ValueError(f"{model} has no classes; leave the label out")
    chosen = np.arange(n) % classes if label is None else np.broadcast_to(label, (n,))
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < classes:
        raise ValueError(
            f"label: expected 0 to {classes - 1}. Received: {chosen.min()} to {chosen.max()}"
        )
    return chosen


def class_labels(classes: int, names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return what to call each of the classes: their names where there are as many, else their numbers."""
    if len(names) == classes:
        return tuple(names)
    return tuple(f"class {number}" for number in range(classes))


def class_number(text: str, classes: int, names: tuple[str, ...] = ()) -> int:
    """Return the class of a name, or of a number as text. DataError where there is none."""
    known = class_labels(classes, names)
    if text in known:
        return known.index(text)
    if text.isdecimal() and int(text) < classes:
        return int(text)
    hint = f", or a name ({near(text, known)})" if len(names) == classes else ""
    raise DataError(f"--label: {text!r} is no class; expected 0 to {classes - 1}{hint}")
