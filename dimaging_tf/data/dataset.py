"""What every loader returns: examples in memory as they were stored, split into train and valid.

    Dataset ─ train ─┐        kind    image | movie | series | tokens (see `kinds`)
            └ valid ─┴─ Split x       [N, ...] as the kind says
                              label   None | [N] | [N, H, W] | [N, T] | captions [N, words], integers

Images and movies keep their storage type (a quarter of the memory of float32); `to_float` says how they
map to the range [0, 1] in which the models of the package work. Series and tokens go to a model as they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dimaging_tf.data.kinds import FORMS, PICTURES, Kind, LabelKind
from dimaging_tf.errors import DataError

LEVELS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""Integer storage types of pixels and their full scale, which becomes 1."""


def to_float(image: np.ndarray) -> np.ndarray:
    """Return images of any storage type as float32 in [0, 1]; integers are divided by their maximum.

    float32 is returned as it is (no copy), for it is [0, 1] already. DataError for any other type.
    """
    image = np.asarray(image)
    if image.dtype == np.float32:
        return image
    if image.dtype not in LEVELS:
        raise DataError(f"images are uint8, uint16 or float32 in [0, 1]; received {image.dtype}")
    return image.astype(np.float32) / np.float32(LEVELS[image.dtype])


def to_input(x: np.ndarray, kind: Kind) -> np.ndarray:
    """Return examples as a model takes them: images and movies in [0, 1], series and tokens as they are."""
    return to_float(x) if kind in PICTURES else np.asarray(x)


@dataclass(frozen=True, eq=False)
class Split:
    """Examples of one kind, perhaps with an integer label for each, for its pixels or steps, or a caption.

    The axes, types and ranges of `x` and of `label` are those of `dimaging_tf.data.kinds`. A label's kind
    follows from its shape; two axes mean a caption of an image and one label a step of everything else, where
    captions have to be declared, and so have several an image [N, K, words]: label_kind="caption".
    DataError when shape, type or range is another.
    """

    x: np.ndarray
    label: np.ndarray | None = None
    kind: Kind = "image"
    label_kind: LabelKind | None = None

    def __post_init__(self) -> None:
        if self.kind not in FORMS:
            raise DataError(f"kind is one of {', '.join(FORMS)}; received {self.kind!r}")
        _check_examples(self.x, self.kind)
        if self.label is None:
            if self.label_kind is not None:
                raise DataError(f"label_kind is {self.label_kind!r}, and there are no labels")
            return
        found = self.label_kind or _label_kind(self.label, self.kind)
        _check_labels(self.label, found, self.x, self.kind)
        object.__setattr__(self, "label_kind", found)

    def __len__(self) -> int:
        return len(self.x)

    def inputs(self, index: Any = slice(None)) -> np.ndarray:
        """Return the examples of an index or slice as a model takes them (see `to_input`)."""
        return to_input(self.x[index], self.kind)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Two splits of one source, and where they come from. DataError when they do not fit each other."""

    name: str
    train: Split
    valid: Split
    licence: str
    source: str
    summary: str
    words: tuple[str, ...] = ()
    """The vocabulary of captions: word k has the number k + 1; empty where labels are no captions."""
    vocabulary: tuple[str, ...] = ()
    """What tokens stand for: token k is entry k; empty where the data is not tokens."""
    classes: tuple[str, ...] = ()
    """The names of the integer labels, where they are known: label k is class k."""
    unlabelled: str = ""
    """Why a folder's own folders are no classes, where it has some, as part of a sentence."""
    rate: float | None = None
    """Frames or steps a second, where it is known."""

    def __post_init__(self) -> None:
        train, valid = self.train, self.valid
        if train.kind != valid.kind or train.label_kind != valid.label_kind:
            raise DataError(
                f"{self.name}: train holds {_content(train)} and valid {_content(valid)}; expected the same"
            )
        if train.kind != "image" and train.x.shape[1:] != valid.x.shape[1:]:
            raise DataError(
                f"{self.name}: the examples of train are {list(train.x.shape[1:])}, those of valid "
                f"{list(valid.x.shape[1:])}; expected one shape"
            )
        if self.kind == "tokens":
            most = max(train.x.max(), valid.x.max())
            if most >= len(self.vocabulary):
                raise DataError(
                    f"{self.name}: token {most} is beyond the vocabulary of {len(self.vocabulary)}; expected "
                    "vocabulary= to name every token, from 0"
                )

    @property
    def kind(self) -> Kind:
        """What an example is: an image, a movie, a series, or a row of tokens."""
        return self.train.kind

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one training example: (H, W, C), (T, H, W, C), (T, C) or (T,)."""
        return self.train.x.shape[1:]

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value that goes to a model: of series those that occur in training."""
        if self.kind in PICTURES:
            return 0.0, 1.0
        if self.kind == "tokens":
            return 0.0, float(len(self.vocabulary) - 1)
        return float(self.train.x.min()), float(self.train.x.max())


def _check_examples(x: np.ndarray, kind: Kind) -> None:
    form = FORMS[kind]
    if x.ndim != form.dimensions or 0 in x.shape:
        raise DataError(
            f"{form.plural} have the shape {form.axes}, none of them 0; received {list(x.shape)}"
        )
    right = {
        "image": x.dtype in LEVELS or x.dtype == np.float32,
        "movie": x.dtype in LEVELS or x.dtype == np.float32,
        "series": x.dtype == np.float32,
        "tokens": x.dtype == np.int32,
    }
    if not right[kind]:
        raise DataError(f"{form.plural} are {form.values}; received {x.dtype}")
    if kind == "tokens" and x.min() < 0:
        raise DataError(f"tokens are int32 of at least 0; received {x.min()}")
    if kind == "series" and not np.isfinite(x).all():
        n, t, c = np.argwhere(~np.isfinite(x))[0]
        raise DataError(
            f"series are finite; received {x[n, t, c]} in example {n}, step {t}, channel {c}"
        )
    if kind in PICTURES and x.dtype == np.float32 and np.isnan(x.min()):
        where = np.flatnonzero(np.isnan(x).reshape(len(x), -1).any(1))
        raise DataError(
            f"{form.plural} are numbers; received NaN in {len(where)} of {len(x)}, the first of them number "
            f"{where[0]}. Leave them out, or fill them: numpy.nan_to_num(x)"
        )
    if kind in PICTURES and x.dtype == np.float32 and not (x.min() >= 0 and x.max() <= 1):
        raise DataError(
            f"float32 {form.plural} lie in [0, 1]; received {x.min():g} to {x.max():g} "
            "(divide by the full scale of the camera first)"
        )


def _label_kind(label: np.ndarray, kind: Kind) -> LabelKind:
    """Return the kind that labels of this many axes have where nobody declares it."""
    if label.ndim == 2:
        return "caption" if kind == "image" else "step"
    return "example" if label.ndim < 2 else "pixel"


def _check_labels(label: np.ndarray, label_kind: LabelKind, x: np.ndarray, kind: Kind) -> None:
    form, count = FORMS[kind], len(x)
    one = "an image" if kind == "image" else f"a {kind}" if kind != "tokens" else "a row of tokens"
    shapes: dict[LabelKind, tuple[int, ...]] = {
        "example": x.shape[:1],
        "step": x.shape[:2],
        "pixel": x.shape[:-1],
        "caption": (count, *(label.shape[1:] if label.ndim in (2, 3) else (0,))),
    }
    if label_kind not in form.labels or label.shape != shapes[label_kind] or 0 in label.shape:
        known = {
            "example": f"{[count]} (one {one})",
            "step": f"{list(x.shape[:2])} (one a step)",
            "pixel": f"{list(x.shape[:-1])} (one a pixel)",
            "caption": f"[{count}, words] (a caption {one}"
            + (")" if kind == "image" else "; declare it: label_kind='caption')"),
        }
        *most, last = (known[name] for name in form.labels)
        declared = "" if label_kind in form.labels else f" declared as {label_kind!r}"
        raise DataError(
            f"labels have the shape {', '.join(most)} or {last}; received {list(label.shape)}{declared}"
        )
    if not np.issubdtype(label.dtype, np.integer):
        raise DataError(
            f"labels are integers; received {label.dtype} (whole numbers: y.astype('int32'); words: "
            "np.unique(y, return_inverse=True)[1])"
        )


def _content(split: Split) -> str:
    """What a split holds, for messages."""
    said = {None: "without labels", "caption": "with captions"}
    labels = said.get(split.label_kind, f"with a label for each {split.label_kind}")
    return f"{FORMS[split.kind].plural} {labels}"
