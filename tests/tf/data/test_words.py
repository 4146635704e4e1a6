"""Vocabularies, and captions as numbers and back; the tokenizer itself is the edge's."""

import numpy as np
import pytest

from dimaging_tf.data import words
from dimaging_tf.errors import DataError


def test_a_vocabulary_has_every_word_once_in_order():
    assert words.vocabulary(["A red circle.", "a well-known circle"]) == (
        "a", "circle", "red", "well-known",
    )  # fmt: skip


def test_numbers_are_read_back():
    known = ("circle", "red", "a", "well-known")
    tokens = words.encode(["a well-known red circle", "Red, CIRCLE!"], known, 5)
    np.testing.assert_array_equal(tokens, [[0, 3, 4, 2, 1], [0, 0, 0, 2, 1]])
    assert words.decode(tokens, known) == ["a well-known red circle", "red circle"]


@pytest.mark.parametrize(
    ("caption", "says"),
    [
        ("a rad circle", "unknown word 'rad' (did you mean 'red'?) in 'a rad circle'"),
        ("a red red red circle", "a caption has 1 to 4 words; received 5"),
    ],
)
def test_a_refusal_is_an_error_of_the_data(caption, says):
    with pytest.raises(DataError) as caught:
        words.encode([caption], ("a", "circle", "red"), 4)
    assert says in str(caught.value)
