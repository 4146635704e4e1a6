"""Learned frame selection: it finds the frames that matter, and its deployed graph sees those alone."""

import json

import keras
import numpy as np
import pytest

from dimaging_tf import data
from dimaging_tf.data import cell_kinetics
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError
from dimaging_tf.models.frame_selection import Config, FrameSelection, SelectFrames

SHAPE = (6, 4, 4, 1)


def small(**more) -> FrameSelection:
    keras.utils.set_random_seed(0)
    settings = {"classes": 2, "keep": 2, "filters": 4, "features": 4, "units": 8, **more}
    return FrameSelection(Config(SHAPE, **settings))


def telling(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Movies of noise in which frame 0 tells one half of the class and frame 3 the other: four classes."""
    rng = np.random.default_rng(seed)
    bright = rng.integers(0, 2, (count, 2))
    x = rng.uniform(0.3, 0.7, (count, *SHAPE)).astype(np.float32)
    x[:, [0, 3]] += 0.25 * (2 * bright[:, :, None, None, None] - 1)
    return x, (bright @ [1, 2]).astype(np.int32)


@pytest.mark.parametrize("method", ["search", "straight_through"])
def test_it_finds_the_frames_that_tell_the_class(method):
    x, label = telling(1024)
    model = small(method=method, classes=4, search_epochs=3, features=8, units=32)
    model.compile(keras.optimizers.Adam(1e-2))
    pairs = data.batches(Split(x, label, "movie"), 32, seed=0, transform=model.transform)
    choice = SelectFrames(x, label)
    model.fit(pairs, steps_per_epoch=32, epochs=5, verbose=0, shuffle=False, callbacks=[choice])
    assert model.mask == (0, 3)
    fresh, truth = telling(256, seed=1)
    assert model.score(model.run, fresh, truth) > 0.95


def test_the_deployed_graph_computes_what_training_sees():
    model = small()
    model.set_mask((0, 5))
    x, _ = telling(3)
    logits = model.run("classifier", frames=model.take(x))["logits"]
    np.testing.assert_allclose(logits, model(x), atol=1e-5)
    hidden = x.copy()
    hidden[:, 1:5] = 0  # frames that nobody takes say nothing
    np.testing.assert_allclose(model(hidden), model(x), atol=1e-6)


def test_the_cost_of_a_mask_is_that_of_the_network():
    model = small(classes=4)
    x, label = telling(50)
    mask = np.zeros((50, 6), np.float32)
    mask[:, [2, 3]] = 1
    expected = keras.losses.sparse_categorical_crossentropy(
        label, model.judge(x, mask), from_logits=True
    )
    assert model._cost_of(x, label)((2, 3)) == pytest.approx(float(np.mean(expected)), abs=1e-5)


def test_the_mask_is_a_weight_and_stays_as_it_is(tmp_path):
    model = small()
    assert model.mask == (1, 4)
    model.set_mask((2, 3))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.mask == (2, 3)
    assert float(again.chosen) == 1
    x, label = telling(64)
    label = label % 2
    again.compile(keras.optimizers.Adam(1e-2))
    pairs = again.transform(x, label, np.array([1, 2], np.int32))
    again.fit(*pairs, verbose=0, callbacks=[SelectFrames(x, label)])
    assert again.mask == (2, 3)


def test_a_short_training_still_chooses_and_forgets_what_was_best_before(tmp_path):
    (tmp_path / "best.keras").write_bytes(b"of other frames")
    x, label = telling(64)
    model = small(classes=4, search_epochs=9)
    model.compile(keras.optimizers.Adam(1e-2))
    pairs = model.transform(x, label, np.array([1, 2], np.int32))
    model.fit(*pairs, epochs=2, verbose=0, callbacks=[SelectFrames(x, label, tmp_path)])
    assert float(model.chosen) == 1
    assert not (tmp_path / "best.keras").exists()


def test_what_lies_beside_the_graph():
    files = small(rate=2.0).files()
    said = json.loads(files["frames.json"])
    assert said == {"frames": [1, 4], "of": 6, "frames_per_second": 2.0, "seconds": [0.5, 2.0]}
    assert files["frames.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keep": 6}, r"keep is 1 to 5 of the 6 frames of a movie. Received: 6 \(--set keep=5\)"),
        ({"keep": 0}, r"keep is 1 to 5 .* Received: 0 \(--set keep=1\)"),
        (
            {"shape": (1, 4, 4, 1)},
            "a movie of one frame leaves nothing to choose; give 2 frames or more",
        ),
        ({"rate": -1.0}, "rate is finite and at least 0"),
        ({"rate": float("nan")}, "rate is finite and at least 0"),
        ({"method": "guess"}, "method is search or straight_through. Received: 'guess'"),
        ({"classes": 1}, "classes at least 2"),
        ({"search_epochs": 0}, "search_epochs, filters, features and units are at least 1"),
    ],
)
def test_settings_out_of_range(changes, words):
    with pytest.raises(ValueError, match=words):
        Config(**{"shape": SHAPE, **changes})


@pytest.mark.parametrize("mask", [(1, 1), (4, 1), (1, 6), (1,), (1, 2, 3)])
def test_masks_that_are_none(mask):
    with pytest.raises(ValueError, match="a mask is 2 different frames of 0 to 5, ascending"):
        small().set_mask(mask)


@pytest.mark.parametrize("shape", [(5, 4, 4, 1), (6, 4, 5, 1)])
def test_movies_of_another_size(shape):
    with pytest.raises(ValueError, match="expected movies of 6 frames of 4 x 4 x 1"):
        small().take(np.zeros((2, *shape), np.float32))


def dataset(x, label):
    split = Split(x, label, "movie")
    return Dataset("mine", split, split, "", "", "")


@pytest.mark.parametrize(
    ("frames", "label", "words"),
    [
        (5, np.zeros(4, np.int32), "chooses from movies of 6 frames of 4 x 4 x 1; mine holds 5 frames"),
        (6, None, "it learns from one label a movie; mine has no labels"),
        (6, np.zeros((4, 6), np.int32), "mine has one a step"),
        (6, np.full(4, 2, np.int32), "reach from 2 to 2; expected 0 to 1"),
    ],
)  # fmt: skip
def test_data_that_it_cannot_learn_from(frames, label, words):
    x = np.zeros((4, frames, 4, 4, 1), np.uint8)
    with pytest.raises(DataError, match=words):
        small().check_data(dataset(x, label))
    with pytest.raises(ValueError, match="accuracy needs labels"):
        small().score(small().run, np.zeros((2, *SHAPE), np.float32))


def test_the_simulated_cells():
    x, label = cell_kinetics.draw(200, np.random.default_rng(0))
    assert x.shape == (200, 16, 8, 8, 1)
    assert x.dtype == np.uint8
    again, _ = cell_kinetics.draw(200, np.random.default_rng(0))
    np.testing.assert_array_equal(x, again)
    bright = x[label == 2].mean((0, 2, 3, 4))
    assert set(np.argsort(bright)[-2:]) == {3, 11}  # early, and again
    best, all_of_them = cell_kinetics.optimum((3, 4, 11)), cell_kinetics.optimum(range(16))
    assert 0.97 < best <= all_of_them + 0.01
    assert cell_kinetics.optimum((0, 7, 15)) < 0.3
