"""Attacks inside a training step, and Keras as an oracle of the edge's attacks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from dimaging_edge import attacks
from dimaging_edge.common.errors import InputError
from dimaging_export.convert.to_onnx import convert
from dimaging_export.gradient.build import gradient_model
from keras import layers

from dimaging_tf.attacks.oracle import KerasOracle
from dimaging_tf.attacks.training import attacked, margin

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 1), name="image")
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(image)
    return keras.Model(image, {"logits": layers.Dense(4)(layers.Flatten()(x))})


@pytest.fixture(scope="module")
def images():
    return RNG.random((12, 6, 6, 1), np.float32)


def test_cross_entropy_is_the_softplus_of_the_margin():
    logits = RNG.standard_normal((8, 5)).astype(np.float32)
    label = np.arange(8) % 5
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
    np.testing.assert_allclose(
        tf.nn.softplus(margin(tf.constant(logits), label)), entropy, rtol=1e-5
    )


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_margin_s_gradient_does_not_vanish(scale):
    logits, label = tf.constant([[9.0, 1, 0], [0, 2, 7]]) * scale, [0, 2]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = margin(logits, label)
    gradient = np.asarray(tape.gradient(value, logits))
    np.testing.assert_allclose(gradient[[0, 1], label], -1)
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 5])
def test_attacked_images_are_harder_and_inside(network, images, steps):
    def logits_of(x):
        return network(x)["logits"]

    label = np.argmax(logits_of(images), 1)
    noise = tf.constant(RNG.random(images.shape, np.float32))
    start = attacked(logits_of, images, label, noise, eps=0.1, step=0.0)
    np.testing.assert_allclose(start, np.clip(images + 0.1 * (2 * noise - 1), 0, 1), atol=1e-6)
    moved = np.asarray(attacked(logits_of, images, label, noise, eps=0.1, step=0.08, steps=steps))
    assert np.abs(moved - images).max() <= 0.1 + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    clean, hard = (np.asarray(margin(logits_of(x), label)) for x in (images, moved))
    assert (hard > clean).all()


def test_one_more_step_is_what_an_attack_by_hand_does(network, images):
    label = np.zeros(12, np.int64)
    gradient = KerasOracle(network)(images, label)[0]
    half = np.full(images.shape, 0.5, np.float32)  # no noise
    found = attacked(lambda x: network(x)["logits"], images, label, half, eps=0.1, step=0.05)
    np.testing.assert_allclose(found, np.clip(images + 0.05 * np.sign(gradient), 0, 1), atol=1e-6)


def test_keras_and_the_exported_gradient_are_the_same_oracle(network, images):
    from dimaging_edge.bundle.session import make_session

    exported = attacks.OnnxOracle(
        make_session(gradient_model(convert(network)).SerializeToString(), threads=1)
    )
    oracle = KerasOracle(network)
    many = np.concatenate([images] * 9)  # more than a batch
    y, direction = np.arange(len(many)) % 4, RNG.standard_normal((1, 4)).astype(np.float32)
    pairs = [
        *zip(oracle(many, y), exported(many, y), strict=True),
        *zip(oracle.along(many, direction), exported.along(many, direction), strict=True),
        (oracle.score(many), exported.score(many)),
    ]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_model_of_mixed_precision(images):
    keras.utils.set_random_seed(0)
    half = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(4, dtype="mixed_float16")]
    )
    oracle = KerasOracle(half)
    y = oracle.score(images).argmax(1)
    assert oracle.score(images).dtype == np.float32
    result = attacks.apgd(oracle, images, y, attacks.Threat("linf", 0.2), steps=5, loss="dlr")
    assert result.rate > 0.3


def test_a_rounding_in_the_model_leaves_no_gradient(images):
    image = keras.Input((6, 6, 1))
    rounded = layers.Lambda(lambda x: tf.round(3 * x) / 3, output_shape=(6, 6, 1))(image)
    oracle = KerasOracle(keras.Model(image, layers.Dense(4)(layers.Flatten()(rounded))))
    gradient, margin, logits = oracle(images, np.zeros(12, int))
    assert not gradient.any()
    assert (gradient.shape, margin.shape, logits.shape) == (images.shape, (12,), (12, 4))


def outputs(image, **units):
    flat = layers.Flatten()(image)
    return {name: layers.Dense(n)(flat) for name, n in units.items()}


@pytest.mark.parametrize(
    ("model", "x", "words"),
    [
        (lambda i: keras.Model(i, outputs(i, code=7, scores=4)), None, "called 'logits' of a dict; the model gives code, "),
        (lambda i: keras.Model(i, [*outputs(i, a=7, b=4).values()]), None, "the model gives 2 without names"),
        (lambda i: keras.Model(i, outputs(i, logits=4)), (12, 6, 5, 1), "takes [N, 6, 6, 1], received [12, 6, 5, 1]"),
        (lambda i: keras.Model(i, outputs(i, logits=4)), (12, 36), "takes [N, 6, 6, 1], received [12, 36]"),
    ],
    ids=["other names", "no names", "size", "rank"],
)  # fmt: skip
def test_a_keras_model_that_does_not_fit(model, x, words, images):
    oracle = KerasOracle(model(keras.Input((6, 6, 1))))
    given = images if x is None else np.zeros(x, np.float32)
    with pytest.raises(InputError) as error:
        attacks.pgd(oracle, given, [0] * 12, attacks.Threat("linf", 0.1))
    assert words in str(error.value)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "apgd", "deepfool", "square"])
def test_the_edge_s_attacks_run_on_keras(network, images, name):
    oracle = KerasOracle(network)
    y = oracle.score(images).argmax(1)
    given = {"square": {"queries": 100}, "apgd": {"steps": 10}}.get(name, {})
    result = getattr(attacks, name)(oracle, images, y, attacks.Threat("linf", 0.2), **given)
    np.testing.assert_array_equal(result.success, oracle.score(result.x).argmax(1) != y)
    assert result.rate > 0.3
