"""What every loader returns: images in memory as they were stored, split into train and valid.

    Dataset ─ train ─┐
            └ valid ─┴─ Split: image [N, H, W, C] uint8 | uint16 | float32
                               label None | [N] | [N, H, W] | captions [N, T], integers

Images keep their storage type (a quarter of the memory of float32); `to_float` says how they map to
the range [0, 1] in which every model of the package works.
"""

from dataclasses import dataclass

import numpy as np

from dimaging_tf.errors import DataError

LEVELS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""Integer storage types and their full scale, which becomes 1."""


def to_float(image: np.ndarray) -> np.ndarray:
    """Images of any storage type as float32 in [0, 1]; integers are divided by their maximum.

    float32 is returned as it is (no copy), for it is [0, 1] already. DataError for any other type.
    """
    image = np.asarray(image)
    if image.dtype == np.float32:
        return image
    if image.dtype not in LEVELS:
        raise DataError(f"images are uint8, uint16 or float32 in [0, 1]; received {image.dtype}")
    return image.astype(np.float32) / np.float32(LEVELS[image.dtype])


@dataclass(frozen=True, eq=False)
class Split:
    """Images [N, H, W, C], perhaps with a label, a mask or a caption each, integers.

    Labels are [N], masks [N, H, W], captions [N, T] (see `dimaging_tf.data.words`). A float32 image lies in
    [0, 1]. DataError when shape, type or range is another.
    """

    image: np.ndarray
    label: np.ndarray | None = None

    def __post_init__(self) -> None:
        image, label = self.image, self.label
        if image.ndim != 4 or 0 in image.shape:
            raise DataError(
                f"images have the shape [N, H, W, C], none of them 0; received {list(image.shape)}"
            )
        if image.dtype not in LEVELS and image.dtype != np.float32:
            raise DataError(
                f"images are uint8, uint16 or float32 in [0, 1]; received {image.dtype}"
            )
        # A NaN fails both comparisons, so it is refused here too.
        if image.dtype == np.float32 and not (image.min() >= 0 and image.max() <= 1):
            raise DataError(
                f"float32 images lie in [0, 1]; received {image.min():g} to {image.max():g} "
                "(divide by the full scale of the camera first)"
            )
        if label is None:
            return
        captions = label.ndim == 2 and len(label) == len(image)
        if label.shape not in (image.shape[:1], image.shape[:3]) and not captions:
            raise DataError(
                f"labels have the shape {list(image.shape[:1])} (one an image), "
                f"{list(image.shape[:3])} (one a pixel) or [{len(image)}, words] (a caption an "
                f"image); received {list(label.shape)}"
            )
        if not np.issubdtype(label.dtype, np.integer):
            raise DataError(f"labels are integers; received {label.dtype}")

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Two splits of one source, and where they come from."""

    name: str
    train: Split
    valid: Split
    licence: str
    source: str
    summary: str
    words: tuple[str, ...] = ()
    """The vocabulary of captions; empty where labels are no captions."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one training image."""
        _, height, width, channels = self.train.image.shape
        return height, width, channels
