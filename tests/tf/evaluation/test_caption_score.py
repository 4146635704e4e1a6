"""CIDEr-D: the answers of the reference implementation, its ends, and its errors."""

import numpy as np
import pytest

from dimaging_tf.evaluation.caption_score import cider_d

REFERENCES = [
    ["a black dog runs on the grass", "the dog runs"],
    ["a man in a red shirt stands", "a man stands by a wall"],
    ["two girls play with a ball in the water", "girls play"],
    ["a black dog and a white dog play in the snow"],
]
CAPTIONS = [
    "a black dog runs on grass", "a man in a red hat", "two girls play with a ball in the water", "a dog",
]  # fmt: skip
EXPECTED = [4.52497303, 3.76529591, 5.541391, 0.37899687]
"""What pycocoevalcap 1.2 says of them."""


def test_it_is_the_reference_implementation_s_score():
    np.testing.assert_allclose(cider_d(CAPTIONS, REFERENCES), EXPECTED, atol=1e-8)


def test_case_and_punctuation_do_not_count():
    shouted = [f"{caption.upper()} !" for caption in CAPTIONS]
    np.testing.assert_allclose(cider_d(shouted, REFERENCES), EXPECTED, atol=1e-8)


def test_the_only_reference_has_ten_and_nothing_in_common_none():
    references = [["one red circle at the top"], ["a blue square below it"]]
    assert cider_d([r[0] for r in references], references) == pytest.approx([10, 10])
    assert cider_d(["nothing of that sort", ""], references).tolist() == [0, 0]


def test_what_everybody_says_of_everything_is_worth_nothing():
    references = [["a dog on grass"], ["a dog on sand"]]
    assert cider_d(["a dog on", "a dog on"], references).tolist() == [0, 0]


@pytest.mark.parametrize("references", [[["a"]], [["a"], []]])
def test_every_caption_needs_references(references):
    with pytest.raises(ValueError, match="references for each of the 2 captions"):
        cider_d(["a", "b"], references)
