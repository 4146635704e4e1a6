"""The tokenizer: captions as numbers, and the words of what it refuses."""

import numpy as np
import pytest
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.words import encode, split_words

WORDS = ("a", "at", "circle", "left", "red", "small", "the", "top", "well-known")
TOKENS = [
    ("red circle", [0, 0, 0, 0, 5, 3]),
    ("A small, RED circle!", [0, 0, 1, 6, 5, 3]),
    ("a well-known circle", [0, 0, 0, 1, 9, 3]),
    ("a well-known red circle", [0, 0, 1, 9, 5, 3]),
]


@pytest.mark.parametrize(("caption", "numbers"), TOKENS)
def test_tokens(caption, numbers):
    found = encode([caption], WORDS, 6)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, [numbers])


SPLIT = [
    ("A dog's well-known ball--here - there-", "a dog s well-known ball here there"),
    ("Ein grüner KÄFER, 2½ cm", "ein grüner käfer 2½ cm"),
    ("cafe\u0301 снег 犬 हिन्दी", "café снег 犬 हिन्दी"),
    ("snake_case, <unk>", "snake case unk"),
]


@pytest.mark.parametrize(("caption", "words"), SPLIT)
def test_words_of_any_language(caption, words):
    assert split_words(caption) == words.split()


@pytest.mark.parametrize(("length", "numbers"), [(2, [2, 1]), (4, [0, 0, 2, 1])])
def test_numbers_follow_the_order_of_the_words(length, numbers):
    np.testing.assert_array_equal(encode(["red circle"], ("circle", "red"), length), [numbers])


WRONG = [
    (
        "a smal red circle",
        "unknown word 'smal' (did you mean 'small'?) in 'a smal red circle'; known: a, at,",
    ),
    (
        "a zebra on a circel",
        "unknown words 'zebra', 'on', 'circel' (did you mean 'circle'?) in 'a zebra on a circel'",
    ),
    ("?", "a caption has 1 to 6 words; received 0: '?'"),
    ("a a a a a a a", "a caption has 1 to 6 words; received 7"),
    ("...", "a caption has 1 to 6 words; received 0: '...'"),
    (
        "a rad circle",
        "unknown word 'rad' (did you mean 'red'?) in 'a rad circle'; known: a, at, circle, left, red",
    ),
]


@pytest.mark.parametrize(("caption", "words"), WRONG)
def test_a_wrong_caption_is_named(caption, words):
    with pytest.raises(InputError) as caught:
        encode([caption], WORDS, 6)
    assert words in str(caught.value)
