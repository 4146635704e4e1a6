"""Training on attacks: it helps where it should, reports what it says, and goes back from a collapse."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from dimaging_edge import attacks

from dimaging_tf import data
from dimaging_tf.attacks.oracle import KerasOracle
from dimaging_tf.defenses.adversarial_training import AdversarialTraining, Config
from dimaging_tf.defenses.collapse_guard import CollapseGuard
from dimaging_tf.models.classifier import Classifier
from dimaging_tf.models.classifier import Config as ClassifierConfig

SMALL = {"shape": (8, 8, 1), "channels": (8, 16), "kernel": 3, "units": 32}


@pytest.fixture(scope="module")
def digits():
    found = data.load("digits")
    assert found.train.label is not None
    assert found.valid.label is not None
    scale = np.float32(255)
    return found.train.x / scale, found.train.label, found.valid.x / scale, found.valid.label


def trained(model, digits, epochs=15):
    keras.utils.set_random_seed(0)
    x, y, *_ = digits
    model.compile(keras.optimizers.Adam(3e-3), **model.objective())
    model.fit(x, y, batch_size=50, epochs=epochs, verbose=0)
    return model


def test_it_withstands_what_a_plain_classifier_does_not(digits):
    *_, x, y = digits
    threat = attacks.Threat("linf", 0.15)
    rates = []
    for build in (
        lambda: Classifier(ClassifierConfig(**SMALL)),
        lambda: AdversarialTraining(Config(**SMALL, eps=0.15)),
    ):
        keras.utils.set_random_seed(0)  # the weights too
        network = trained(build(), digits).network
        rates.append(attacks.apgd(KerasOracle(network), x, y, threat, steps=20).rate)
    assert rates[1] < rates[0] - 0.2


def test_what_it_reports(digits):
    *_, x, y = digits
    model = trained(AdversarialTraining(Config(**SMALL, eps=0.1)), digits, epochs=3)
    found = model.evaluate(x, y, batch_size=99, return_dict=True, verbose=0)
    assert found == model.evaluate(x, y, batch_size=99, return_dict=True, verbose=0)
    np.testing.assert_allclose(100 * found["accuracy"], model.score(model.run, x, y), rtol=1e-5)
    assert 0 < found["robust"] < found["accuracy"]


def test_both_losses_and_their_weights(digits):
    x, y = digits[0][:20], digits[1][:20]
    losses = []
    for clean, adversarial in ((1, 0), (0, 1), (1, 3)):
        keras.utils.set_random_seed(0)
        model = AdversarialTraining(Config(**SMALL, eps=0.1, clean=clean, adversarial=adversarial))
        model.compile(keras.optimizers.SGD(0.0))
        losses.append(float(model.train_step((tf.constant(x), tf.constant(y)))["loss"]))
    np.testing.assert_allclose(losses[2], (losses[0] + 3 * losses[1]) / 4, rtol=1e-5)
    assert losses[1] > losses[0]


def test_eps_of_the_attack_grows_from_0(digits):
    keras.utils.set_random_seed(0)
    model = AdversarialTraining(Config(**SMALL, eps=0.2, steps=2, ramp=100))
    model.compile(keras.optimizers.SGD(0.0))
    image, label = tf.fill((4, 8, 8, 1), 0.5), tf.constant(digits[1][:4])
    noise = tf.random.stateless_uniform(image.shape, (0, 1))
    for step, eps in ((0, 0.0), (25, 0.05), (50, 0.1), (100, 0.2), (1000, 0.2)):
        model.optimizer.iterations.assign(step)
        moved = np.abs(np.asarray(model.attack(image, label, noise)) - 0.5)
        assert moved.max() == pytest.approx(eps, abs=1e-6), step
        assert eps == 0 or moved.mean() > eps / 2


def test_the_guard_goes_back(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    guard = CollapseGuard(tmp_path)
    guard.set_model(model)
    model.save(tmp_path / "best.keras")
    good = model.get_weights()
    for value, expected in ((0.5, 0), (0.6, 0), (0.45, 0), (0.39, 1), (0.1, 2)):
        model.set_weights([w + 1 for w in good])
        guard.on_epoch_end(0, {"val_robust": value})
        assert guard.restored == expected
    np.testing.assert_array_equal(model.get_weights()[0], good[0])
    guard.on_epoch_end(0, {})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 0}, "adversarial_training: steps must be at least 1. Received: 0"),
        (
            {"eps": 8},
            "eps is in units of black to white, above 0 and up to 1, such as 8/255. Received: 8",
        ),
        ({"ramp": -1}, "adversarial_training: ramp is 0 steps or more. Received: -1"),
        ({"step": 0}, "step is a multiple of eps, above 0. Received: 0"),
        ({"clean": 0, "adversarial": 0}, "not both 0. Received: 0, 0"),
        ({"clean": -1}, "not negative, and not both 0. Received: -1, 1.0"),
        ({"classes": 1}, "classifier: classes must be at least 2"),
    ],
)
def test_wrong_settings(given, words):
    with pytest.raises(ValueError, match=".") as error:
        Config(**given)
    assert words in str(error.value)
