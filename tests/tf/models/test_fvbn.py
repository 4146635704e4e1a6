"""The belief network against what a chain rule must do: causality, sum 1, closed forms, naive drawing."""

import itertools
import math
import re
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from dimaging_tf.layers.masked_dense import MaskedDense, degrees
from dimaging_tf.models.fvbn import FVBN, Config

CONFIGS = {
    "binary": Config((4, 3, 1), hidden=30),
    "hidden_alone": Config((4, 3, 1), hidden=30, direct=False),
    "few_units": Config((4, 3, 1), hidden=5),
    "softmax": Config((4, 3, 1), levels=5, hidden=30),
    "colour": Config((3, 2, 3), levels=4, hidden=40),
    "binary_colour": Config((3, 2, 3), hidden=40),
    "conditional": Config((3, 3, 1), hidden=20, classes=3),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def make(config, scale=0.5):
    model = FVBN(config)
    for i, weight in enumerate(model.network.weights):
        weight.assign(scale * np.random.default_rng(i).normal(size=weight.shape))
    return model


def one_hot(config, n) -> Any:
    return np.eye(3, dtype=np.float32)[np.arange(n) % 3] if config.classes else None


def symbols(config, n):
    rng = np.random.default_rng(0)
    return (rng.integers(0, config.levels, (n, *config.shape)) / (config.levels - 1)).astype("f")


@configs
def test_a_number_depends_on_all_earlier_ones_and_on_no_other(config):
    model = make(config)
    image = tf.constant(np.random.default_rng(1).random((1, *config.shape), np.float32))
    with tf.GradientTape() as tape:
        tape.watch(image)
        parameters = model.parameters(image, one_hot(config, 1))
    places, colours = math.prod(config.shape[:2]), config.shape[-1]
    jacobian = np.abs(np.asarray(tape.jacobian(parameters, image)))
    jacobian = jacobian.reshape(places, -1, colours, places * colours).max(1)
    jacobian = jacobian.reshape(places * colours, -1)
    assert not np.triu(jacobian).any()
    if config.direct:
        assert (jacobian[np.tril_indices(len(jacobian), -1)] > 0).all()


@pytest.mark.parametrize(
    "config",
    [Config((3, 3, 1), hidden=20), Config((2, 2, 1), levels=3, hidden=9), CONFIGS["conditional"]],
    ids=["binary", "three_levels", "conditional"],
)
def test_all_images_together_have_the_probability_1(config):
    values = np.linspace(0, 1, config.levels, dtype=np.float32)
    images = np.array(list(itertools.product(values, repeat=math.prod(config.shape))))
    images = images.reshape(-1, *config.shape)
    condition = one_hot(config, 2)[1:].repeat(len(images), 0) if config.classes else None
    found = np.asarray(make(config)(images, condition), np.float64).sum((1, 2, 3))
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("levels", [4, 256])
def test_without_weights_a_number_costs_log2_of_the_alphabet(levels):
    model = make(Config((3, 2, 1), levels, hidden=4), scale=0)
    assert model.score(model.run, symbols(model.config, 3)) == pytest.approx(np.log2(levels), 1e-7)


def test_without_weights_a_black_and_white_image_costs_log_2_a_pixel():
    model = make(Config((4, 3, 1), hidden=4), scale=0)
    assert model.score(model.run, symbols(model.config, 3)) == pytest.approx(12 * np.log(2), 1e-7)


@configs
def test_drawing_at_once_is_drawing_one_by_one(config):
    model, (height, width, colours) = make(config), config.shape
    noise = np.random.default_rng(0).random((3, height, width, colours)).astype(np.float32)
    drawn = model.sample(3, noise=noise, condition=one_hot(config, 3))
    naive = np.zeros_like(drawn)
    for place in np.ndindex(config.shape):
        found = model.likelihood.draw(model.parameters(naive, one_hot(config, 3)), noise).numpy()
        naive[(slice(None), *place)] = found[(slice(None), *place)]
    np.testing.assert_array_equal(drawn, naive)
    assert len(np.unique(drawn)) == config.levels


@configs
def test_saved_and_loaded_it_is_the_same(config, tmp_path):
    model, image = make(config), symbols(config, 2)
    model.save(tmp_path / "fvbn.keras")
    again = keras.models.load_model(tmp_path / "fvbn.keras")
    assert again.config == config
    condition = one_hot(config, 2)
    np.testing.assert_array_equal(again(image, condition), model(image, condition))


def test_fit_learns_a_stripe_in_one_trace():
    keras.utils.set_random_seed(0)
    image = np.zeros((64, 4, 4, 1), np.float32)
    image[np.arange(64), :, np.arange(64) % 4] = 1  # one of four columns: log 4 nats
    model = FVBN(Config((4, 4, 1), hidden=40, dropout=0.0))
    model.compile(keras.optimizers.Adam(0.03))
    traces, step = [], model.train_step
    model.train_step = lambda data: (traces.append(1), step(data))[1]
    history = model.fit(image, batch_size=16, epochs=40, verbose=0).history["loss"]
    assert len(traces) == 1
    assert np.log(4) <= history[-1] < np.log(4) + 0.2


def test_degrees_are_spread_over_what_a_unit_can_know():
    assert degrees(4, 5).tolist() == [1, 2, 3, 4]
    assert np.bincount(degrees(90, 10)).tolist() == [0, *[10] * 9]
    assert (np.diff(degrees(7, 784)) > 0).all()


ERRORS = [
    (lambda: Config(levels=1), "levels must be 2 to 256. Received: 1"),
    (lambda: Config(hidden=0), "hidden must be at least 1. Received: 0"),
    (lambda: MaskedDense(4, "up", 4), "edge must be one of hidden, output, direct"),
    (lambda: MaskedDense(5, "direct", 4), "units = pixels * parameters except for hidden"),
]


@pytest.mark.parametrize(("make_it", "words"), ERRORS)
def test_wrong_settings_are_named(make_it, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make_it()
