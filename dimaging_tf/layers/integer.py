"""Layers of networks whose every value is an integer carried in float32 (Balle et al. 2019).

Weights are multiples of a power of two and so are all products; as long as no sum of absolute terms
reaches 2^24 of its smallest steps, float32 makes no rounding error, in whatever order it adds. Such a
network gives the same bits on every device. `FloorClip` brings sums back to whole numbers; their rounding
offset of one half lies in the bias of the convolution before.
"""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("dimaging", name="Settle")  # the name in files
class FloorClip(keras.layers.Layer):
    """Clip(floor(x), low, high); any shape."""

    def __init__(self, low, high, **kwargs):
        super().__init__(**kwargs)
        self.low, self.high = low, high

    def call(self, x):
        """Down to whole numbers."""
        return tf.clip_by_value(tf.floor(x), float(self.low), float(self.high))

    def compute_output_shape(self, shape):
        """The same."""
        return shape

    def get_config(self):
        """Keras configuration."""
        return {**super().get_config(), "low": self.low, "high": self.high}


@keras.saving.register_keras_serializable("dimaging")
class IntegerGate(keras.layers.Layer):
    """tanh(a) * sigmoid(b) from tables: whole numbers [..., 2 C] -> [..., C], `unit` being 1.

    fraction: bits after the point of the input. Input outside +-8 saturates.
    """

    unit = 256

    def __init__(self, fraction, **kwargs):
        super().__init__(**kwargs)
        self.fraction = fraction
        self.reach = 8 << fraction

    def tables(self):
        """Tanh and sigmoid at -reach ... reach: whole numbers of up to 9 bits; float32."""
        x = np.arange(-self.reach, self.reach + 1) / (1 << self.fraction)
        sigmoid = np.rint(self.unit / (1 + np.exp(-x)))
        return np.rint(self.unit * np.tanh(x)).astype(np.float32), sigmoid.astype(np.float32)

    def call(self, x):
        """Two lookups, a product, back to `unit`."""
        index = tf.cast(
            tf.clip_by_value(x, -float(self.reach), float(self.reach)) + self.reach, tf.int32
        )
        a, b = tf.split(index, 2, axis=-1)
        tanh, sigmoid = self.tables()
        product = tf.gather(tf.constant(tanh), a) * tf.gather(tf.constant(sigmoid), b)
        return tf.floor(product / self.unit + 0.5)

    def compute_output_shape(self, shape):
        """Half the channels."""
        return (*shape[:-1], shape[-1] // 2)

    def get_config(self):
        """Keras configuration."""
        return {**super().get_config(), "fraction": self.fraction}
