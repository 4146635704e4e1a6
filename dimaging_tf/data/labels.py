"""Labels that are classes: the settings that follow from them, and what a model that learns them asks for."""

from typing import TYPE_CHECKING, Any

from dimaging_tf.errors import DataError

if TYPE_CHECKING:
    from dimaging_tf.data.dataset import Dataset
    from dimaging_tf.data.kinds import LabelKind


def class_settings(dataset: "Dataset", kind: "LabelKind" = "example") -> dict[str, Any]:
    """Return the number of classes that the data names or numbers, and their names, as settings of a model.

    They are empty where the labels are of another kind; `check_classes` says what is missing.
    """
    if dataset.classes:
        return {"classes": len(dataset.classes), "names": dataset.classes}
    if dataset.train.label is None or dataset.train.label_kind != kind:
        return {}
    return {"classes": max(int(dataset.train.label.max()) + 1, 2)}


def check_classes(
    model: str, dataset: "Dataset", classes: int, of: str, mend: str, kind: "LabelKind" = "example"
) -> None:
    """Raise DataError unless every example, or every step, has one label of 0 to classes - 1.

    of: what has a label, such as "an image". mend: a sentence that says where the labels are to be put.
    """
    for split in (dataset.train, dataset.valid):
        if split.label is None or split.label_kind != kind:
            found = "no labels" if split.label is None else f"one a {split.label_kind}"
            raise DataError(
                f"{model}: it learns from one label {of}; {dataset.name} has {found}. {mend}"
            )
        low, high = split.label.min(), split.label.max()
        if low < 0 or high >= classes:
            raise DataError(
                f"{model}: the labels of {dataset.name} reach from {low} to {high}; expected 0 to "
                f"{classes - 1}. Number the classes 0, 1, 2, ..., or --set classes={high + 1}"
            )
