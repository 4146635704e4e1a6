"""Four models of a label for every step: what each may look at, and what it says when it is fed back."""

import keras
import numpy as np
import pytest

from dimaging_tf.data.cell_phases import cell_cycle
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.markov import KINDS, nats
from dimaging_tf.errors import DataError
from dimaging_tf.models.sequence_labels import Config, SequenceLabels

T = 12
LATER = {"causal": False, "bidirectional": True, "conditional": False, "joint": True}


def model_of(kind, **more):
    keras.utils.set_random_seed(0)
    return SequenceLabels(Config((T, 1), kind=kind, units=8, **more))


@pytest.mark.parametrize("kind", KINDS)
def test_it_looks_at_what_its_kind_may_look_at(kind):
    model = model_of(kind)
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(1, T, 1)).astype(np.float32), rng.integers(0, 4, (1, T), np.int32)

    def logits(x, label):
        return model.run("labels", **model.examples(x, label)["labels"])["logits"][0]

    base = logits(x, label)
    for t in range(T):
        other, said = x.copy(), label.copy()
        other[0, t] += 1
        said[0, t] = (said[0, t] + 1) % 4
        seen = np.abs(logits(other, label) - base).max(-1) > 0
        assert seen[t]
        assert seen[:t].any() == (LATER[kind] and t > 0)
        told = np.abs(logits(x, said) - base).max(-1) > 0
        assert not told[: t + 1].any()
        assert told[t + 1 : t + 2].all() == (model.config.fed_back or t == T - 1)


@pytest.mark.parametrize("kind", ["bidirectional", "joint"])
def test_it_comes_near_the_optimum(kind):
    chain, rng = cell_cycle(noise=0.6), np.random.default_rng(0)
    x, label = chain.draw(2000, T, rng)
    series, label = x[..., None].astype(np.float32), label.astype(np.int32)
    model = model_of(kind)
    model.compile(keras.optimizers.Adam(2e-2), **model.objective())
    inputs, target = model.transform(series, label, None)
    model.fit(inputs, target, batch_size=100, epochs=6, verbose=0)
    optimum = nats(chain.probabilities(kind, x, label), label)
    assert model.score(model.run, series, label) < optimum + 0.8


@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0.0), (1e4, 0.0), (1.0, 300.0)])
def test_the_unit_of_a_series_does_not_count(scale, offset):
    """As `dimaging train` builds it: without the fixed first layer nothing was learned from volts."""
    chain, rng = cell_cycle(noise=0.6), np.random.default_rng(0)
    x, label = chain.draw(1000, T, rng)
    series, label = (x[..., None] * scale + offset).astype(np.float32), label.astype(np.int32)
    split = Split(series, label, "series")
    data = Dataset("mine", split, split, "", "", "")
    keras.utils.set_random_seed(0)
    changes = {"kind": "causal", "units": 8, **SequenceLabels.settings_for(data)}
    model = SequenceLabels(SequenceLabels.config_for(data.shape, changes))
    model.measure(series, label)
    model.compile(keras.optimizers.Adam(2e-2), **model.objective())
    model.fit(*model.transform(series, label, None), batch_size=100, epochs=6, verbose=0)
    optimum = nats(chain.probabilities("causal", x, label), label)
    assert model.score(model.run, series, label) < optimum + 2


def test_a_run_from_before_the_fixed_layer_still_loads(tmp_path):
    model = model_of("causal")
    settings = model.get_config()
    assert settings["config"].pop("standardise") is False
    again = SequenceLabels.from_config(settings)
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


def test_what_is_said_is_fed_back():
    model = model_of("joint")
    x = np.random.default_rng(1).normal(size=(3, T, 1)).astype(np.float32)
    said, odds = model.label(x, seed=4)
    again, _ = model.label(x, seed=4)
    np.testing.assert_array_equal(said, again)
    logits = model.run("labels", **model.examples(x, said)["labels"])["logits"]
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(odds, expected, atol=1e-5)
    plain, likely = model_of("causal").label(x)
    np.testing.assert_array_equal(plain, likely.argmax(-1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "acausal"}, "kind must be one of causal, bidirectional, conditional, joint"),
        ({"classes": 1}, "classes are at least 2"),
        ({"units": 0}, "units at least 1"),
    ],
)
def test_settings_out_of_range(changes, words):
    with pytest.raises(ValueError, match=words):
        Config(**changes)


def test_other_labels_are_refused():
    x = np.zeros((4, T, 1), np.float32)

    def dataset(label):
        split = Split(x, label, "series")
        return Dataset("mine", split, split, "", "", "")

    model = model_of("joint")
    with pytest.raises(DataError, match="it learns from one label a step; mine has no labels"):
        model.check_data(dataset(None))
    with pytest.raises(DataError, match="mine has one an example"):
        model.check_data(dataset(np.zeros(4, np.int32)))
    with pytest.raises(DataError, match="reach from 4 to 4; expected 0 to 3"):
        model.check_data(dataset(np.full((4, T), 4, np.int32)))
    with pytest.raises(ValueError, match="nats need labels"):
        model.score(model.run, x)
