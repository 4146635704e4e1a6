"""Shapes show what their captions say; captions become numbers."""

import numpy as np
import pytest

from dimaging_tf.data import load, shapes
from dimaging_tf.data import words as text
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


ENCODED = [
    ("red circle", [0, 0, 2, 1]),
    ("Red, CIRCLE!", [0, 0, 2, 1]),
    ("a well-known red circle", [3, 4, 2, 1]),
]


@pytest.mark.parametrize(("caption", "numbers"), ENCODED)
def test_tokens(caption, numbers):
    words = ("circle", "red", "a", "well-known")
    np.testing.assert_array_equal(text.encode([caption], words, 4), [numbers])


WRONG = [
    (
        "a rad circle",
        "unknown word 'rad' (did you mean 'red'?) in 'a rad circle'; known: a, circle, red",
    ),
    ("...", "a caption has 1 to 4 words; received 0: '...'"),
    ("a red red red circle", "a caption has 1 to 4 words; received 5"),
]


@pytest.mark.parametrize(("caption", "words"), WRONG)
def test_a_wrong_caption_is_named(caption, words):
    with pytest.raises(DataError) as caught:
        text.encode([caption], ("a", "circle", "red"), 4)
    assert words in str(caught.value)
