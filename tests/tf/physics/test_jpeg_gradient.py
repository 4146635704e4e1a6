"""The way back through JPEG: what files keep has a gradient, what they remove has none, as the codec itself says."""

import numpy as np
import pytest

from dimaging_tf.physics.camera import Camera, jpeg, with_jpeg
from dimaging_tf.physics.jpeg_gradient import jpeg_gradient

RNG = np.random.default_rng(4)
FINE = np.indices((16, 16)).sum(0) % 2 * 2.0 - 1
RED = np.array([1.0, -0.5, -0.5])
KEPT = {
    "grey everywhere": (np.ones((16, 16, 3)), 0.8, 1.2),
    "a slow wave of grey": (np.cos(np.arange(16) * np.pi / 16)[:, None, None] * np.ones((16, 16, 3)), 0.7, 1.2),
    "colour everywhere": (np.ones((16, 16, 1)) * RED, 0.3, 1.2),
    "a fine pattern of grey": (FINE[..., None] * np.ones(3), -0.1, 0.1),
    "a fine pattern of colour": (FINE[..., None] * RED, -0.1, 0.1),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_a_file_keeps_has_a_gradient(name):
    pattern, least, most = KEPT[name]
    image = np.full((1, 16, 16, 3), 0.45, np.float32)
    gradient = pattern[None].astype(np.float32)
    share = np.vdot(jpeg_gradient(image, gradient, 75), gradient) / np.vdot(gradient, gradient)
    assert least < share < most


@pytest.mark.parametrize("channels", [1, 3])
def test_it_foretells_how_photographs_change_better_than_straight_through(channels):
    """The truth is the mean over noise of what the codec itself returns, a step to either side."""
    image = RNG.uniform(0.3, 0.7, (4, 4, channels)).repeat(4, 0).repeat(4, 1)
    noise = RNG.normal(0, 5 / 255, (400, 16, 16, channels))
    gradient, steps = (RNG.normal(size=(n, 16, 16, channels)) for n in (1, 12))
    steps *= 3 / 255
    mean = [jpeg((image + noise + s).astype(np.float32), 60).mean(0) for s in (*steps, *-steps)]
    truth = [np.vdot(gradient, a - b) / 2 for a, b in zip(mean[:12], mean[12:], strict=True)]
    seen = (image[None] + noise).astype(np.float32)
    asked = np.repeat(gradient, len(seen), 0).astype(np.float32)
    ours = jpeg_gradient(seen, asked, 60).mean(0)
    errors = [
        np.mean([(np.vdot(way, s) - t) ** 2 for s, t in zip(steps, truth, strict=True)])
        for way in (ours, gradient)
    ]
    assert errors[0] < errors[1] / 2


@pytest.mark.parametrize("size", [(11, 11), (9, 14), (2, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_any_size(size, channels):
    image, gradient = (RNG.random((2, *size, channels), np.float32) for _ in range(2))
    back = jpeg_gradient(image, gradient, 50)
    assert back.shape == image.shape
    assert back.dtype == np.float32
    assert np.isfinite(back).all()


def test_a_camera_with_jpeg_goes_back_through_it():
    """A fine pattern in the picture reaches the plate through a plain camera, hardly through one with JPEG."""
    image = np.full((1, 16, 16, 3), 0.45, np.float32)
    camera = Camera(16, shift=0.0, pitch=0.0, roll=0.0, blur=0.0).at(1.0, 0.0)
    lengths = []
    for each in (camera, with_jpeg(camera, 75, 75)):
        view = each(np.random.default_rng(0))
        view.apply(image)
        lengths.append(np.linalg.norm(view.back((FINE[None, ..., None] * RED).astype(np.float32))))
    assert lengths[1] < 0.2 * lengths[0]
