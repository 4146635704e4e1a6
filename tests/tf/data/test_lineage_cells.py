"""Simulated lineages: what the exact posterior makes of them, and that it is the posterior."""

import numpy as np
import pytest

from dimaging_tf.data import lineage_cells as cells
from dimaging_tf.evaluation.metrics import auc


@pytest.fixture(scope="module")
def lives():
    """Generation -> (cells, lineages)."""
    rng = np.random.default_rng(3)
    found = {}
    for early in range(len(cells.TRACE)):
        label = rng.integers(0, 2, 300)
        found[early] = cells.draw(label, early, rng), label
    return found


def test_the_earlier_the_less_can_be_known(lives):
    found = [auc(cells.log_odds(x), label) for x, label in lives.values()]
    np.testing.assert_allclose(found, [0.954, 0.875, 0.785, 0.658, 0.5], atol=0.08)
    assert sorted(found, reverse=True) == found


def test_the_odds_are_calibrated(lives):
    """Among cells to which the posterior gives the probability p, a share p is of lineage 1."""
    odds = np.concatenate([cells.log_odds(x) for early, (x, _) in lives.items() if early < 4])
    label = np.concatenate([y for early, (_, y) in lives.items() if early < 4])
    stated = 1 / (1 + np.exp(-odds))
    for low in (0.0, 0.25, 0.5, 0.75):
        among = (stated >= low) & (stated < low + 0.25)
        error = 3.5 * np.sqrt(0.25 / among.sum())
        assert abs(stated[among].mean() - label[among].mean()) < error


def test_before_the_choice_nothing_is_known(lives):
    x, _ = lives[4]
    np.testing.assert_allclose(cells.log_odds(x[:20], (4,)), 0, atol=1e-3)


def test_told_the_generation_it_knows_more_about_how_sure_to_be(lives):
    x, label = lives[3]
    assert np.abs(cells.log_odds(x, (3,))).mean() < np.abs(cells.log_odds(x)).mean()
    assert auc(cells.log_odds(x, (3,)), label) == pytest.approx(
        auc(cells.log_odds(x), label), abs=0.03
    )


def test_draws_are_those_of_the_seed():
    a, b = (cells.draw(np.array([0, 1]), np.array([0, 3]), np.random.default_rng(5)) for _ in "ab")
    np.testing.assert_array_equal(a, b)
    assert a.shape == (2, 8, 27, 27, 1)
    assert a.dtype == np.uint8
