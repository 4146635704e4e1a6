"""Convolutions that see only earlier pixels, in raster order (arXiv 1601.06759, 1606.05328).

mask      rows above     own row
A         all columns    columns to the left
B         all columns    columns to the left, and the own one
above     all columns    none: the entry of a vertical stack, which has no blind spot
rows      all columns    all columns: inside a vertical stack, whose row r knows rows < r only
"""

import keras
import numpy as np
import tensorflow as tf

MASKS = ("A", "B", "above", "rows")


@keras.saving.register_keras_serializable("dimaging")
class MaskedConv2D(keras.layers.Layer):
    """[B, H, W, C] -> [B, H, W, filters]; the size stays, zeros lie outside the image.

    kernel_size: (rows, columns) of the usual square kernel, both odd; only its causal half is stored.
    mask: one of MASKS. groups: colours drawn one after the other within a pixel; channel i belongs to
    colour i % groups, and in the own pixel a colour sees earlier colours (B: and itself).
    """

    def __init__(self, filters, kernel_size, mask, groups=1, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        rows, columns = kernel_size
        if mask not in MASKS or rows % 2 == 0 or columns % 2 == 0:
            raise ValueError(
                f"MaskedConv2D: kernel_size must be odd and mask one of {', '.join(MASKS)}. "
                f"Received: {kernel_size}, {mask!r}"
            )
        self.filters, self.kernel_size, self.mask = filters, (rows, columns), mask
        self.groups, self.use_bias = groups, use_bias
        self.above = rows // 2 + (mask == "above")
        """Rows above the own one that count."""
        self.left = columns // 2
        self.right = columns // 2 if self.above or mask in ("above", "rows") else 0

    def build(self, shape):
        """Make the weights."""
        rows = self.above + (self.mask != "above")
        size = (rows, self.left + 1 + self.right, shape[-1], self.filters)
        self.kernel = self.add_weight(
            shape=size, initializer=_seen_by(self._mask(size)), name="kernel"
        )
        self.bias = self.add_weight(shape=(self.filters,), name="bias") if self.use_bias else None
        super().build(shape)

    def _mask(self, size):
        """0/1 of the kernel's shape, float32."""
        mask = np.ones(size, np.float32)
        if self.mask in ("A", "B"):
            mask[-1, self.left + 1 :] = 0
            source, target = (np.arange(n) % self.groups for n in size[2:])
            past = source[:, None] < target if self.mask == "A" else source[:, None] <= target
            mask[-1, self.left] = past
        return mask

    def masked_kernel(self):
        """The kernel with zeros where it must not look, [rows, columns, C, filters]."""
        mask = self._mask(tuple(self.kernel.shape))
        return self.kernel if mask.all() else self.kernel * mask

    def call(self, x):
        """Convolve; the mask is a factor of the kernel, so its gradient is masked too."""
        if self.mask == "above":
            x = x[:, :-1]
        kernel = self.masked_kernel()
        # In training on CPU two thirds of the time of tf.nn.conv2d's own ways (benchmarks/pixelcnn_step.py).
        if self.above or self.left:
            x = tf.pad(x, [[0, 0], [self.above, 0], [self.left, self.right], [0, 0]])
            y = tf.nn.conv2d(x, kernel, 1, "VALID")
        else:
            y = tf.tensordot(x, kernel[0, 0], 1)
        return y if self.bias is None else tf.nn.bias_add(y, self.bias)

    def compute_output_shape(self, shape):
        """[B, H, W, C] -> [B, H, W, filters]."""
        return (*shape[:-1], self.filters)

    def get_config(self):
        """Keras configuration."""
        names = ("filters", "kernel_size", "mask", "groups", "use_bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _seen_by(mask):
    """Glorot uniform for the taps that are left, not for those that the mask removes."""

    def initialize(shape, dtype=None):
        inputs = mask.sum(axis=(0, 1, 2)).mean()
        outputs = mask.sum(axis=(0, 1, 3)).mean()
        limit = float(np.sqrt(6 / max(1.0, inputs + outputs)))
        return keras.random.uniform(shape, -limit, limit, dtype=dtype)

    return initialize


@keras.saving.register_keras_serializable("dimaging")
class Gate(keras.layers.Layer):
    """tanh(a) * sigmoid(b) of the two halves of the channels: [..., 2 C] -> [..., C]."""

    def call(self, x):
        """Split and multiply."""
        a, b = tf.split(x, 2, axis=-1)
        return tf.tanh(a) * tf.sigmoid(b)

    def compute_output_shape(self, shape):
        """Half the channels."""
        return (*shape[:-1], shape[-1] // 2)


@keras.saving.register_keras_serializable("dimaging")
class PositionBias(keras.layers.Layer):
    """Add a learned [H, W, C]: digits and faces are centred, so where a pixel lies tells much."""

    def build(self, shape):
        """Zeros at first."""
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros", name="bias")
        super().build(shape)

    def call(self, x):
        """[B, H, W, C], any range."""
        return x + self.bias

    def compute_output_shape(self, shape):
        """The same."""
        return shape
