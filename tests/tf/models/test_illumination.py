"""A learned illumination: patterns and their choice, the same light, what the bundle is told, and its errors."""

import json
import math

import keras
import numpy as np
import pytest
from PIL import Image

from dimaging_tf.data.phase_objects import CAPTIONED
from dimaging_tf.models.illumination import FIXED, Config, Illumination


@pytest.fixture(scope="module")
def objects():
    return CAPTIONED.load(train=960, valid=96)


def model_of(objects, steps=60, **changes):
    keras.utils.set_random_seed(0)
    settings = {
        "filters": (8, 16, 16),
        "features": 24,
        "units": 24,
        "search_steps": steps,
        **changes,
    }
    model = Illumination(Config(words=objects.words, **settings))
    model.compile(keras.optimizers.Adam(6e-3))
    return model


@pytest.fixture(scope="module")
def learned(objects):
    """An epoch of all starts, two of the best, one with what it found, on images that are simulated once."""
    model = model_of(objects, steps=120, trial_steps=40)
    parts = np.array_split(objects.train.inputs(), 20)
    images = np.concatenate([np.asarray(model.microscope.images(part)) for part in parts])
    model.fit(images, objects.train.label, batch_size=24, epochs=4, verbose=0)
    return model


def test_it_finds_oblique_light(learned):
    """The strongest LED is one at the side of the aperture, which is what an expert would turn on."""
    powers = learned.powers.reshape(5, 5)
    assert powers.max() > 0.8
    assert ((powers == 0) | (powers >= 0.15 * powers.max())).all()
    assert learned.powers.argmax() in (7, 11, 13, 17), powers
    inside = learned.powers * learned.microscope.patterns["bright field"]
    tilt = np.hypot(*(inside @ learned.microscope.leds)) / inside.sum()
    assert tilt > 0.2 * 0.13, powers  # where 0 is symmetric, and 0.13 that LED alone
    assert learned.best_pattern == "learned"


def test_the_chosen_pattern_stays(learned, objects):
    chosen, mean = learned.powers.copy(), np.asarray(learned.mean_loss).copy()
    images = learned.microscope.images(objects.train.inputs(slice(0, 48)))
    learned.fit(np.asarray(images), objects.train.label[:48], batch_size=24, verbose=0)
    np.testing.assert_array_equal(learned.powers, chosen)
    np.testing.assert_array_equal(np.asarray(learned.mean_loss), mean)
    assert (mean > 0).all()


def test_after_the_trial_one_start_learns_on_alone(objects):
    model = model_of(objects, steps=10, trial_steps=2)
    model.mean_loss.assign([2.0, 1.0, 3.0])
    rows = [0, 1, 2, 0, 1]
    for step, trying, searching, seen in (
        (1, True, True, rows),
        (2, False, True, [1] * 5),
        (10, False, False, [1] * 5),
    ):
        model.optimizer.iterations.assign(step)
        assert (bool(model.trying), bool(model.searching)) == (trying, searching)
        np.testing.assert_array_equal(np.asarray(model._pattern_of(5)), seen)


def test_powers_share_the_light_of_one(objects):
    model = model_of(objects)
    powers = np.asarray(model._powers())
    np.testing.assert_allclose(powers.max(-1), 1, rtol=1e-6)
    shares = powers / powers.sum(-1, keepdims=True)
    model.starts.assign_add(np.ones_like(shares))  # the same for all: no LED gains
    np.testing.assert_allclose(np.asarray(model._powers()), powers, rtol=1e-3)


def test_phases_and_their_images_are_the_same_to_it(learned, objects):
    phase = objects.valid.inputs(slice(0, 6))
    images = learned.microscope.images(phase)
    a, b = (np.asarray(learned.look(x, False)) for x in (phase, images))
    assert a.shape == (6, 32, 32, 1)
    assert 0 <= a.min() < a.max() <= 1
    np.testing.assert_allclose(a, b, atol=1e-5)
    assert learned.caption(phase) == learned.caption(np.asarray(images))


def test_of_the_fixed_patterns_it_keeps_the_best(objects):
    model = model_of(objects, pattern=FIXED)
    assert (
        len(model.starts) == len(model.microscope.patterns)
        if hasattr(model.starts, "__len__")
        else True
    )
    worse = np.ones(len(model.microscope.patterns), np.float32)
    worse[list(model.microscope.patterns).index("LED 3,2")] = 0.5
    model.mean_loss.assign(worse)
    model.fit(
        objects.train.inputs(slice(0, 24)), objects.train.label[:24], batch_size=24, verbose=0
    )
    assert model.best_pattern == "LED 3,2"
    np.testing.assert_array_equal(model.powers, model.microscope.patterns["LED 3,2"])
    assert not model.starts.trainable


def test_a_fixed_pattern_stays_and_only_its_leds_are_simulated(objects):
    model = model_of(objects, pattern="left half")
    model.fit(
        objects.train.inputs(slice(0, 48)), objects.train.label[:48], batch_size=24, verbose=0
    )
    np.testing.assert_array_equal(model.powers, model.microscope.patterns["left half"])
    assert len(model._lit) == 10
    whole = np.asarray(model.microscope.images(objects.valid.inputs(slice(0, 4))))
    seen = np.asarray(model.look(objects.valid.inputs(slice(0, 4)), False))
    np.testing.assert_allclose(seen, np.asarray(model.look(whole, False)), atol=1e-5)


def test_the_bundle_is_told_what_the_microscope_has_to_do(learned, tmp_path):
    files = learned.files()
    assert set(files) == {"words.txt", "illumination.json", "illumination.png"}
    said = json.loads(files["illumination.json"])
    assert said["exposures"] == 1
    powers = [led["power"] for led in said["leds"]]
    np.testing.assert_allclose(powers, learned.powers, atol=1e-4)
    middle = said["leds"][12]
    assert (middle["row"], middle["column"], middle["x"], middle["y"]) == (3, 3, 0, 0)
    (tmp_path / "x.png").write_bytes(files["illumination.png"])
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size == (320, 320)


def test_its_pictures(learned, objects):
    shown = learned.picture(objects.valid.inputs())
    assert shown.shape == (3, 8, 32, 32, 1)
    assert 0 <= shown.min() <= shown.max() <= 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pattern": "al"}, "no pattern 'al'; did you mean 'all'"),
        *(
            (
                {name: value},
                "restarts, features, embedding, units and filters are at least 1, trial_steps",
            )
            for name in (
                "length",
                "restarts",
                "features",
                "embedding",
                "units",
                "trial_steps",
                "search_steps",
            )
            for value in (-1,)
        ),
        ({"restarts": 0}, "restarts, .* are at least 1"),
        ({"units": 0}, "units and filters are at least 1"),
        ({"filters": (4, 0)}, "units and filters are at least 1"),
        *(
            ({name: value}, "photons and pattern_rate are finite and above 0")
            for name in ("photons", "pattern_rate")
            for value in (0.0, -1.0, math.inf, math.nan)
        ),
        ({"read": math.nan}, "read is finite and at least 0"),
        *(
            ({name: value}, r"floor and dropout are in \[0, 1\)")
            for name in ("floor", "dropout")  # a floor of 1 or more turned every LED off
            for value in (-0.1, 1.0, 2.0, math.nan)
        ),
        ({"shape": (32, 32, 3)}, r"phases are square, with one channel. Received: \[32, 32, 3\]"),
        ({"shape": (20, 20, 1)}, "divisible by 8"),
    ],
)
def test_settings_out_of_range(changes, words):
    with pytest.raises(ValueError, match=words):
        Config(**changes)
