"""MS-SSIM of our own: TensorFlow's numbers, on every size, with a gradient."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dimaging_tf.compression.similarity import WEIGHTS, ms_ssim


def pair(height: int, width: int, channels: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width, :channels][:2] / 20
    image = (0.5 + 0.4 * np.sin(x * 1.7) * np.cos(y)).astype(np.float32)[None].repeat(2, 0)
    return (image + noise * rng.normal(size=image.shape)).astype(np.float32), image


@pytest.mark.parametrize(
    ("height", "width", "channels", "noise"),
    [(176, 176, 3, 0.05), (177, 201, 1, 0.3), (256, 192, 3, 0.01), (200, 321, 1, 0.0)],
)
def test_numbers_are_those_of_tensorflow(height, width, channels, noise):
    estimate, image = pair(height, width, channels, noise)
    clipped = np.clip(estimate, 0, 1)
    expected = tf.image.ssim_multiscale(clipped, image, 1.0, WEIGHTS)
    np.testing.assert_allclose(ms_ssim(estimate, image), expected, rtol=2e-5)


@pytest.mark.parametrize(("side", "scales"), [(11, 1), (43, 2), (44, 3), (175, 4)])
def test_small_images_have_fewer_scales(side, scales):
    estimate, image = pair(side, side, 1, 0.1)
    expected = tf.image.ssim_multiscale(np.clip(estimate, 0, 1), image, 1.0, WEIGHTS[:scales])
    np.testing.assert_allclose(ms_ssim(estimate, image), expected, rtol=2e-5)


def test_better_is_up_hill():
    estimate, image = pair(64, 64, 3, 0.1)
    x = tf.constant(estimate)
    with tf.GradientTape() as tape:
        tape.watch(x)
        before = ops.mean(ms_ssim(x, image))
    gradient: Any = tape.gradient(before, x)
    assert np.isfinite(gradient).all()
    after = ops.mean(ms_ssim(x + 1e-2 * gradient / keras.ops.max(ops.abs(gradient)), image))
    assert float(after) > float(before)
