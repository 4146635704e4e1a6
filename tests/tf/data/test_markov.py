"""The exact optimum of a hidden Markov model: against enumeration of all sequences, and the published figures."""

import itertools

import numpy as np
import pytest

from dimaging_tf import data
from dimaging_tf.data.cell_phases import STEPS, cell_cycle
from dimaging_tf.data.markov import KINDS, Chain, nats

SMALL = Chain(
    np.array([0.5, 0.3, 0.2]),
    np.array([[0.6, 0.4, 0.0], [0.1, 0.5, 0.4], [0.3, 0.0, 0.7]]),
    np.array([-1.0, 0.0, 2.0]),
    0.8,
)
NATS = {"causal": 39.4, "bidirectional": 23.9, "conditional": 17.0, "joint": 11.2}
"""Of the simulated cell cycle at noise 1, over 2,000 sequences of 60 frames."""


def enumerated(kind, x, y):
    """The same probabilities from the joint of all sequences, [T, S]."""
    found = np.zeros((len(x), 3))
    for t in range(len(x)):
        end = len(x) if kind in ("bidirectional", "joint") else t + 1
        for states in itertools.product(range(3), repeat=end):
            if kind in ("conditional", "joint") and states[:t] != tuple(y[:t]):
                continue
            chance = SMALL.start[states[0]]
            for a, b in itertools.pairwise(states):
                chance *= SMALL.change[a, b]
            seen = (x[:end] - SMALL.means[list(states)]) / SMALL.noise
            found[t, states[t]] += chance * np.exp(-0.5 * np.sum(seen**2))
    return found / found.sum(-1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_those_of_all_sequences(kind):
    x, y = SMALL.draw(3, 4, np.random.default_rng(0))
    found = SMALL.probabilities(kind, x, y)
    for i in range(3):
        np.testing.assert_allclose(found[i], enumerated(kind, x[i], y[i]), atol=1e-12)


def test_the_figures_of_the_cell_cycle():
    chain, rng = cell_cycle(), np.random.default_rng(0)
    x, y = chain.draw(2000, STEPS, rng)
    found = {kind: nats(chain.probabilities(kind, x, y), y) for kind in KINDS}
    for kind, expected in NATS.items():
        assert found[kind] == pytest.approx(expected, abs=0.7)
    drawn, stated = chain.sample(x, rng)
    assert chain.possible(drawn).all()
    likeliest = chain.probabilities("bidirectional", x)
    assert 0.88 < chain.possible(likeliest.argmax(-1)).mean() < 0.97
    gap = stated.max(-1).mean() - (drawn == y).mean()
    assert 0.12 < gap < 0.2
    assert abs(likeliest.max(-1).mean() - (likeliest.argmax(-1) == y).mean()) < 0.01


def test_without_a_signal_a_story_is_told_all_the_same():
    chain, rng = cell_cycle(noise=1e6), np.random.default_rng(0)
    x, y = chain.draw(500, STEPS, rng)
    drawn, stated = chain.sample(x, rng)
    assert chain.possible(drawn).all()
    assert stated.max(-1).mean() - (drawn == y).mean() > 0.5


def test_what_is_told_must_be_given():
    with pytest.raises(ValueError, match="joint: the states before each step are told"):
        SMALL.probabilities("joint", np.zeros((1, 3)))


def test_the_data_set_holds_what_it_says():
    dataset = data.load("cell_phases")
    assert (dataset.kind, dataset.shape, len(dataset.train)) == ("series", (60, 1), 8000)
    assert dataset.classes == ("G1", "S", "G2", "M")
    for split in (dataset.train, dataset.valid):
        assert split.label_kind == "step"
        assert cell_cycle().possible(np.asarray(split.label)).all()
    assert not np.array_equal(dataset.train.x[:9], data.load("cell_phases", seed=1).train.x[:9])
