"""The integer-valued mixture: exact, close to the float one, drawn as it says."""

import itertools

import numpy as np
import pytest

from dimaging_tf.density.base import log_likelihood, uniform
from dimaging_tf.density.likelihoods import Bernoulli, Categorical, LogisticMixture
from dimaging_tf.density.likelihoods_integer import (
    IntegerBernoulli,
    IntegerCategorical,
    IntegerLikelihood,
    IntegerLogisticMixture,
)

KINDS = [
    IntegerLogisticMixture(1, 5, 256),
    IntegerLogisticMixture(1, 1, 200),
    IntegerLogisticMixture(1, 10, 16),
    IntegerLogisticMixture(1, 3, 2),
    IntegerLogisticMixture(3, 4, 256),
    IntegerLogisticMixture(3, 2, 5),
]
kinds = pytest.mark.parametrize("kind", KINDS, ids=repr)


def parameters(kind, n, scale=-2.0):
    """Of the float form and of the integer form [n, 1, 1, count], log-scales near `scale`."""
    rng = np.random.default_rng(0)
    found = rng.normal(size=(n, 1, 1, kind.count)).astype(np.float32)
    k, c = kind.components, kind.channels
    found[..., k + k * c : k + 2 * k * c] += scale
    steps = np.rint(found * kind.steps).clip(-kind.reach, kind.reach).astype(np.float32)
    return found, steps


def exact_weights(kind, steps, symbols):
    """In float64, where none of these numbers is rounded: [C, levels] of one pixel."""
    table = {name: x.astype(np.float64) for name, x in kind.tables().items()}
    logits, means, scales, couplings = (np.asarray(x, np.float64) for x in kind.split(steps))
    shares = table["share"][(logits.max() - logits).clip(max=1023).astype(int)]
    middle, found = kind.parts * (kind.levels - 1) / 2, []
    for colour, symbol in enumerate(symbols.astype(int)):
        mean = means[colour]
        for earlier in range(colour):
            coupling = couplings[colour * (colour - 1) // 2 + earlier].astype(int) + kind.reach
            moved = table["coupling"][coupling] * (symbols[earlier] * kind.parts - middle)
            mean = mean + np.floor(moved / 4096 + 0.5)
        mean = mean.clip(-kind.reach, kind.reach)[:, None]
        narrow = table["narrow"][scales[colour].clip(-7 * 64, 2 * 64).astype(int) + 7 * 64]
        product = (kind.edges - mean) * narrow[:, None]
        assert np.abs(product[:, 1:-1] / narrow[:, None]).max() < 2**13
        below = table["mass"][
            np.floor(product).clip(-kind.top, kind.top - 1).astype(int) + kind.top
        ]
        assert (below[:, 0] == 0).all()
        assert (below[:, -1] == kind.whole).all()
        found.append(1 + np.diff(np.floor(shares[:, None] * below / 2**kind.shift).sum(0)))
        joint = shares * np.maximum(1, below[:, symbol + 1] - below[:, symbol])
        assert joint.max() <= 2**24
        shares = np.floor(joint * 2.0 ** (10 - int(joint.max()).bit_length() + 1))
    return np.stack(found)


@kinds
@pytest.mark.parametrize("scale", [-6, -2, 1])
def test_weights_are_exact(kind, scale):
    _, steps = parameters(kind, 40, scale)
    symbols = np.random.default_rng(1).integers(0, kind.levels, (40, 1, 1, kind.channels))
    found = kind.weights(steps, symbols.astype(np.float32)).numpy()
    for weights, z, s in zip(found[:, 0, 0], steps[:, 0, 0], symbols[:, 0, 0], strict=True):
        np.testing.assert_array_equal(weights, exact_weights(kind, z, s))
    assert found.min() >= 1
    assert found.sum(-1, dtype=np.float64).max() < 2**24


@kinds
@pytest.mark.parametrize("scale", [-4, -2, 0])
def test_it_costs_little(kind, scale):
    """Images that the float form draws: the same nats to 0.007 a dimension."""
    real, steps = parameters(kind, 3000, scale)
    floats = LogisticMixture(kind.channels, kind.components, kind.levels)
    noise = uniform(np.random.default_rng(1), (3000, 1, 1, kind.noise))
    image = floats.draw(real, noise).numpy()
    found = log_likelihood(kind.weights(steps, kind.encode(image)).numpy(), image).sum(-1)
    lost = floats.log_prob(real, image).numpy()[..., 0] - found
    assert abs(lost.mean()) / kind.channels < 0.007


@pytest.mark.parametrize("kind", [KINDS[2], KINDS[5]], ids=repr)
def test_draws_follow_the_weights(kind):
    """Shares of 40,000 draws against the product of the colours' probabilities."""
    n = 40_000
    steps = np.repeat(parameters(kind, 1, -1.0)[1], n, 0)
    drawn = kind.draw(steps, uniform(np.random.default_rng(1), (n, 1, 1, kind.noise))).numpy()
    every = np.array(list(itertools.product(range(kind.levels), repeat=kind.channels)), np.float32)
    image = every.reshape(-1, 1, 1, kind.channels)
    weights = kind.weights(steps[: len(every)], image).numpy()
    expected = np.exp(log_likelihood(weights, image / (kind.levels - 1)).sum(-1)).reshape(-1)
    assert expected.sum() == pytest.approx(1)
    places = (kind.levels ** np.arange(kind.channels)[::-1]).astype(int)
    symbols = np.rint(drawn.reshape(n, -1) * (kind.levels - 1)).astype(int)
    counts = np.bincount(symbols @ places, minlength=len(every))
    np.testing.assert_allclose(counts / n, expected, atol=4 * np.sqrt(0.25 / n))


@pytest.mark.parametrize(
    ("kind", "floats"),
    [
        (IntegerBernoulli(3), Bernoulli(3)),
        (IntegerCategorical(3, 5), Categorical(3, 5)),
        (KINDS[4], LogisticMixture(3, 4)),
    ],
    ids=repr,
)
def test_both_forms_have_as_many_numbers_and_are_not_each_other(kind, floats):
    assert (kind.count, kind.noise) == (floats.count, floats.noise)
    assert kind.steps.shape == (kind.count,)
    assert not isinstance(kind, type(floats))
    assert not isinstance(floats, IntegerLikelihood)


def test_narrow_mixtures_of_few_levels_are_finite():
    """Log-scale -7 with 5 levels: a level is hundreds of scales wide."""
    kind = LogisticMixture(1, 2, 5)
    real = np.tile(np.array([0, 0, -0.5, 0.5, -9, -9], np.float32), (5, 1, 1, 1))
    image = (np.arange(5, dtype=np.float32) / 4).reshape(5, 1, 1, 1)
    total = np.exp(kind.log_prob(real, image)).sum()
    assert total == pytest.approx(1, abs=1e-5)
