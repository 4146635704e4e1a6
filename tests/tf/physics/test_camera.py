"""Pictures for training: each of a pose of its own, the same for the same seed, JPEG by a real codec."""

import numpy as np
import pytest
from skimage import data as photographs

from dimaging_tf.data import load, to_float
from dimaging_tf.errors import DataError
from dimaging_tf.physics.camera import Camera, jpeg, photographed, with_jpeg

SIGNS = load("signs", size=16)


def test_pictures_differ_and_repeat():
    image = np.tile(to_float(SIGNS.train.x[:1]), (3, 1, 1, 1))
    first, again = (photographed(image, Camera(16), seed) for seed in (4, 4))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (3, 16, 16, 3)
    assert first.dtype == np.float32
    assert min(np.abs(first[a] - first[b]).max() for a, b in ((0, 1), (1, 2), (0, 2))) > 0.05


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_near_at_high_and_far_at_low_quality(channels):
    image = photographs.astronaut()[None, 64:128, 192:256, :channels] / np.float32(255)
    errors = [float(np.abs(jpeg(image, quality) - image).mean()) for quality in (95, 50, 5)]
    assert errors == sorted(errors)
    assert errors[0] < 0.02 < errors[2]
    np.testing.assert_array_equal(jpeg(image, 50) * 255, np.rint(jpeg(image, 50) * 255))


def test_a_camera_with_jpeg_differs_only_by_it():
    image = SIGNS.train.x[:2] / np.float32(255)
    plain = Camera(16).at(1.0, 0.0)
    sharp, coded = (
        c(np.random.default_rng(0)).apply(image) for c in (plain, with_jpeg(plain, 95, 95))
    )
    assert 0 < np.abs(sharp - coded).mean() < 0.03


def test_signs_are_labelled_and_tracks_of_five():
    assert SIGNS.classes[0] == "stop"
    assert np.bincount(np.asarray(SIGNS.train.label)).tolist() == [200] * 8
    assert np.bincount(np.asarray(SIGNS.valid.label)).tolist() == [75] * 8
    red = SIGNS.train.x[SIGNS.train.label == 0].astype(int).mean((0, 1, 2))
    blue = SIGNS.train.x[SIGNS.train.label == 5].astype(int).mean((0, 1, 2))
    assert red[0] > red[2] + 20
    assert blue[2] > blue[0] + 20


def test_whole_numbers_are_refused():
    with pytest.raises(DataError, match="takes float32 images in \\[0, 1\\]; received uint8"):
        photographed(SIGNS.train.x[:1], Camera(16))
