"""Prospective lineage: a probability for every frame, of movies and of tracks."""

import math

import keras
import numpy as np
import pytest

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError
from dimaging_tf.evaluation.metrics import auc
from dimaging_tf.models.lineage import Config, Lineage

MOVIE, TRACK = (5, 9, 9, 1), (6, 2)


def small(shape=MOVIE, **more) -> Lineage:
    keras.utils.set_random_seed(0)
    return Lineage(Config(shape, filters=(4,), features=4, units=4, **more))


def drifting(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tracks of noise whose second number drifts upwards in lineage 1."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count, np.int32)
    x = rng.normal(size=(count, *TRACK))
    x[:, :, 1] += label[:, None] * np.linspace(0, 2, TRACK[0])
    return x.astype(np.float32), label


@pytest.mark.parametrize("direction", ["bidirectional", "causal"])
def test_it_learns_what_drifts(direction):
    model = small(TRACK, direction=direction)
    x, label = drifting(1024)
    model.compile(keras.optimizers.Adam(2e-2), **model.objective())
    model.fit(*model.transform(x, label, None), batch_size=64, epochs=6, verbose=0)
    fresh, truth = drifting(500, seed=1)
    optimum = auc(fresh[:, :, 1] @ np.linspace(0, 2, TRACK[0]), truth)
    assert optimum - 0.03 < auc(model.foretell(fresh), truth) <= optimum + 0.01
    said = model.run("lineage", series=fresh)["probability"]
    judged = said[:, -1] if direction == "causal" else np.log(said / (1 - said)).mean(1)
    assert model.score(model.run, fresh, truth) == pytest.approx(auc(judged, truth), abs=1e-3)
    frames = np.repeat(truth[:, None], TRACK[0], 1)
    assert model.score(model.run, fresh, frames) == auc(said.ravel(), frames.ravel())


@pytest.mark.parametrize("shape", [MOVIE, TRACK])
@pytest.mark.parametrize("direction", ["bidirectional", "causal"])
def test_a_causal_network_does_not_look_ahead(shape, direction):
    model = small(shape, direction=direction)
    x = np.random.default_rng(0).random((1, *shape), np.float32)
    other = x.copy()
    other[:, 3] = 1 - other[:, 3]
    differs = np.abs(model(x) - model(other))[0] > 0
    assert differs[3:].all()
    assert differs[:3].any() == (direction == "bidirectional")


@pytest.mark.parametrize("shape", [MOVIE, TRACK])
def test_the_deployed_graph_is_the_sigmoid_of_what_is_trained(shape):
    model = small(shape)
    x = np.random.default_rng(0).random((3, *shape), np.float32)
    said = model.run("lineage", **model.examples(x)["lineage"])["probability"]
    np.testing.assert_allclose(said, 1 / (1 + np.exp(-np.asarray(model(x)))), atol=1e-6)
    np.testing.assert_allclose(model.foretell(x), np.asarray(model(x)).mean(1), atol=1e-4)
    last = small(shape, direction="causal")
    np.testing.assert_allclose(last.foretell(x), np.asarray(last(x))[:, -1], atol=1e-4)


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-9, 0.0), (1e-30, 0.0), (1e6, 0.0), (1.0, 500.0), (1e-6, 1e-3)]
)
def test_the_unit_of_a_series_does_not_count(scale, offset):
    x, _ = drifting(200)
    plain, other = small(TRACK), small(TRACK)
    plain.measure(x, None)
    scaled = (x * np.float64(scale) + offset).astype(np.float32)
    other.measure(scaled, None)
    np.testing.assert_allclose(np.asarray(other(scaled)), np.asarray(plain(x)), atol=1e-3)


def test_series_are_standardised_by_those_that_were_measured():
    model = small(TRACK)
    x, _ = drifting(200)
    far = np.concatenate([50 + 9 * x, np.full_like(x[..., :1], 3.0)], -1)
    model.measure(x, None)
    constant = small((TRACK[0], 3))
    constant.measure(far, None)
    layer = constant.logits.get_layer("standardised")
    said = np.asarray(layer(far)).reshape(-1, 3)
    np.testing.assert_allclose(said.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(said.std(0), [1, 1, 0], atol=1e-4)
    before = np.asarray(model(x))
    model.measure(50 + 9 * x, None)
    np.testing.assert_allclose(np.asarray(model(50 + 9 * x)), before, atol=1e-4)


def test_the_label_of_a_cell_is_that_of_its_frames():
    _, label = small(TRACK).transform(np.zeros((2, *TRACK)), np.array([0, 1]), None)
    np.testing.assert_array_equal(label, [[0] * 6, [1] * 6])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": (8, 27, 27)}, "shape is .frames, height, width, channels. of movies or"),
        ({"direction": "backwards"}, "direction is one of bidirectional, causal"),
        ({"units": 0}, "filters, features and units are at least 1"),
        ({"dropout": 1.0}, "dropout is in .0, 1."),
        *(({"noise": noise}, "noise is in .0, 1.") for noise in (-0.1, 1.1, math.nan)),
    ],
)
def test_settings_out_of_range(changes, words):
    with pytest.raises(ValueError, match=words):
        Config(**changes)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, "a label 0 or 1 for every cell or frame; mine has no labels"),
        (np.zeros((4, *MOVIE[:3]), np.int32), "mine has one a pixel"),
        (np.array([0, 1, 2, 1], np.int32), "labels of mine are 0, 1, 2; expected 0 and 1"),
        (
            np.ones(4, np.int32),
            "labels of the train split of mine are 1; expected 0 and 1 in both splits. Give more cells",
        ),
    ],
)
def test_labels_that_it_cannot_learn_from(label, words):
    split = Split(np.zeros((4, *MOVIE), np.uint8), label, "movie")
    with pytest.raises(DataError, match=words):
        small().check_data(Dataset("mine", split, split, "", "", ""))


@pytest.mark.parametrize("label", [None, np.zeros(2, int)])
def test_an_auc_needs_both_labels(label):
    with pytest.raises(ValueError, match="an AUC needs labels 0 and 1"):
        small().score(small().run, np.zeros((2, *MOVIE), np.float32), label)
