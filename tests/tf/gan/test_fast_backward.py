"""Cheap passes of a discriminator against usual ones, and its spectral normalisation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dimaging_tf.gan.fast_backward import cheap_backward
from dimaging_tf.layers.spectral import SpectralConv2D, SpectralDense


@pytest.mark.parametrize("first", [
    keras.layers.Conv2D(5, 4, 2, padding="same"),
    keras.layers.Conv2D(5, 3, 1, padding="valid"),
    keras.layers.Conv2D(5, 4, 2, padding="same", activation="relu"),
    SpectralConv2D(5, 4, 2, padding="same"),
])  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_cheap_passes_have_the_slopes_of_the_network(first, channels):
    """At generated images and at the weights, as by a pass of all images at a time."""
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 6, channels))
    x = keras.layers.Rescaling(2.0, -1.0)(image)
    x = type(first).from_config(first.get_config())(x)
    logit = keras.layers.Dense(1)(keras.layers.Flatten()(keras.layers.LeakyReLU()(x)))
    network = keras.Model(image, {"logit": logit})
    real, fake = tf.random.stateless_uniform([2, 4, 8, 6, channels], (1, 2))

    def gradients(logit_of):
        with tf.GradientTape() as tape:
            tape.watch(fake)
            value = tf.reduce_sum(logit_of() * tf.reshape(tf.range(8.0), [8, 1]) ** 2)
        return [value, *tape.gradient(value, [fake, *network.trainable_variables])]

    cheap = gradients(lambda: cheap_backward(network)([real, fake], True))
    usual = gradients(lambda: network(tf.concat([real, fake], 0), training=True)["logit"])
    for a, b in zip(cheap, usual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "shape"),
    [(lambda: SpectralDense(7), (9,)), (lambda: SpectralConv2D(5, 3), (8, 8, 4))],
    ids=["dense", "convolution"],
)
def test_spectral_normalisation_makes_the_largest_singular_value_one(make, shape):
    keras.utils.set_random_seed(2)  # before the layer, whose weights take their seed with it
    layer = make()
    layer.build((None, *shape))
    for _ in range(60):
        layer.update_direction()
    matrix = np.reshape(layer.kernel, (-1, layer.kernel.shape[-1]))
    assert np.linalg.svd(matrix)[1][0] == pytest.approx(1, abs=1e-3)
    before = layer._kernel.numpy()
    layer(np.zeros((2, *shape), np.float32), training=True)
    np.testing.assert_array_equal(before, layer._kernel.numpy())
