"""Super-resolution: causal in the image, free in the small picture, A + B, and its words for mistakes."""

import functools
import itertools
import math
import re
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from dimaging_tf.models.super_resolution import Config, SuperResolution, shrink

SMALL = {"filters": 6, "stages": 1, "blocks": 2, "entry": 3}
CONFIGS = {
    "mixture": Config((4, 8, 1), components=2, **SMALL),
    "softmax": Config((8, 4, 1), levels=6, components=0, **SMALL),
    "binary": Config((4, 4, 1), factor=2, levels=2, components=0, **SMALL),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@functools.cache
def make(config, scale=0.3) -> Any:
    model = SuperResolution(config)
    for i, weight in enumerate(model.network.weights):
        weight.assign(scale * np.random.default_rng(i).normal(size=weight.shape))
    return model


def prepared(model, n) -> Any:
    image = np.random.default_rng(0).random((n, *model.config.shape), np.float32)
    return model.prepared(image)


@configs
def test_causal_in_the_image_and_not_in_the_small_picture(config):
    model = make(config)
    image, low = (tf.constant(x) for x in prepared(model, 1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([image, low])
        parameters = model.parameters(image, low)
    places = math.prod(config.shape[:2])
    jacobian = np.abs(tape.jacobian(parameters, image)).reshape(places, -1, places).max(1)
    assert not np.triu(jacobian).any()
    assert (jacobian[np.arange(1, places), np.arange(places - 1)] > 0).sum() > places / 2
    first = np.abs(tape.jacobian(parameters, low)).reshape(places, -1, len(np.ravel(low))).max(1)
    assert (first > 0).any(1).all()  # even the first pixel knows the small picture


@configs
def test_the_parameters_are_conditioning_plus_prior(config):
    model = make(config)
    image, low = prepared(model, 3)
    names = ("conditioning", "prior")
    outputs = {name: model.network.get_layer(name).output for name in names}
    parts = keras.Model(model.network.input, outputs)({"image": image, "low": low})
    total = parts["conditioning"] + parts["prior"]
    np.testing.assert_allclose(model.parameters(image, low), total, atol=1e-5)
    other = 1 - image  # A alone knows nothing of the image
    again = keras.Model(model.network.input, outputs)({"image": other, "low": low})
    np.testing.assert_array_equal(again["conditioning"], parts["conditioning"])
    nll, alone = model.losses_of(image, low)
    np.testing.assert_allclose(-model.scale * np.sum(model(image, low), (1, 2, 3)), nll, rtol=1e-5)
    expected = model.likelihood.log_prob(parts["conditioning"], image)
    np.testing.assert_allclose(-model.scale * np.sum(expected, (1, 2, 3)), alone, rtol=1e-5)


def test_all_images_of_one_small_picture_have_the_probability_1():
    model = make(Config((4, 2, 1), factor=2, levels=2, components=0, **SMALL))
    images = np.array(list(itertools.product([0, 1], repeat=8)), np.float32).reshape(-1, 4, 2, 1)
    low = np.tile(np.array([0.25, 0.75], np.float32).reshape(1, 2, 1, 1), (len(images), 1, 1, 1))
    found = np.asarray(model(images, low), np.float64).sum((1, 2, 3))
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)


def test_without_weights_a_pixel_costs_log2_of_the_alphabet():
    model = make(Config((4, 4, 1), levels=32, components=0, **SMALL), scale=0)
    assert model.score(model.run, prepared(model, 2)[0]) == pytest.approx(5, 1e-7)


def test_drawing_at_once_is_drawing_one_by_one():
    model = make(CONFIGS["mixture"])
    _, low = prepared(model, 2)
    noise = np.random.default_rng(1).random((2, 4, 8, 2)).astype(np.float32)
    drawn = model.sample(2, noise=noise, condition=low)
    draw = tf.function(lambda image: model.likelihood.draw(model.parameters(image, low), noise))
    naive = np.zeros_like(drawn)
    for y, x in np.ndindex(4, 8):
        naive[:, y, x] = draw(tf.constant(naive))[:, y, x]
    np.testing.assert_allclose(drawn, naive, atol=1e-6)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    model = make(CONFIGS["mixture"])
    image, low = prepared(model, 2)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.config == model.config
    for found, expected in zip(
        again.losses_of(image, low), model.losses_of(image, low), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_fit_learns_in_one_trace_and_tracks_both_losses():
    keras.utils.set_random_seed(0)
    model = SuperResolution(Config((4, 4, 1), levels=4, components=0, **SMALL))
    image = np.repeat(np.linspace(0, 1, 4, dtype=np.float32), 4)[:, None, None, None]
    image, low = model.prepared(np.tile(image, (1, 4, 4, 1)))  # grey areas
    model.compile(keras.optimizers.Adam(0.01))
    traces, step = [], model.train_step
    model.train_step = lambda data: (traces.append(1), step(data))[1]
    history = model.fit(image, low, batch_size=8, epochs=25, verbose=0).history
    assert len(traces) == 1
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["conditioning"][-1] < 0.9 * history["conditioning"][0]
    found = model.evaluate(image, low, verbose=0, return_dict=True)
    assert found["loss"] < history["loss"][-1] < found["conditioning"]


def test_the_small_picture_is_the_mean_of_blocks():
    image = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1) / 64
    expected = image.reshape(2, 4, 2, 4).mean((1, 3))
    np.testing.assert_allclose(np.asarray(shrink(image, 4))[0, ..., 0], expected, atol=1e-6)


def test_upscale_and_the_picture_of_a_training():
    model = make(CONFIGS["mixture"])
    image, low = prepared(model, 3)
    drawn = model.upscale(low[0], 2, seed=1)
    assert drawn.shape == (2, 4, 8, 1)
    np.testing.assert_array_equal(drawn, model.upscale(low[0], 2, seed=1))
    assert not np.array_equal(drawn[0], drawn[1])
    rows = model.picture(image)
    assert rows.shape == (5, 3, 4, 8, 1)
    np.testing.assert_array_equal(rows[-1], image)
    np.testing.assert_allclose(rows[0][:, ::4, ::4], low)
    assert rows.min() >= 0
    assert rows.max() <= 1


ERRORS = [
    (lambda m: m.sample(2), "draws what a small picture shows. Expected: condition="),
    (lambda m: m.upscale(np.zeros((8, 8, 1))), "expected a picture [1, 2, 1] in [0, 1]. Received: [8, 8, 1]"),
    (lambda m: m.upscale(np.full((1, 2, 1), 2)), "from 2 to 2"),
    (lambda m: m.upscale(np.full((1, 2, 1), np.nan)), "from nan to nan"),
    (lambda m: Config(factor=3), "factor must be 2, 4, 8, .. and divide height and width. Received: 3"),
    (lambda m: Config((30, 32, 1)), "Received: 4 and 30 x 32"),
    (lambda m: Config((32, 32, 3)), "images must be grey, 1 channel. Received: 3"),
    (lambda m: Config(levels=1), "levels must be 2 to 256. Received: 1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "words"), ERRORS)
def test_mistakes_are_named(call, words):
    model = make(CONFIGS["mixture"])
    with pytest.raises(ValueError, match=re.escape(words)):
        call(model)
