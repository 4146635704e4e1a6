"""Real images: some to calibrate on, others to judge by."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dimaging_export.errors import ExportError
from dimaging_export.precision import CALIBRATION_IMAGES
from dimaging_export.subject import Subject
from dimaging_tf import data as sources
from dimaging_tf.data.dataset import Dataset, Split, to_float
from dimaging_tf.errors import DataError

Size = tuple[int, int] | None

_PIXELS = 2**20
"""How much is judged at most: 16 images of 256 x 256, 256 of 64 x 64."""


@dataclass(frozen=True)
class Images:
    """float32 [N, H, W, C] in [0, 1] (a plain model's inputs as they were given), perhaps labels."""

    image: np.ndarray
    label: np.ndarray | None

    def first(self, n: int) -> "Images":
        """At most n of them."""
        return Images(self.image[:n], None if self.label is None else self.label[:n])


@dataclass(frozen=True)
class RealData:
    """Where the images come from, and two draws of them."""

    calibration: Images
    judging: Images
    name: str
    licence: str
    apart: bool
    """The images that judge are none of those that calibrated."""


def real_data(data: Any, subject: Subject, size: Size) -> RealData | None:
    """Resolve `data`; None where a plain model came without any.

    data: None (what the model learned from), a name or folder of dimaging_tf.data, a Dataset, an array
    [N, H, W, C] (integers become [0, 1]) or (array, labels). size: cut or repeat images to it, where
    the model leaves height and width free. ExportError where the images do not fit the model.
    """
    if data is None and subject.data is None:
        return None
    if data is None or isinstance(data, str) or hasattr(data, "__fspath__"):
        name, options = (data, {}) if data is not None else subject.data or ("", {})
        data = _load(name, options, subject, size)
    if isinstance(data, Dataset):
        pools, name, licence, apart = (data.train, data.valid), data.name, data.licence, True
    else:
        image, label = data if isinstance(data, tuple) else (data, None)
        image = np.asarray(image)
        cut = min(CALIBRATION_IMAGES, len(image) // 2)
        apart = len(image) >= 16
        halves = (slice(cut), slice(cut, None)) if apart else (slice(None), slice(None))
        pools = [_Pool(image[h], None if label is None else np.asarray(label)[h]) for h in halves]
        name, licence = "images given by the caller", "unstated"
    calibration, judging = (_draw(pool, subject, size) for pool in pools)
    pixels = max(int(np.prod(judging.image.shape[1:3])), 1)
    return RealData(
        calibration.first(CALIBRATION_IMAGES), judging.first(min(max(_PIXELS // pixels, 8), 256)),
        name, licence, apart,
    )  # fmt: skip


@dataclass(frozen=True)
class _Pool:
    image: np.ndarray
    label: np.ndarray | None


def _load(name: Any, options: dict[str, Any], subject: Subject, size: Size) -> Dataset:
    channels = subject.image_shape[-1]
    options = {"channels": channels if channels in (1, 3) else None, **options}
    if size:
        try:
            return sources.load(name, **{**options, "size": max(size)})
        except DataError:
            pass  # its images are larger, and are cut below
    try:
        return sources.load(name, **options)
    except DataError as error:
        raise ExportError(str(error)) from error


def _draw(pool: Split | _Pool, subject: Subject, size: Size) -> Images:
    """A few hundred at random, as the model takes them."""
    order = np.random.default_rng(0).permutation(len(pool.image))[:256]
    image = np.asarray(pool.image)[order]
    label = None if pool.label is None else pool.label[order]
    if subject.model is not None or image.dtype.kind in "ui":
        image = to_float(np.asarray(image, np.float32) if image.dtype == np.float64 else image)
    if size and image.ndim == 4:
        image = _resize(image, size)
        label = _resize(label, size) if label is not None and label.ndim == 3 else label
    shape, given = subject.image_shape, image.shape[1:]
    if len(given) != len(shape) or any(
        s not in (None, g) for s, g in zip(shape, given, strict=True)
    ):
        wanted = " x ".join("any" if s is None else str(s) for s in shape)
        raise ExportError(
            f"{subject.name} takes images of {wanted}; received {' x '.join(map(str, given))}. "
            "Pass others with data= (dimaging export --data NAME_OR_FOLDER)"
        )
    if not np.isfinite(image).all():
        raise ExportError("the images hold NaN or infinity; expected finite values in [0, 1]")
    return Images(np.ascontiguousarray(image, np.float32), label)


def _resize(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The centre where an image is too large, the image repeated where it is too small."""
    for axis, wanted in zip((1, 2), size, strict=True):
        have = array.shape[axis]
        start = max(have - wanted, 0) // 2
        array = np.take(array, (np.arange(wanted) + start) % have, axis=axis)
    return array
