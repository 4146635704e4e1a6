"""The shipped networks see no further than the halo that their bundle states, and tiles leave no seams."""

from collections.abc import Callable

import numpy as np
import pytest
from dimaging_edge.photo.bundle_model import SHIPPED, BundleModel, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.symbol_model import Photo
from helpers.shipped import WRITERS

CORE = slice(128, 192)  # of a picture of 320 x 320: its middle 64 x 64
SIDE = 320


@pytest.fixture(scope="module", params=WRITERS)
def model(request: pytest.FixtureRequest) -> BundleModel:
    return open_model(SHIPPED / request.param, threads=1)


def astronaut(model: BundleModel, side: int) -> np.ndarray:
    """A photograph as the model takes it, from its top left corner."""
    data = pytest.importorskip("skimage.data")
    image = data.astronaut()[:side, 60 : 60 + side]
    image = image if model.channels == 3 else image.mean(-1, keepdims=True)
    return (image * (257 if model.bit_depth == 16 else 1)).astype(f"u{model.bit_depth // 8}")


def reach(answer: Callable[[int], list[np.ndarray]]) -> int:
    """The least multiple of 8 pixels around the core beyond which nothing changes the answer."""
    wide = answer(SIDE)
    for halo in range(0, 129, 8):
        if all(np.array_equal(a, b) for a, b in zip(answer(halo), wide, strict=True)):
            return halo
    return SIDE


def beyond(x: np.ndarray, other: np.ndarray, halo: int, scale: int) -> np.ndarray:
    """X [1, h, w, C] within `halo` pixels of the core, the other elsewhere; both in 1/scale."""
    if halo >= SIDE:
        return x
    found, low, high = other.copy(), CORE.start - halo, CORE.stop + halo
    place = slice(-(low // -scale), high // scale)
    found[:, place, place] = x[:, place, place]
    return found


@pytest.mark.parametrize("quality", [0, 63])
def test_the_encoder_sees_no_further_than_the_halo(model: BundleModel, quality: int) -> None:
    """Noise of full range where the tile's window ends changes no latent of the tile, by not one bit."""
    image = astronaut(model, SIDE)[None]
    top = np.iinfo(image.dtype).max
    noise = np.random.default_rng(0).integers(0, top + 1, image.shape).astype(image.dtype)

    def answer(halo: int) -> list[np.ndarray]:
        z, y = model.encode(beyond(image, noise, halo, 1), quality)
        place = slice(CORE.start // 8, CORE.stop // 8), slice(CORE.start // 8, CORE.stop // 8)
        deep = slice(CORE.start // 32, CORE.stop // 32)
        return [y[0, *place], z[0, deep, deep]]

    assert 8 <= reach(answer) <= model.halo


@pytest.mark.parametrize("quality", [0, 63])
def test_the_decoder_sees_no_further_than_the_halo(model: BundleModel, quality: int) -> None:
    """So the pixels of a tile are those of the whole picture."""
    rng = np.random.default_rng(1)
    y_shape = (1, SIDE // 8, SIDE // 8, model.y_channels)
    z_shape = (1, SIDE // 32, SIDE // 32, model.z_channels)
    y, z = rng.integers(-24, 25, (2, *y_shape)), rng.integers(-4, 5, (2, *z_shape))
    y, z = y.astype(np.int32), z.astype(np.int32)

    def answer(halo: int) -> list[np.ndarray]:
        near = beyond(z[0], z[1], halo, 32), beyond(y[0], y[1], halo, 8)
        return [model.decode(*near, quality)[0, CORE, CORE]]

    assert 8 <= reach(answer) <= model.halo


def excess(image: np.ndarray, original: np.ndarray, edge: int) -> float:
    """Squared error in the rows and columns beside multiples of `edge`, over that beside those of 8."""
    error, total = np.square(image.astype(float) - original).mean(-1), np.zeros(2)
    for rows in (error, error.T):
        line = np.arange(8, len(rows) - 8)
        seam, block = (np.isin(line % e, (0, e - 1)) for e in (edge, 8))
        total += rows[line[seam]].mean(), rows[line[block & ~seam]].mean()
    return total[0] / total[1]


@pytest.mark.parametrize("quality", [4, 24, 44])
def test_tiles_leave_no_seams(model: BundleModel, quality: int) -> None:
    """Beside a seam the error is what it is beside other edges of 8x8 blocks.

    Seven by seven tiles, where one has 144 times the area. The prior sees its own tile alone, so the
    predictions there are a little worse; both sides of a quotient are of the same lines of the picture.
    """
    photo = Photo(astronaut(model, 448))
    tiled, whole = (
        decompress(model, compress(model, photo, quality, tile=tile))[0].image for tile in (64, 448)
    )
    assert excess(tiled, photo.image, 64) < 1.1 * excess(whole, photo.image, 64)
