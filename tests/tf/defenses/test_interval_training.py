"""Interval training: its bounds by hand, what it learns, what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from dimaging_tf import data
from dimaging_tf.defenses.interval_training import Config, IntervalTraining
from dimaging_tf.defenses.intervals import worst_logits
from dimaging_tf.layers.thermometer import Thermometer

SMALL = {"shape": (8, 8, 1), "channels": (8,), "kernel": 3, "units": 16}


def test_bounds_by_hand():
    """Two pixels, one hidden unit relu(x0 - 2 x1 + .1), logits (h, 1 - h)."""
    image = keras.Input((2,))
    hidden = layers.Dense(1, activation="relu")
    logits = layers.Dense(2)
    model = keras.Model(image, logits(hidden(image)))
    hidden.set_weights([np.array([[1.0], [-2.0]]), np.array([0.1])])
    logits.set_weights([np.array([[1.0, -1.0]]), np.array([0.0, 1.0])])
    # x0 in [.3, .5], x1 in [0, .2]: h in [relu(.3 - .4 + .1), .5 + .1]
    x = tf.constant([[0.4, 0.1], [0.4, 0.1]])
    found = worst_logits(model, x, tf.constant([0, 1]), 0.1).numpy()
    np.testing.assert_allclose(found, [[0, 1], [0.2, 0]], atol=1e-6)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("thresholds", [(0.5,), (), (0.3, 0.7)])
def test_no_image_inside_passes_the_bounds(thresholds, normalise):
    keras.utils.set_random_seed(1)
    model = IntervalTraining(Config(**SMALL, thresholds=thresholds, normalise=normalise))
    rng = np.random.default_rng(0)
    x, y = rng.random((9, 8, 8, 1), np.float32), rng.integers(0, 10, 9)
    if normalise:
        for layer in model.network.layers:
            if isinstance(layer, layers.BatchNormalization):  # as if it had learned
                size = layer.gamma.shape
                signs = rng.choice([-1, 1], size) * rng.uniform(0.5, 2, size)
                layer.set_weights([signs, *rng.uniform(0.2, 2, (3, *size))])
        deployed = model.graphs()["classifier"](x)["logits"].numpy()
        np.testing.assert_allclose(deployed, model.call(x).numpy(), atol=1e-4)
    rows = np.arange(9)
    for eps in (0.0, 0.02, 0.2):
        bound = worst_logits(model.network, tf.constant(x), tf.constant(y), eps).numpy()
        assert (bound[rows, y] == 0).all()
        for _ in range(10):
            moved = np.clip(x + rng.uniform(-eps, eps, x.shape), 0, 1).astype(np.float32)
            z = model.call(moved).numpy()
            assert (z - z[rows, y][:, None] <= bound + 1e-5).all()
    if thresholds:
        z = model.call(x).numpy()
        still = worst_logits(model.network, tf.constant(x), tf.constant(y), 0.0).numpy()
        np.testing.assert_allclose(still, z - z[rows, y][:, None], atol=1e-5)


def test_one_network_without_norms_follows_the_weights_and_is_not_saved(tmp_path):
    keras.utils.set_random_seed(2)
    model = IntervalTraining(Config(**SMALL))
    saved = len(model.weights)
    x = np.random.default_rng(3).random((4, 8, 8, 1), np.float32)
    deployed = model.graphs()["classifier"]
    model.network.set_weights([w + np.float32(0.1) for w in model.network.get_weights()])
    assert model.graphs()["classifier"] is deployed
    np.testing.assert_allclose(deployed(x)["logits"].numpy(), model.call(x).numpy(), atol=1e-4)
    assert len(model.weights) == saved
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.weights) == saved
    np.testing.assert_array_equal(again.call(x).numpy(), model.call(x).numpy())
    np.testing.assert_array_equal(
        again.run("classifier", image=x)["logits"], model.run("classifier", image=x)["logits"]
    )


def test_it_learns_to_be_certified():
    keras.utils.set_random_seed(0)
    digits = data.load("digits")
    x, y = digits.train.x / np.float32(255), digits.train.label
    model = IntervalTraining(Config(**SMALL, eps=0.1, start=20, ramp=100))
    model.compile(keras.optimizers.Adam(0.01), **model.objective())
    before = model.evaluate(x, y, batch_size=99, return_dict=True, verbose=0)
    model.fit(x, y, batch_size=50, epochs=8, verbose=0)
    after = model.evaluate(x, y, batch_size=99, return_dict=True, verbose=0)
    assert before["certified"] < 0.05
    assert 0.4 < after["certified"] < after["accuracy"]


def test_eps_grows():
    model = IntervalTraining(Config(**SMALL, eps=0.3, start=10, ramp=100))
    found = [float(model.eps_at(step)) for step in (0, 10, 60, 110, 10_000)]
    np.testing.assert_allclose(found, [0, 0, 0.15, 0.3, 0.3], rtol=1e-6)


def test_the_clean_loss_has_its_weight():
    x, y = np.random.default_rng(0).random((20, 8, 8, 1), np.float32), np.arange(20) % 10
    losses = []
    for clean in (0.0, 0.25):
        keras.utils.set_random_seed(0)
        model = IntervalTraining(Config(**SMALL, clean=clean, start=0, ramp=1, normalise=False))
        model.compile(keras.optimizers.SGD(0.0))
        model.optimizer.iterations.assign(5)
        losses.append(float(model.train_step((tf.constant(x), tf.constant(y)))["loss"]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain = float(loss(y, model.call(x)))
    np.testing.assert_allclose(losses[1], 0.75 * losses[0] + 0.25 * plain, rtol=1e-4)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.Softmax(), "the last layer must be Dense without activation"),
        (layers.Dense(2, activation="softmax"), "the last layer must be Dense without activation"),
    ],
)
def test_networks_without_bounds(layer, words):
    image = keras.Input((3,))
    with pytest.raises(TypeError, match=words):
        worst_logits(keras.Model(image, layer(image)), tf.zeros((1, 3)), tf.constant([0]), 0.1)
    odd = keras.Model(image, layers.Dense(2)(layers.LayerNormalization()(image)))
    with pytest.raises(TypeError, match=r"\(LayerNormalization\) has no interval bounds"):
        worst_logits(odd, tf.zeros((1, 3)), tf.constant([0]), 0.1)


def test_thresholds():
    rows = [[[0.0], [0.5], [0.50001], [0.699]], [[0.701], [1.0], [0.3], [0.31]]]
    x = np.array([rows], np.float32)
    layer = Thermometer((0.5, 0.7))
    with tf.GradientTape() as tape:
        image = tf.constant(x)
        tape.watch(image)
        y = layer(image)
        total = tf.reduce_sum(y * [2.0, 3.0])
    one, other = [0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 0, 0]
    np.testing.assert_array_equal(y.numpy().reshape(8, 2), np.stack([one, other], -1))
    np.testing.assert_array_equal(np.asarray(tape.gradient(total, image)), np.full_like(x, 5.0))
    assert Thermometer.from_config(layer.get_config()).thresholds == (0.5, 0.7)
    assert layer.compute_output_shape((None, 8, 8, 3)) == (None, 8, 8, 6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"eps": 8}, "eps is in units of black to white, above 0 and up to 1, such as 8/255. Received: 8"),
        ({"thresholds": (0.5, 1.0)}, "thresholds lie between 0 and 1. Received: (0.5, 1.0)"),
        ({"ramp": 0}, "ramp at least 1 step. Received: 200, 0"),
        ({"clean": 1.0}, "clean is a share from 0 to below 1. Received: 1.0"),
        ({"dropout": 0.5}, "so train without dropout. Received: dropout=0.5"),
    ],
)  # fmt: skip
def test_wrong_settings(given, words):
    with pytest.raises(ValueError, match=".") as error:
        Config(**given)
    assert words in str(error.value)
