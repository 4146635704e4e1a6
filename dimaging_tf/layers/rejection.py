"""A support vector machine behind a classifier's late activations, as one more class: "refused".

    h ── codes, 0 to levels - 1 ── exp(-gamma |code - support|^2) ── decision D ── logit of refusal: max z + D

The largest logit is that of refusal exactly where D is above 0. So a detector is a classifier with one class
more, and whatever is exported, differentiated or attacked works on it as it is (Carlini and Wagner 2017,
arXiv 1705.07263, section 3: the way to attack a detector is to put it into the network).
"""

from typing import Any

import keras
import tensorflow as tf

UP = 0.499
"""What makes rounding to the nearest a rounding up, from 1/1000 of a code on."""


@keras.saving.register_keras_serializable("dimaging")
class Rejection(keras.layers.Layer):
    """A layer (h [B, units] of 0 or more, logits [B, classes]) -> logits [B, classes + 1].

    The gradient passes straight through the rounding of the codes. Weights are set by `safetynet`.

    support  number of support vectors
    gamma    of the RBF kernel, for codes 0 to levels - 1
    levels   number of codes of an activation
    """

    def __init__(self, support, gamma, levels, **kwargs):
        super().__init__(**kwargs)
        self.support, self.gamma, self.levels = int(support), float(gamma), int(levels)

    def build(self, h_shape, logits_shape):
        """Make the weights: the codes' scale, support vectors, their coefficients, offset."""
        units = h_shape[-1]
        fixed = {"trainable": False, "initializer": "zeros"}
        self.scale = self.add_weight(shape=(), trainable=False, initializer="ones", name="scale")
        self.vectors = self.add_weight(shape=(self.support, units), name="vectors", **fixed)
        self.coefficients = self.add_weight(shape=(self.support, 1), name="coefficients", **fixed)
        self.offset = self.add_weight(shape=(1,), name="offset", **fixed)

    def codes(self, h):
        """Return activations as whole numbers, 0 to levels - 1: h * scale, rounded up.

        So a ReLU that is on at all has a code of its own, which says more than how far it is on.
        """

        @tf.custom_gradient
        def rounded(x):
            return tf.round(x), lambda dy: dy

        return rounded(tf.clip_by_value(h * self.scale, 0, self.levels - 1) + UP)

    def call(self, h, logits):
        """Append the logit of refusal."""
        code: Any = self.codes(h)
        vectors = tf.convert_to_tensor(self.vectors)
        inner = 2 * tf.matmul(code, vectors, transpose_b=True) - tf.reduce_sum(vectors**2, -1)
        near = tf.exp(self.gamma * (inner - tf.reduce_sum(code**2, -1, keepdims=True)))
        decision = tf.matmul(near, self.coefficients) + self.offset
        refused = tf.reduce_max(logits, -1, keepdims=True) + decision
        return tf.concat([logits, refused], -1)

    def compute_output_shape(self, h_shape, logits_shape):
        """Return the output's shape: one class more."""
        return (*logits_shape[:-1], logits_shape[-1] + 1)

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        more = {"support": self.support, "gamma": self.gamma, "levels": self.levels}
        return {**super().get_config(), **more}
