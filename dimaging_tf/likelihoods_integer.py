"""Likelihoods of integer-valued networks: no exp or log at run time, the same bits everywhere.

Parameters are logits in steps of 1 / 64. Probabilities are ratios of integer weights that come from
tables, so an entropy coder and a sampler agree on every device. The network works on symbols
0 ... levels - 1, which `encode` makes of images.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

STEPS = 64
"""Logit steps of one nat."""
REACH = 16 * STEPS - 1
"""Largest logit, in steps: 16 nats."""


@dataclass(frozen=True)
class IntegerBernoulli:
    """P(pixel = 1) = table[logit] / 2^16."""

    channels: int
    levels = 2

    @property
    def count(self):
        """Parameters of a pixel."""
        return self.channels

    @property
    def noise(self):
        """Uniform numbers of a pixel."""
        return self.channels

    @staticmethod
    def table():
        """Of the logits -REACH ... REACH, 1 ... 65535, float32."""
        x = np.arange(-REACH, REACH + 1) / STEPS
        return np.clip(np.rint(65536 / (1 + np.exp(-x))), 1, 65535).astype(np.float32)

    def encode(self, image):
        """Image in [0, 1] -> symbols."""
        return tf.round(image)

    def weights(self, parameters):
        """Of 0 and 1: [B, H, W, C, 2], whole numbers of sum 2^16."""
        one = tf.gather(tf.constant(self.table()), _index(parameters))
        return tf.stack([65536 - one, one], -1)

    def draw(self, parameters, noise):
        """[B, H, W, C] in [0, 1]."""
        one = tf.gather(tf.constant(self.table()), _index(parameters))
        return tf.cast(noise * 65536 < one, tf.float32)


@dataclass(frozen=True)
class IntegerCategorical:
    """P(symbol) = weight / sum of weights, weight = table[largest logit - logit]; at most 2^15."""

    channels: int
    levels: int

    @property
    def count(self):
        """Parameters of a pixel."""
        return self.channels * self.levels

    @property
    def noise(self):
        """Uniform numbers of a pixel."""
        return self.channels

    @staticmethod
    def table():
        """Of 0 ... REACH steps below the largest logit, 2^15 ... 1, float32."""
        x = np.arange(REACH + 1) / STEPS
        return np.maximum(1, np.rint(2**15 * np.exp(-x))).astype(np.float32)

    def encode(self, image):
        """Image in [0, 1] -> symbols."""
        return tf.round(image * (self.levels - 1))

    def weights(self, parameters):
        """Of each symbol: [B, H, W, C, levels]; their sum is exact in float32."""
        shape = tf.concat([tf.shape(parameters)[:-1], [self.levels, self.channels]], 0)
        logits = tf.linalg.matrix_transpose(tf.reshape(parameters, shape))
        below = tf.reduce_max(logits, -1, keepdims=True) - logits
        index = tf.cast(tf.minimum(below, REACH), tf.int32)
        return tf.gather(tf.constant(self.table()), index)

    def draw(self, parameters, noise):
        """[B, H, W, C] in [0, 1]."""
        cumulated = tf.cumsum(self.weights(parameters), -1)
        passed = cumulated[..., :-1] <= noise[..., None] * cumulated[..., -1:]
        return tf.reduce_sum(tf.cast(passed, tf.float32), -1) / (self.levels - 1)


def _index(parameters):
    return tf.cast(tf.clip_by_value(parameters, -REACH, REACH) + REACH, tf.int32)


IntegerLikelihood = IntegerBernoulli | IntegerCategorical
