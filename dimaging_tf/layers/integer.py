"""Layers of networks in which every value is an integer carried in float32 (Balle et al. 2019).

Weights are multiples of a power of two, and so are all products. As long as no sum of absolute terms reaches
2^24 of its smallest steps, float32 makes no rounding error, whatever the order of the additions. Such a
network gives the same bits on every device. `FloorClip` brings sums back to whole numbers; the offset of one
half that makes it round is part of the bias of the convolution before.
"""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("dimaging", name="Settle")  # the name in files
class FloorClip(keras.layers.Layer):
    """A layer that computes clip(floor(x), low, high) of a tensor of any shape.

    shift: how many bits coarser the result is than x. Where it is above 0, x / 2^shift is rounded half up; at
    0 the half is in the sum already, see above.
    """

    def __init__(self, low, high, shift=0, **kwargs):
        super().__init__(**kwargs)
        self.low, self.high, self.shift = low, high, shift

    def call(self, x):
        """Round to whole numbers, and clip."""
        if self.shift:
            x = x * 2.0**-self.shift + 0.5
        return tf.clip_by_value(tf.floor(x), float(self.low), float(self.high))

    def compute_output_shape(self, shape):
        """Return the input's shape."""
        return shape

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        return {**super().get_config(), "low": self.low, "high": self.high, "shift": self.shift}


@keras.saving.register_keras_serializable("dimaging")
class IntegerGate(keras.layers.Layer):
    """A gate from tables, tanh(a) * sigmoid(b): whole numbers [..., 2 C] -> [..., C].

    fraction: how many bits of the input lie after the binary point. Input outside +-8 saturates.
    """

    unit = 256
    """The whole number that stands for 1 in the output."""

    def __init__(self, fraction, **kwargs):
        super().__init__(**kwargs)
        self.fraction = fraction
        self.reach = 8 << fraction

    def tables(self):
        """Return tanh and sigmoid at -reach ... reach as float32 whole numbers of up to 9 bits."""
        x = np.arange(-self.reach, self.reach + 1) / (1 << self.fraction)
        sigmoid = np.rint(self.unit / (1 + np.exp(-x)))
        return np.rint(self.unit * np.tanh(x)).astype(np.float32), sigmoid.astype(np.float32)

    def call(self, x):
        """Look both factors up, multiply them, and scale the product back to `unit`."""
        index = tf.cast(
            tf.clip_by_value(x, -float(self.reach), float(self.reach)) + self.reach, tf.int32
        )
        a, b = tf.split(index, 2, axis=-1)
        tanh, sigmoid = self.tables()
        product = tf.gather(tf.constant(tanh), a) * tf.gather(tf.constant(sigmoid), b)
        return tf.floor(product / self.unit + 0.5)

    def compute_output_shape(self, shape):
        """Return the output's shape: [..., 2 C] -> [..., C]."""
        return (*shape[:-1], shape[-1] // 2)

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        return {**super().get_config(), "fraction": self.fraction}
