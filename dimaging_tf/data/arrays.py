"""Arrays of your own: one .npz file of images, movies, series or tokens.

    x [N, ...]        4 axes: images, 5: movies, 3 of numbers: series, 2 of whole numbers: tokens
    label, labels, y  perhaps: whole numbers, [N] or one for each pixel or step (see `kinds`); words, of which
                      each different one is a class; True and False
    x_train, x_valid  instead of x, perhaps with label_train, label_valid (or y_): the split as it is
    vocabulary        what tokens stand for, strings; otherwise their numbers
    words             the words of captions, strings, where the labels are captions [N, words]
    classes           names of the labels, strings
    rate              frames or steps a second, one number

A file with a single array may call it anything. `_test` and `_val` mean the same as `_valid`.

float16 and float64 become float32, and whole numbers of series too.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from dimaging_tf.data import own
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.kinds import FORMS, PICTURES, Kind, LabelKind, kind_of
from dimaging_tf.data.npz import read_npz
from dimaging_tf.errors import DataError

LABELS = ("label", "labels", "y")
VALID = ("valid", "test", "val")
FACTS = ("vocabulary", "words", "classes", "rate")


def load_arrays(
    path: str | Path, *, kind: Kind | None = None, length: int | None = None, seed: int = 0
) -> Dataset:
    """Examples of an .npz file, as this module's docstring says.

    kind: what the arrays hold, where their axes leave it open. length: steps of an example; longer ones are
    cut into pieces. A tenth of the examples, chosen by `seed`, is valid where the file has no split.
    DataError for what is damaged, too large, not numbers, or does not fit together.
    """
    path = Path(path).expanduser()
    arrays = read_npz(path)
    facts = {name: arrays.pop(name) for name in FACTS if name in arrays}
    (x, label), given = _named(arrays, path)
    kind = _kind(x[0], kind, path)
    x = [_examples(one, kind, path) for one in x]
    words, classes = (_strings(facts, name, path) for name in ("words", "classes"))
    label, classes = _numbered(label, classes, path)
    if "words" not in facts and (kind == "image" or x[0].shape[1:2] != (1,)):
        # A column of labels is one an example: no caption of one word, and no label of each step.
        label = [y[:, 0] if y is not None and y.ndim == 2 and y.shape[1] == 1 else y for y in label]
    label_kind: LabelKind | None = "caption" if words and label[0] is not None else None
    splits = [
        _checked(a, b, kind, label_kind, path) for a, b in zip(x, label, strict=True)
    ]  # before it is cut, so that messages tell the shapes in the file
    if not given:
        splits = _split(splits[0], seed, path)
    if length is not None:
        splits = [_cut(split, length, path) for split in splits]
    most = max(int(split.x.max()) for split in splits) if kind == "tokens" else 0
    numbers = tuple(map(str, range(most + 1))) if kind == "tokens" else ()
    count = sum(map(len, splits))
    return Dataset(
        name=path.name,
        train=splits[0],
        valid=splits[1],
        licence=own.LICENCE,
        source=str(path),
        summary=f"{count:,} {FORMS[kind].plural} of {' x '.join(map(str, splits[0].x.shape[1:]))}",
        words=words,
        vocabulary=_strings(facts, "vocabulary", path) or numbers,
        classes=classes,
        rate=_rate(facts, path),
    )


def _named(
    arrays: dict[str, np.ndarray], path: Path
) -> tuple[tuple[list[np.ndarray], list[np.ndarray | None]], bool]:
    """Return (examples, labels) of one or two splits, and whether the file has the split itself."""
    left = dict(arrays)
    if len(left) == 1 and "x" not in left:
        return ([left.popitem()[1]], [None]), False
    parts = [("",)] if "x" in left else [("_train",), tuple(f"_{name}" for name in VALID)]
    x: list[Any] = []
    label: list[np.ndarray | None] = []
    for endings in parts:
        x.append(_only(left, [f"x{ending}" for ending in endings], path))
        label.append(_only(left, [f"{n}{e}" for n in LABELS for e in endings], path))
    if left or any(one is None for one in x):
        raise DataError(
            f"{path} holds the arrays {', '.join(sorted(arrays))}; expected x, perhaps with label or y, or "
            f"x_train and x_valid with label_train and label_valid; besides {', '.join(FACTS)}"
        )
    if len({one is None for one in label}) > 1:
        raise DataError(f"{path} has labels for one split only; expected them for both, or none")
    return (x, label), len(parts) == 2


def _numbered(
    labels: list[np.ndarray | None], classes: tuple[str, ...], path: Path
) -> tuple[list[np.ndarray | None], tuple[str, ...]]:
    """Return labels as numbers where they are words or booleans, and the names of the classes."""
    if any(label is not None and label.dtype.kind == "U" for label in labels):
        found = {str(name) for label in labels if label is not None for name in np.unique(label)}
        names = classes or tuple(sorted(found))
        if strange := sorted(found - set(names)):
            raise DataError(
                f"{path}: the label {strange[0]!r} is not among the classes {', '.join(names)}"
            )
        order = np.argsort(names)
        numbers = [
            None if x is None else order[np.searchsorted(names, x, sorter=order)] for x in labels
        ]
        return numbers, names
    return [x.astype(np.int32) if x is not None and x.dtype == bool else x for x in labels], classes


def _only(left: dict[str, np.ndarray], names: list[str], path: Path) -> np.ndarray | None:
    """Take the one array that has one of these names, or None."""
    found = [name for name in names if name in left]
    if len(found) > 1:
        raise DataError(f"{path} holds {' and '.join(found)}; expected one of them")
    return left.pop(found[0]) if found else None


def _kind(x: np.ndarray, kind: Kind | None, path: Path) -> Kind:
    found = kind_of(x.ndim) if kind is None else kind
    if kind is None and found == "series" and x.dtype.kind == "u":
        raise DataError(
            f"{path}: x is {x.dtype} {list(x.shape)}; grey images and movies have an axis of channels "
            "(save x[..., None]), and series of such numbers are asked for by kind='series' (--kind series)"
        )
    if found is None or (found == "tokens" and x.dtype.kind not in "iu"):
        forms = ", ".join(map(str, FORMS.values()))
        raise DataError(
            f"{path}: x is {x.dtype} {list(x.shape)}; expected {forms} of whole numbers (a series of one "
            "channel: save x[..., None])"
        )
    return found


def _examples(x: np.ndarray, kind: Kind, path: Path) -> np.ndarray:
    """Return x in the type of its kind, where that loses nothing that float32 holds."""
    if kind in PICTURES:
        _check_pictures(x, path)
    if x.dtype.kind not in "iuf" or (kind == "tokens" and x.dtype.kind == "f"):
        raise DataError(f"{path}: x is {x.dtype}; expected {FORMS[kind].values}")
    if kind == "tokens":
        if x.size and x.max() >= 2**31:
            raise DataError(f"{path}: x has the token {x.max()}; expected at most {2**31 - 1}")
        return x.astype(np.int32)
    if kind == "series" or x.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what becomes infinite is refused with its place
            return x.astype(np.float32)
    return x


def _check_pictures(x: np.ndarray, path: Path) -> None:
    """DataError where the channels of pictures are not the last axis; a warning for bytes in uint16."""
    last, first = x.shape[-1], x.shape[-3]
    if last > 4 and first in (1, 3, 4) and x.shape[-2] > 4:
        axes = (*range(x.ndim - 3), x.ndim - 2, x.ndim - 1, x.ndim - 3)
        raise DataError(
            f"{path}: x is {x.dtype} {list(x.shape)}; images have their channels last, and these seem to "
            f"have them first: save x.transpose{axes}"
        )
    if x.dtype == np.uint16 and x.size and x.max() <= 255:
        warnings.warn(
            f"{path}: the brightest pixel is {x.max()} of 65535; bytes are saved as x.astype('uint8')",
            stacklevel=4,
        )


def _checked(
    x: np.ndarray, label: np.ndarray | None, kind: Kind, label_kind: LabelKind | None, path: Path
) -> Split:
    try:
        return Split(x, label, kind, label_kind)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _split(whole: Split, seed: int, path: Path) -> list[Split]:
    if len(whole) < 2:
        raise DataError(
            f"{path} holds 1 example; expected at least 2, one of them to validate with"
        )
    chosen = own.valid_names(range(len(whole)), seed)
    valid = np.isin(np.arange(len(whole)), list(chosen))
    return [
        Split(whole.x[part], None if whole.label is None else whole.label[part], whole.kind, whole.label_kind)
        for part in (~valid, valid)
    ]  # fmt: skip


def _cut(split: Split, length: int, path: Path) -> Split:
    if split.kind == "image":
        raise DataError(f"length= (--length) is of movies, series and tokens; {path} holds images")
    own.check_lengths({str(path): split.x.shape[1]}, length, "steps")
    label, pieces = split.label, split.x.shape[1] // length
    if label is not None:
        stepwise = split.label_kind == "step" or (
            split.kind in PICTURES and split.label_kind == "pixel"
        )
        label = own.cut(label, length) if stepwise else np.repeat(label, pieces, axis=0)
    return Split(own.cut(split.x, length), label, split.kind, split.label_kind)


def _strings(facts: dict[str, np.ndarray], name: str, path: Path) -> tuple[str, ...]:
    found = facts.get(name)
    if found is None:
        return ()
    if found.ndim != 1 or found.dtype.kind != "U":
        raise DataError(
            f"{path}: {name} is {found.dtype} {list(found.shape)}; expected strings, one axis"
        )
    return tuple(map(str, found))


def _rate(facts: dict[str, np.ndarray], path: Path) -> float | None:
    found = facts.get("rate")
    if found is None:
        return None
    if found.size != 1 or found.dtype.kind not in "iuf" or not 0 < float(found.item()) < np.inf:
        raise DataError(
            f"{path}: rate is {found!r}; expected one number of steps a second, above 0"
        )
    return float(found.item())
