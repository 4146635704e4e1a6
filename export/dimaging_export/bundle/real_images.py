"""Real examples, images or any other kind of data: some to calibrate on, others to prove and judge with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dimaging_export.bundle.named_inputs import named_inputs
from dimaging_export.bundle.subject import Subject
from dimaging_export.errors import ExportError
from dimaging_export.precision.reduced import CALIBRATION_IMAGES
from dimaging_tf import data as sources
from dimaging_tf.data import paths
from dimaging_tf.data.dataset import Dataset, to_float
from dimaging_tf.data.kinds import FORMS, PICTURES
from dimaging_tf.errors import DataError

_PLACES = 2**20
"""Number of pixels, steps or tokens to judge with at most: 16 images of 256 x 256, 256 of 64 x 64."""


@dataclass(frozen=True)
class Examples:
    """Examples of data, and their labels: images and movies in [0, 1], series and tokens as they are."""

    x: Any
    """An array, or for a plain model of several inputs a dict of arrays by their names."""
    label: np.ndarray | None

    def part(self, which: Any) -> "Examples":
        """Return those of an index or slice."""
        return Examples(self.x[which], None if self.label is None else self.label[which])


@dataclass(frozen=True)
class RealData:
    """Two draws of examples, and where they come from."""

    calibration: Examples
    judging: Examples
    name: str
    licence: str
    apart: bool
    """True where no example both calibrated and judged."""
    train: Examples | None = None
    """All that a data set has to learn from, as it is stored; None for examples of the caller."""


def real_data(data: Any, subject: Subject, size: tuple[int, int] | None) -> RealData | None:
    """Load the real examples that `data` names; None where a plain model came without any.

    data: None (what the model learned from), a name or path of dimaging_tf.data, a Dataset, an
    array of examples (uint8 and uint16 of images and movies become [0, 1]), a pair (array, labels), or a
    dict of arrays by the names of a plain model's inputs. size: height and width, where the model takes
    any: larger images are cut, smaller ones repeated.
    ExportError where the examples do not fit the model.
    """
    if data is None and subject.data is None:
        return None
    if isinstance(data, Mapping):
        return _by_name(named_inputs(data, subject, size))
    if data is None or isinstance(data, str) or hasattr(data, "__fspath__"):
        name, options = (data, {}) if data is not None else subject.data or ("", {})
        if data is None and name not in sources.NAMES and not Path(name).expanduser().exists():
            raise ExportError(
                f"the data that {subject.name} learned from, {name!r}, is not there; export from the folder "
                "that it was trained in, or say where such data is: data= (dimaging export --data PATH)"
            )
        if _is_folder(name) and "size" not in options:
            size = size or subject.fixed_size  # a folder's pictures have any size
        data = _load(name, options, subject, size)
    if isinstance(data, Dataset):
        _check_kind(data, subject)
        calibration, judging = (Examples(s.x, s.label) for s in (data.train, data.valid))
        name, licence, apart = data.name, data.licence, True
        train = calibration
    else:
        x, label = data if isinstance(data, tuple) else (data, None)
        given = Examples(np.asarray(x), None if label is None else np.asarray(label))
        apart = len(given.x) >= 16
        half = min(CALIBRATION_IMAGES, len(given.x) // 2)
        calibration = given.part(slice(half)) if apart else given
        judging = given.part(slice(half, None)) if apart else given
        form = FORMS.get(subject.kind or "image", FORMS["image"])
        name, licence = f"{form.plural} of the caller", "unstated"
        train = None
    calibration, judging = (_draw(part, subject, size) for part in (calibration, judging))
    shape = judging.x.shape
    places = int(np.prod(shape[1:] if subject.kind == "tokens" else shape[1:-1]))
    return RealData(
        calibration.part(slice(CALIBRATION_IMAGES)),
        judging.part(slice(min(max(_PLACES // max(places, 1), 8), 256))),
        name, licence, apart, train,
    )  # fmt: skip


def _by_name(inputs: dict[str, np.ndarray]) -> RealData:
    """Return rows of several inputs: some to calibrate on, others (of enough) to judge by."""
    count = len(next(iter(inputs.values())))
    half = min(CALIBRATION_IMAGES, count // 2) if count >= 16 else 0
    parts = (slice(half or CALIBRATION_IMAGES), slice(half, half + 64))
    calibration, judging = (
        Examples({name: x[part] for name, x in inputs.items()}, None) for part in parts
    )
    return RealData(calibration, judging, "inputs of the caller", "unstated", half > 0)


def _load(name: Any, options: dict[str, Any], subject: Subject, size: Any) -> Dataset:
    options = {**_fitting(name, subject), **options}
    if size:
        try:
            return sources.load(name, **{**options, "size": max(size)})
        except DataError:
            pass  # its images are larger; they are cut below
    try:
        return sources.load(name, **options)
    except DataError as error:
        raise ExportError(str(error)) from error


def _is_folder(name: Any) -> bool:
    return name not in sources.NAMES and Path(name).expanduser().is_dir()


def _fitting(name: Any, subject: Subject) -> dict[str, Any]:
    """Options of `data.load` with which data of this name or path is what the model works on."""
    shape = subject.example_shape
    if subject.kind == "image":
        return {"channels": shape[-1] if shape[-1] in (1, 3) else None}
    path = Path(name).expanduser()
    if name in sources.NAMES or subject.kind is None or not path.exists():
        return {}
    movie = subject.kind == "movie" and path.is_dir()
    vocabulary = getattr(getattr(subject.model, "config", None), "vocabulary", None)
    fitting = {
        "length": shape[0],
        "vocabulary": vocabulary or None,
        "kind": "movie" if movie else None,
    }
    known = paths.OPTIONS[paths.loader_of(path, fitting["kind"])]
    return {k: v for k, v in fitting.items() if v is not None and (k in known or k == "kind")}


def _check_kind(data: Dataset, subject: Subject) -> None:
    wanted = subject.kind
    if wanted is not None and data.kind != wanted:
        raise ExportError(
            f"{subject.name} works on {FORMS[wanted]}; {data.name} holds {FORMS[data.kind]}. Pass others: "
            "data= (dimaging export --data NAME_OR_PATH)"
        )


def _draw(given: Examples, subject: Subject, size: tuple[int, int] | None) -> Examples:
    """Draw a few hundred at random, and convert them to what the model takes; ExportError where none fits."""
    given = given.part(np.random.default_rng(0).permutation(len(given.x))[:256])
    x, label, kind = given.x, given.label, subject.kind
    plural = FORMS[kind or "image"].plural
    if x.dtype == np.float64:
        x = x.astype(np.float32)
    if kind == "tokens":
        x = _whole(x, subject.name)
    elif kind in PICTURES or kind is None:
        if subject.model is not None:
            x = to_float(x)
        elif x.dtype.kind in "ui" and not (kind is None and _are_numbers(x, subject)):
            low, high = subject.image_range
            x = (low + to_float(x) * (high - low)).astype(np.float32)
    if size and x.ndim == 4:
        x = _fit(x, size)
        label = _fit(label, size) if label is not None and label.ndim == 3 else label
    wanted, received = subject.example_shape, x.shape[1:]
    fits = len(wanted) == len(received)
    if not (fits and all(w in (None, g) for w, g in zip(wanted, received, strict=True))):
        shape = " x ".join("any" if w is None else str(w) for w in wanted)
        raise ExportError(
            f"{subject.name} takes {plural} of {shape}, received {' x '.join(map(str, received))}. "
            "Pass others: data= (dimaging export --data NAME_OR_PATH)"
        )
    legal = " in [0, 1]" if kind in PICTURES else ""
    if not len(x) or not np.isfinite(x).all():
        found = "hold NaN or infinity" if len(x) else "are none"
        raise ExportError(f"the {plural} {found}; expected finite values{legal}")
    if subject.model is not None and kind in PICTURES and (x.min() < 0 or x.max() > 1):
        raise ExportError(
            f"float {plural} lie in [0, 1], received {x.min():g} to {x.max():g}; divide by "
            "the full scale, or pass uint8"
        )
    return Examples(np.asarray(x, None if kind == "tokens" else np.float32, order="C"), label)


def _are_numbers(x: np.ndarray, subject: Subject) -> bool:
    """Return whether whole numbers for an input of floats are what they say: words, columns of a table.

    Those of 8 and 16 bits may be brightness, flat images, unless an Embedding reads them.
    """
    return x.dtype not in (np.uint8, np.uint16) or subject.reads_words


def _whole(x: np.ndarray, name: str) -> np.ndarray:
    """Convert tokens of any integer type to int32."""
    if not np.issubdtype(x.dtype, np.integer):
        raise ExportError(f"{name} takes tokens, whole numbers; received {x.dtype}")
    return x.astype(np.int32)


def _fit(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut the centre of images that are too large, and repeat those that are too small."""
    for axis, wanted in zip((1, 2), size, strict=True):
        have = array.shape[axis]
        start = max(have - wanted, 0) // 2
        array = np.take(array, (np.arange(wanted) + start) % have, axis=axis)
    return array
