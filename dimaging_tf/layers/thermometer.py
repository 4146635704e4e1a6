"""Pixels as zeros and ones: the input of a classifier that is to be certified (Buckman et al. 2018, ICLR).

    image x ── x > t for every threshold t ── 0 or 1, a channel each

A pixel that is far from every threshold gives the same zeros and ones wherever an attack within eps moves it.
Of an image that is black and white but for its edges, such as a digit, nearly nothing is left to the attack.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dimaging")
class Thermometer(keras.layers.Layer):
    """A layer that compares images [B, H, W, C] in [0, 1] with thresholds: [B, H, W, thresholds * C], 0 or 1.

    A pixel on its threshold gives 0. The gradient passes straight through the comparison: it says which way a
    pixel would have to go.

    thresholds  each in (0, 1), in the unit of the image
    """

    def __init__(self, thresholds, **kwargs):
        super().__init__(**kwargs)
        self.thresholds = tuple(float(t) for t in thresholds)

    def offsets(self) -> tuple[float, ...]:
        """Return what is added before rounding: x > t is round(x + 1/2 - t), for a half rounds to even."""
        return tuple(0.5 - t for t in self.thresholds)

    def call(self, x):
        """Round x + 1/2 - t for every threshold t."""

        @tf.custom_gradient
        def straight_through(moved):
            return tf.clip_by_value(tf.round(moved), 0, 1), lambda dy: dy

        return straight_through(tf.concat([x + offset for offset in self.offsets()], -1))

    def compute_output_shape(self, shape):
        """Return the output's shape: [..., C] -> [..., thresholds * C]."""
        return (*shape[:-1], len(self.thresholds) * shape[-1])

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        return {**super().get_config(), "thresholds": self.thresholds}
