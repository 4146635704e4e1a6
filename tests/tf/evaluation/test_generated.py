"""Precision, recall and nearest images of sets whose answer is known."""

import numpy as np
import pytest

from dimaging_tf.evaluation.generated import nearest_distance, precision_recall

RNG = np.random.default_rng(0)
NEAR, FAR = RNG.standard_normal((2, 200, 4)) + np.array([0, 50])[:, None, None]


@pytest.mark.parametrize(
    ("found", "real", "precision", "recall"),
    [
        (NEAR, NEAR, 1, 1),
        (FAR, NEAR, 0, 0),
        (np.concatenate([NEAR, FAR]), NEAR, 0.5, 1),  # half is nothing
        (NEAR, np.concatenate([NEAR, FAR]), 1, 0.5),  # half is left out
        (np.repeat(NEAR[:1], 50, 0), NEAR, 1, 0),  # one image, again and again
    ],
    ids=["the same", "nothing", "half good", "half covered", "collapsed"],
)
def test_precision_and_recall_by_hand(found, real, precision, recall):
    have = precision_recall(found, real)
    assert have[0] == pytest.approx(precision, abs=0.01)
    assert have[1] == pytest.approx(recall, abs=0.02)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="more than k=3 images each; received 3 and 200"):
        precision_recall(NEAR[:3], NEAR)


def test_a_copy_is_at_distance_0_and_a_shift_at_its_size():
    image = RNG.random((5, 4, 4, 1))
    np.testing.assert_allclose(nearest_distance(image[:2], image), 0, atol=1e-3)
    np.testing.assert_allclose(nearest_distance(image[:1] + 0.1, image[:1]), 0.1, rtol=1e-3)
