"""Real images: some to calibrate on, others to prove and judge with."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dimaging_export.bundle.subject import Subject
from dimaging_export.errors import ExportError
from dimaging_export.precision.reduced import CALIBRATION_IMAGES
from dimaging_export.prove.runners import Arrays
from dimaging_tf import data as sources
from dimaging_tf.data.dataset import Dataset, to_float
from dimaging_tf.errors import DataError

_PIXELS = 2**20
"""How much is judged at most: 16 images of 256 x 256, 256 of 64 x 64."""


@dataclass(frozen=True)
class Images:
    """float32 [N, H, W, C] in [0, 1] (a plain model's inputs as they were given), and labels."""

    image: np.ndarray
    label: np.ndarray | None

    def part(self, which: Any) -> "Images":
        """Those of an index or slice."""
        return Images(self.image[which], None if self.label is None else self.label[which])


@dataclass(frozen=True)
class RealData:
    """Two draws of images, and where they come from."""

    calibration: Images
    judging: Images
    name: str
    licence: str
    apart: bool
    """No image both calibrated and judged."""


def real_data(data: Any, subject: Subject, size: tuple[int, int] | None) -> RealData | None:
    """Resolve `data`; None where a plain model came without any.

    data: None (what the model learned from), a name or folder of dimaging_tf.data, a Dataset, an
    array [N, H, W, C] (integers become [0, 1]) or a pair (array, labels). size: height and width,
    where the model takes any: larger images are cut, smaller ones repeated. ExportError where the
    images do not fit the model.
    """
    if data is None and subject.data is None:
        return None
    if data is None or isinstance(data, str) or hasattr(data, "__fspath__"):
        name, options = (data, {}) if data is not None else subject.data or ("", {})
        data = _load(name, options, subject, size)
    if isinstance(data, Dataset):
        calibration, judging = (Images(s.image, s.label) for s in (data.train, data.valid))
        name, licence, apart = data.name, data.licence, True
    else:
        image, label = data if isinstance(data, tuple) else (data, None)
        given = Images(np.asarray(image), None if label is None else np.asarray(label))
        apart = len(given.image) >= 16
        half = min(CALIBRATION_IMAGES, len(given.image) // 2)
        calibration = given.part(slice(half)) if apart else given
        judging = given.part(slice(half, None)) if apart else given
        name, licence = "images of the caller", "unstated"
    calibration, judging = (_draw(images, subject, size) for images in (calibration, judging))
    pixels = int(np.prod(judging.image.shape[1:3]))
    return RealData(
        calibration.part(slice(CALIBRATION_IMAGES)),
        judging.part(slice(min(max(_PIXELS // pixels, 8), 256))),
        name, licence, apart,
    )  # fmt: skip


def real_inputs(
    subject: Subject, real: RealData | None
) -> tuple[dict[str, Arrays], dict[str, Arrays]]:
    """Graph -> input -> real values: those to calibrate on, and those to prove with; {} without data."""
    if real is None:
        return {}, {}
    calibration, judging = (
        subject.examples(images.image, images.label) for images in (real.calibration, real.judging)
    )
    return calibration, judging


def _load(name: Any, options: dict[str, Any], subject: Subject, size: Any) -> Dataset:
    channels = subject.image_shape[-1]
    options = {"channels": channels if channels in (1, 3) else None, **options}
    if size:
        try:
            return sources.load(name, **{**options, "size": max(size)})
        except DataError:
            pass  # its images are larger; they are cut below
    try:
        return sources.load(name, **options)
    except DataError as error:
        raise ExportError(str(error)) from error


def _draw(images: Images, subject: Subject, size: tuple[int, int] | None) -> Images:
    """A few hundred at random, as the model takes them."""
    images = images.part(np.random.default_rng(0).permutation(len(images.image))[:256])
    image, label = images.image, images.label
    if image.dtype == np.float64:
        image = image.astype(np.float32)
    if subject.model is not None or image.dtype.kind in "ui":
        image = to_float(image)
    if size and image.ndim == 4:
        image = _fit(image, size)
        label = _fit(label, size) if label is not None and label.ndim == 3 else label
    wanted, given = subject.image_shape, image.shape[1:]
    fits = len(wanted) == len(given)
    if not (fits and all(w in (None, g) for w, g in zip(wanted, given, strict=True))):
        shape = " x ".join("any" if w is None else str(w) for w in wanted)
        raise ExportError(
            f"{subject.name} takes images of {shape}, received {' x '.join(map(str, given))}. "
            "Pass others: data= (dimaging export --data NAME_OR_FOLDER)"
        )
    if not len(image) or not np.isfinite(image).all():
        found = "hold NaN or infinity" if len(image) else "are none"
        raise ExportError(f"the images {found}; expected finite values in [0, 1]")
    if subject.model is not None and (image.min() < 0 or image.max() > 1):
        raise ExportError(
            f"float images lie in [0, 1], received {image.min():g} to {image.max():g}; divide by "
            "the full scale, or pass uint8"
        )
    return Images(np.asarray(image, np.float32, order="C"), label)


def _fit(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The centre of an image that is too large; one that is too small is repeated."""
    for axis, wanted in zip((1, 2), size, strict=True):
        have = array.shape[axis]
        start = max(have - wanted, 0) // 2
        array = np.take(array, (np.arange(wanted) + start) % have, axis=axis)
    return array
