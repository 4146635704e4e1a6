"""The Keras layers with which an explicit density becomes a functional graph that can be exported.

image (and condition) ──network──> parameters ──LogLikelihood──> log-likelihood of each pixel
image ──Encode──> symbols ──integer network──> parameters ──Weights──> integer weights of the symbols
"""

import keras

from dimaging_tf.density.likelihoods import Likelihood
from dimaging_tf.density.likelihoods_integer import IntegerLikelihood


@keras.saving.register_keras_serializable("dimaging")
class LogLikelihood(keras.layers.Layer):
    """(parameters, image) -> log-likelihood of each pixel in nats, [B, H, W, 1]."""

    def __init__(self, likelihood: Likelihood, **kwargs):
        super().__init__(**kwargs)
        self.likelihood = likelihood

    def call(self, parameters, image):
        """Evaluate the likelihood's `log_prob`."""
        return self.likelihood.log_prob(parameters, image)

    def compute_output_shape(self, parameters_shape, image_shape):
        """Return the output's shape: [B, H, W, count], [B, H, W, C] -> [B, H, W, 1]."""
        return (*image_shape[:-1], 1)


@keras.saving.register_keras_serializable("dimaging")
class Encode(keras.layers.Layer):
    """Image in [0, 1] -> symbols, whole numbers 0 to levels - 1; the same shape."""

    def __init__(self, likelihood: IntegerLikelihood, **kwargs):
        super().__init__(**kwargs)
        self.likelihood = likelihood

    def call(self, image):
        """Round to the nearest symbol."""
        return self.likelihood.encode(image)

    def compute_output_shape(self, shape):
        """Return the output's shape: [B, H, W, C] -> [B, H, W, C]."""
        return shape


@keras.saving.register_keras_serializable("dimaging")
class Weights(keras.layers.Layer):
    """(parameters [B, H, W, count], symbols) -> integer weights of the symbols [B, H, W, C, levels].

    A weight over the sum of its colour's weights is the symbol's probability.
    """

    def __init__(self, likelihood: IntegerLikelihood, **kwargs):
        super().__init__(**kwargs)
        self.likelihood = likelihood

    def call(self, parameters, symbols):
        """Look the weights up in the likelihood's tables."""
        return self.likelihood.weights(parameters, symbols)

    def compute_output_shape(self, parameters_shape, symbols_shape):
        """Return the output's shape: [B, H, W, count], [B, H, W, C] -> [B, H, W, C, levels]."""
        return (*parameters_shape[:-1], self.likelihood.channels, self.likelihood.levels)
