"""Shapes show what their captions say."""

import numpy as np
import pytest

from dimaging_tf.data import load, shapes
from dimaging_tf.data.dataset import Split
from dimaging_tf.errors import DataError


@pytest.mark.parametrize("attributes", [(0, 0, 2, 0), (1, 2, 0, 3), (2, 4, 1, 4), (1, 5, 2, 1)])
def test_the_picture_shows_what_the_caption_says(attributes):
    """Colour, place and area are those of the attributes; a shape fills its own share of its box."""
    shape, colour, extent, position = attributes
    image = shapes.draw(attributes, 64, np.random.default_rng(3)) / 255
    paint = np.array(list(shapes.COLOURS.values())[colour])
    inside = np.abs(image - paint).max(-1) < 0.2
    y, x = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    centre = np.array([x[0] + x[-1] + 1, y[0] + y[-1] + 1]) / 128
    assert np.abs(centre - list(shapes.POSITIONS.values())[position]).max() < 0.08
    reach = list(shapes.SIZES.values())[extent]
    share = inside.sum() / 64**2 / (2 * reach) ** 2
    low, high = {0: (0.6, 0.95), 1: (0.6, 1.0), 2: (0.3, 0.7)}[shape]
    assert low < share < high


def test_load_by_name():
    assert load("shapes", size=16).words == shapes.CAPTIONED.words


def test_a_split_takes_captions():
    image = np.zeros((3, 4, 4, 1), np.uint8)
    assert len(Split(image, np.zeros((3, 7), np.int32))) == 3
    with pytest.raises(
        DataError, match=r"or \[3, words\] \(a caption an image\); received \[2, 7\]"
    ):
        Split(image, np.zeros((2, 7), np.int32))
