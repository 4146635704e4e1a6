"""Scores of a membrane that is right, that has a hole, and that is drawn too thick."""

import numpy as np
import pytest

from dimaging_tf.evaluation.segmentation import cells_of, membrane_scores

MASK = np.zeros((1, 40, 40), np.uint8)
MASK[0, :, 20] = 1  # two cells of 20 x 40 and 19 x 40


def test_the_truth_itself():
    found = membrane_scores(MASK.astype(float), MASK)
    assert (found.f1, found.iou) == (1, 1)
    assert (found.split, found.merged, found.rand_error) == pytest.approx((0, 0, 0), abs=1e-9)


def test_one_missing_pixel_merges_two_cells():
    holed = MASK.astype(float)
    holed[0, 7, 20] = 0
    found = membrane_scores(holed, MASK)
    assert found.f1 == pytest.approx(2 * 39 / 79)
    share = np.array([20, 19]) / 39
    assert found.merged == pytest.approx(-(share * np.log2(share)).sum(), abs=0.01)
    assert found.split == pytest.approx(0, abs=0.01)
    # All pairs are found, of which the share sum(p^2) is true: precision of the Rand F.
    precision = (share**2).sum()
    assert found.rand_error == pytest.approx(1 - 2 * precision / (1 + precision), abs=0.01)


def test_a_thick_membrane_costs_pixels_and_no_cells():
    thick = MASK.astype(float)
    thick[0, :, 19:22] = 1
    found = membrane_scores(thick, MASK)
    assert found.f1 == pytest.approx(2 * 40 / (120 + 40))
    # Nothing is merged but the 80 pixels that the membrane took from both cells alike: 1 bit each.
    assert found.merged == pytest.approx(80 / 1560, abs=0.005)


def test_specks_are_no_cells():
    membrane = np.ones((20, 20), bool)
    membrane[3:5, 3:5] = membrane[10:18, 10:18] = False
    assert sorted(np.unique(cells_of(membrane, smallest=5))) == [0, 2]
