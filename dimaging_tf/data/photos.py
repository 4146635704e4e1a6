"""Photographs that come with scikit-image and scikit-learn, cut to patches. No download.

Only those with a stated free licence and with little noise of their own, because they are the
noiseless labels of the denoiser. Ten are for training, in half overlapping patches; three others
are for validation, in patches side by side: no photograph is in both.

uint8 [N, size, size, 1 or 3], sRGB 0..255, no label. Grey photographs serve with channels=1 only.
    size 64, channels 1: 2,086 train + 146 valid        channels 3: 1,359 train + 82 valid
"""

from typing import NamedTuple

import numpy as np

from dimaging_tf.data import images
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.files import read_image
from dimaging_tf.data.packaged import packaged
from dimaging_tf.errors import DataError


class Photo(NamedTuple):
    """A file in a package, whose it is, and the part that is used."""

    file: str
    credit: str
    crop: tuple[slice, slice] = np.s_[:, :]


TRAIN = (
    Photo("skimage/data/astronaut.png", "NASA, public domain"),
    Photo("skimage/data/brick.png", "CC0Textures, CC0"),
    Photo("sklearn/datasets/images/china.jpg", "danielbuechele, CC BY 2.0"),
    Photo("sklearn/datasets/images/flower.jpg", "vultilion, CC BY 2.0"),
    Photo("skimage/data/grass.png", "linolafett, CC0"),
    Photo("skimage/data/gravel.png", "CC0Textures, CC0"),
    Photo("skimage/data/ihc.png", "CMMI, no known copyright restrictions"),
    # Around the optic disc: the smooth rest and the black corners would outweigh the others.
    Photo("skimage/data/retina.jpg", "M. Häggström, CC0", np.s_[450:962, 130:642]),
    Photo("skimage/data/rocket.jpg", "SpaceX, public domain"),
    Photo("skimage/data/text.png", "Wikipedia, public domain"),
)
VALID = (
    Photo("skimage/data/camera.png", "L. Varshney, CC0"),
    Photo("skimage/data/chelsea.png", "S. van der Walt, CC0"),
    Photo("skimage/data/coffee.png", "R. Michetti, CC0"),
)
DISTRIBUTION = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


def load_photos(size: int | None = None, channels: int | None = None) -> Dataset:
    """Return patches of `size` pixels (default 64), grey (channels=1, the default) or RGB (3)."""
    size, channels = 64 if size is None else size, 1 if channels is None else channels
    used = [photo for photo in TRAIN + VALID if channels == 1 or pixels(photo).shape[-1] == 3]
    return Dataset(
        name="photos",
        train=_patches([p for p in TRAIN if p in used], size, channels, stride=max(1, size // 2)),
        valid=_patches([p for p in VALID if p in used], size, channels, stride=size),
        licence="; ".join(f"{photo.file.split('/')[-1]}: {photo.credit}" for photo in used),
        source="the photographs in scikit-image and scikit-learn",
        summary=f"{len(used)} photographs in patches of {size} x {size}",
    )


def _patches(photos: list[Photo], size: int, channels: int, stride: int) -> Split:
    pictures = [images.to_channels(pixels(photo), channels) for photo in photos]
    largest = max(min(picture.shape[:2]) for picture in pictures)
    if not 1 <= size <= largest:
        raise DataError(f"photos come in patches of 1 to {largest} pixels a side; received {size}")
    return Split(
        np.stack(
            [
                picture[window]
                for picture in pictures
                for window in images.grid(picture, size, stride)
            ]
        )
    )


def pixels(photo: Photo) -> np.ndarray:
    """Return the used part of a photograph, uint8 [H, W, 1 or 3]."""
    package, path = photo.file.split("/", 1)
    (picture,) = read_image(packaged(package, path, DISTRIBUTION[package]))
    return picture[photo.crop]
