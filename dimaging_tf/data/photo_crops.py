"""Random crops of the colour photographs of `photos`, scaled to one size: what an ImageNet network sees.

`photos` cuts patches out at full resolution, which show fur or brick; these show a cat or a wall. Six
photographs give crops to calibrate on, two others (a cat, a cup of coffee) those to judge by.

uint8 [N, size, size, 3], sRGB 0..255, no label: 144 train + 64 valid.
"""

import numpy as np

from dimaging_tf.data import photos
from dimaging_tf.data.dataset import Dataset, Split

_CROPS = {"train": 24, "valid": 32}
"""Crops of a photograph."""
_SHARE = (0.5, 1.0)
"""The side of a crop, as a share of the photograph's short side."""


def load_photo_crops(size: int | None = None, seed: int = 0) -> Dataset:
    """Return crops of `size` pixels a side (default 224); another seed chooses others."""
    size = 224 if size is None else size
    rng = np.random.default_rng(seed)
    colour = {
        "train": [p for p in photos.TRAIN if photos.pixels(p).shape[-1] == 3],
        "valid": [p for p in photos.VALID if photos.pixels(p).shape[-1] == 3],
    }
    used = [*colour["train"], *colour["valid"]]
    parts = {
        part: Split(
            np.stack([_crop(photo, size, rng) for photo in found for _ in range(_CROPS[part])])
        )
        for part, found in colour.items()
    }
    return Dataset(
        name="photo_crops",
        train=parts["train"],
        valid=parts["valid"],
        licence="; ".join(f"{photo.file.split('/')[-1]}: {photo.credit}" for photo in used),
        source="the photographs in scikit-image and scikit-learn",
        summary=f"crops of {len(used)} photographs, scaled to {size} x {size}",
    )


def _crop(photo: photos.Photo, size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a random square out of a photograph, mirror every other one, and scale it."""
    from PIL import Image

    picture = photos.pixels(photo)
    height, width, _ = picture.shape
    side = round(min(height, width) * rng.uniform(*_SHARE))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    square = picture[top : top + side, left : left + side]
    square = square[:, ::-1] if rng.random() < 0.5 else square
    scaled = Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(scaled)
