"""The losses of a GAN against closed forms: values, gradients, their ratio, penalties."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from helpers.gans import j_d, sure

from dimaging_tf.gan import losses

REAL, FAKE, WRONG = (np.array(x, np.float32) for x in ([2.0, -0.5], [-1.0, 3.0], [0.3, -4.0]))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("wrong", [None, WRONG])
def test_costs_are_the_lectures(smoothing, wrong):
    expected = j_d(REAL, FAKE, smoothing, wrong)
    found = losses.discriminator_loss(REAL, FAKE, smoothing, wrong)
    assert float(found) == pytest.approx(expected, rel=1e-6)
    found = losses.generator_loss("minimax", REAL, FAKE, smoothing, wrong)
    assert float(found) == pytest.approx(-expected, rel=1e-6)
    found = losses.generator_loss("non-saturating", REAL, FAKE, smoothing, wrong)
    assert float(found) == pytest.approx(-np.log(sure(FAKE)).mean() / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "at", "gradient"),
    [
        (lambda x: losses.discriminator_loss(x, FAKE), REAL, -(1 - sure(REAL)) / 4),
        (lambda x: losses.discriminator_loss(x, FAKE, 0.1), REAL, -(0.9 - sure(REAL)) / 4),
        (lambda x: losses.discriminator_loss(REAL, x), FAKE, sure(FAKE) / 4),
        (lambda x: losses.discriminator_loss(REAL, FAKE, 0, x), WRONG, sure(WRONG) / 8),
        (lambda x: losses.generator_loss("minimax", REAL, x), FAKE, -sure(FAKE) / 4),
        (lambda x: losses.generator_loss("non-saturating", REAL, x), FAKE, -(1 - sure(FAKE)) / 4),
    ],
)  # fmt: skip
def test_gradients_of_the_losses(loss, at, gradient):
    logit = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(logit)
        value = loss(logit)
    found: Any = tape.gradient(value, logit)
    np.testing.assert_allclose(found, gradient, rtol=1e-5)


@pytest.mark.parametrize("g_cost", losses.G_LOSSES)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_gradient_ratio(g_cost, share):
    d_gradient = share * sure(FAKE) / 4
    g_gradient = -d_gradient if g_cost == "minimax" else -(1 - sure(FAKE)) / 4
    np.testing.assert_allclose(
        losses.gradient_ratio(g_cost, FAKE, share), g_gradient / d_gradient, rtol=1e-5
    )
    assert np.isfinite(losses.gradient_ratio(g_cost, np.array([-1e4, 1e4], np.float32))).all()


def test_penalties_of_a_linear_discriminator_are_known():
    weight = np.array([[3.0], [4.0]], np.float32)
    logit_of = lambda x: tf.reshape(x @ weight, [-1])  # noqa: E731, its gradient is 5 everywhere
    x, half = tf.ones((6, 2)), tf.fill([6], 0.5)
    assert float(losses.gradient_penalty("r1", logit_of, x, -x, half)) == pytest.approx(12.5)
    assert float(losses.gradient_penalty("wgan-gp", logit_of, x, -x, half)) == pytest.approx(16.0)
