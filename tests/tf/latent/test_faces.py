"""Faces whose eyes are put in one place: known answers, and the vector made of them."""

from itertools import product

import numpy as np
import pytest

from dimaging_tf.errors import DataError
from dimaging_tf.latent.faces import aligned, glasses_vector
from dimaging_tf.latent.space import Space

FLAT = Space(32 * 32, lambda z: z, lambda image: image.reshape(len(image), -1), True)


def two_faces(size: int, channels: int) -> np.ndarray:
    """Without glasses and with: [2, size, size, channels], nothing near the edge."""
    face = np.random.default_rng(0).random((2, size, size, channels), np.float32)
    return face * np.pad(np.ones((size - 8, size - 8, 1), np.float32), ((4, 4), (4, 4), (0, 0)))


@pytest.mark.parametrize(("size", "channels", "reach"), [(16, 1, 1), (32, 1, 1), (64, 3, 2)])
def test_a_face_that_is_off_is_put_back(size, channels, reach):
    """Most are in one place; the mean of each side is found although the sides differ."""
    span = range(-reach, reach + 1)
    moves = [(0, 0)] * 40 + list(product(span, span))
    still = two_faces(size, channels)
    has = np.arange(2 * len(moves)) % 2
    images = np.stack([np.roll(f, move, (0, 1)) for move in moves for f in still])
    np.testing.assert_array_equal(aligned(images, has), still[has])


def test_alike_faces_stay_and_a_blank_one_too():
    still = two_faces(32, 1)
    for images in (still, np.zeros_like(still), np.ones_like(still)):
        np.testing.assert_array_equal(aligned(images, np.array([0, 1])), images)


def test_the_vector_is_that_of_still_faces_and_looks_both_ways():
    still = two_faces(32, 1)
    has = np.array([0, 1] * 20 + [0, 1])
    images = np.concatenate([still] * 20 + [np.roll(still, 1, 2)])
    difference = still[1] - still[0]
    expected = (difference + difference[:, ::-1]) / 2
    np.testing.assert_allclose(
        glasses_vector(FLAT, images, has).reshape(expected.shape), expected, atol=1e-6
    )


@pytest.mark.parametrize(("has", "side"), [([0, 0], "with"), ([1, 1], "without")])
def test_an_empty_side(has, side):
    with pytest.raises(DataError, match=f"received 2 codes, none {side} it"):
        glasses_vector(FLAT, two_faces(32, 1), np.array(has))
