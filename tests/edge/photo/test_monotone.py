"""A higher quality takes more bytes and is nearer to the picture, from one end of the range to the other."""

import numpy as np
import pytest
from dimaging_edge.photo.bundle_model import BundleModel, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.search import psnr
from dimaging_edge.photo.symbol_model import Photo

CROPS = {"astronaut": (0, 160), "chelsea": (60, 120), "coffee": (100, 200), "rocket": (150, 250)}
SIDE = 96


@pytest.fixture(scope="module")
def model() -> BundleModel:
    return open_model("unet_codec", threads=1)


def crop(name: str, side: int = SIDE) -> Photo:
    data = pytest.importorskip("skimage.data")
    top, left = CROPS[name]
    return Photo(np.ascontiguousarray(getattr(data, name)()[top : top + side, left : left + side]))


@pytest.mark.parametrize("name", CROPS)
def test_bytes_and_decibels_rise_with_quality(model: BundleModel, name: str) -> None:
    photo = crop(name)
    sizes, quality = [], []
    for q in range(0, 64, 9):
        file = compress(model, photo, q)
        sizes.append(len(file))
        quality.append(psnr(decompress(model, file)[0].image, photo.image))
    assert (np.diff(sizes) > 0).all()
    assert (np.diff(quality) > 0).all()
    assert sizes[-1] > 10 * sizes[0]
    assert quality[-1] > 39


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_half_size_goes_on_below(model: BundleModel, name: str) -> None:
    photo = crop(name, 2 * SIDE)
    sizes, quality = [], []
    for q in range(0, 64, 9):
        file = compress(model, photo, q, half=True)
        sizes.append(len(file))
        quality.append(psnr(decompress(model, file)[0].image, photo.image))
    assert (np.diff(sizes) > 0).all()
    assert (np.diff(quality) > 0).all()
    assert sizes[0] < 0.7 * len(compress(model, photo, 0))
