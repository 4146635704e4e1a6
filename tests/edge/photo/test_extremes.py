"""Black and white at the highest quality: latents are cut where a step is too fine for their range."""

import numpy as np
import pytest
from dimaging_edge.photo.bundle_model import BundleModel, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.symbol_model import Photo
from helpers.shipped import WRITERS


@pytest.fixture(scope="module", params=WRITERS)
def model(request: pytest.FixtureRequest) -> BundleModel:
    return open_model(request.param, threads=1)


@pytest.mark.parametrize("quality", [0, 63])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_flat_stays_flat(model: BundleModel, quality: int, level: float) -> None:
    """Within 4 % of the range at quality 0, 1 % at 63."""
    top = 2**model.bit_depth - 1
    image = np.full((64, 96, model.channels), round(level * top), f"u{model.bit_depth // 8}")
    found, damage = decompress(model, compress(model, Photo(image), quality))
    assert damage == []
    apart = np.abs(found.image.astype(float) - image).mean() / top
    assert apart < (0.01 if quality else 0.04)
