"""TRADES and logit pairing: their losses by hand, and what their attacks look for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dimaging_tf import data
from dimaging_tf.defenses import logit_pairing, trades

SMALL = {"shape": (8, 8, 1), "channels": (4,), "kernel": 3, "units": 8, "eps": 0.1, "steps": 2}


@pytest.fixture(scope="module")
def batch():
    digits = data.load("digits").train
    assert digits.label is not None
    return tf.constant(digits.x[:30] / np.float32(255)), tf.constant(digits.label[:30])


def soft(z):
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def model_of(module, **changes):
    keras.utils.set_random_seed(0)
    kind = trades.Trades if module is trades else logit_pairing.LogitPairing
    model = kind(module.Config(**SMALL, **changes))
    model.compile(keras.optimizers.Adam(1e-3))
    return model


def parts(model, batch):
    image, label = batch
    moved = model.attack(image, label, tf.random.stateless_uniform(image.shape, (0, 0)))
    loss, clean, hard = model.losses(image, label, moved)
    assert np.abs(moved - image).max() <= 0.1 + 1e-6 or model.config_class is logit_pairing.Config
    return loss.numpy(), clean, hard.numpy().astype(np.float64), label.numpy()


def test_trades_by_hand(batch):
    loss, clean, hard, y = parts(model_of(trades, pull=2.5), batch)
    p, q = soft(np.asarray(clean, np.float64)), soft(hard)
    expected = -np.log(p[range(30), y]) + 2.5 * (p * np.log(p / q)).sum(-1)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_the_attack_of_trades_moves_the_answer(batch):
    model = model_of(trades)
    image, label = batch
    noise = tf.fill(image.shape, 0.5)
    moved = model.attack(
        image, label, noise + 1e-3 * tf.random.stateless_normal(image.shape, (1, 2))
    )
    clean = model.call(image)
    drawn = tf.clip_by_value(
        image + tf.random.stateless_uniform(image.shape, (3, 4), -0.1, 0.1), 0, 1
    )
    far, near = (
        float(tf.reduce_mean(trades.divergence(clean, model.call(x)))) for x in (moved, drawn)
    )
    assert far > 2 * near  # fmt: skip


def test_pairing_by_hand(batch):
    loss, clean, hard, y = parts(
        model_of(logit_pairing, pairing=0.7, clean=1, adversarial=3), batch
    )
    clean = np.asarray(clean, np.float64)
    entropies = [-np.log(soft(z)[range(30), y]) for z in (clean, hard)]
    expected = (entropies[0] + 3 * entropies[1]) / 4 + 0.7 * ((clean - hard) ** 2).mean(-1)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_clean_pairing_by_hand(batch):
    model = model_of(logit_pairing, pairing=0.7, noise=0.5)
    loss, clean, hard, y = parts(model, batch)
    assert clean is None
    apart = ((hard - np.roll(hard, 1, 0)) ** 2).mean(-1)
    expected = -np.log(soft(hard)[range(30), y]) + 0.7 * apart
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("config", "given", "words"),
    [
        (trades.Config, {"pull": 0}, "trades: pull must be above 0. Received: 0"),
        (logit_pairing.Config, {"noise": -1}, "not negative. Received: 1.0, -1"),
        (
            logit_pairing.Config,
            {"noise": 0.5, "ramp": 9},
            "leave one of them at 0. Received: noise=0.5, ramp=9",
        ),
        (
            trades.Config,
            {"adversarial": 5},
            "one weight, pull; leave clean and adversarial as they are",
        ),
        (logit_pairing.Config, {"noise": 0.5, "clean": 0}, "Received: clean=0, adversarial=1.0"),
        (logit_pairing.Config, {"eps": 8}, "such as 8/255. Received: 8"),
    ],
)
def test_wrong_settings(config, given, words):
    with pytest.raises(ValueError, match=".") as error:
        config(**given)
    assert words in str(error.value)
