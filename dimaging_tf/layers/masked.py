"""Convolutions that see only earlier pixels in raster order (arXiv 1601.06759, 1606.05328).

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
"""Names of the masks, as in the table above."""


@keras.saving.register_keras_serializable("dimaging")
class MaskedConv2D(keras.layers.Layer):
    """A masked convolution, [B, H, W, C] -> [B, H, W, filters], with zeros outside the image.

    kernel_size   (rows, columns) of the unmasked kernel, both odd; only its causal half is stored
    mask          one of MASKS
    groups        colours that are drawn one after the other within a pixel: channel i belongs to colour
                  i % groups, and in its own pixel a colour sees earlier colours (with mask B also itself)
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
        """The number of rows above the pixel's own that it sees."""
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
        """Return 0 or 1 for each weight, float32 of the kernel's shape."""
        mask = np.ones(size, np.float32)
        if self.mask in ("A", "B"):
            mask[-1, self.left + 1 :] = 0
            source, target = (np.arange(n) % self.groups for n in size[2:])
            past = source[:, None] < target if self.mask == "A" else source[:, None] <= target
            mask[-1, self.left] = past
        return mask

    def masked_kernel(self):
        """Return the kernel with zeros where the mask forbids to look, [rows, columns, C, filters]."""
        mask = self._mask(tuple(self.kernel.shape))
        kernel = keras.ops.convert_to_tensor(self.kernel)  # of 16 bits under a mixed policy
        return kernel if mask.all() else kernel * keras.ops.cast(mask, kernel.dtype)

    def call(self, x):
        """Convolve; the mask is a factor of the kernel, so its gradient is masked too."""
        if self.mask == "above":
            x = x[:, :-1]
        kernel = self.masked_kernel()
        # Padding apart and 1x1 as a product take two thirds of the time that tf.nn.conv2d takes for both
        # in training on a CPU (benchmarks/pixelcnn_step.py).
        if self.above or self.left:
            x = tf.pad(x, [[0, 0], [self.above, 0], [self.left, self.right], [0, 0]])
            y = tf.nn.conv2d(x, kernel, 1, "VALID")
        else:
            y = tf.tensordot(x, kernel[0, 0], 1)
        return y if self.bias is None else tf.nn.bias_add(y, self.bias)

    def compute_output_shape(self, shape):
        """Return the output's shape: [B, H, W, C] -> [B, H, W, filters]."""
        return (*shape[:-1], self.filters)

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        names = ("filters", "kernel_size", "mask", "groups", "use_bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _seen_by(mask):
    """Return a Glorot uniform initializer whose fans count only the taps that the mask leaves."""

    def initialize(shape, dtype=None):
        inputs = mask.sum(axis=(0, 1, 2)).mean()
        outputs = mask.sum(axis=(0, 1, 3)).mean()
        limit = float(np.sqrt(6 / max(1.0, inputs + outputs)))
        return keras.random.uniform(shape, -limit, limit, dtype=dtype)

    return initialize


@keras.saving.register_keras_serializable("dimaging")
class Gate(keras.layers.Layer):
    """A gate: tanh(a) * sigmoid(b) of the two halves a, b of the channels, [..., 2 C] -> [..., C]."""

    def call(self, x):
        """Split the channels, apply both functions, and multiply."""
        a, b = tf.split(x, 2, axis=-1)
        return tf.tanh(a) * tf.sigmoid(b)

    def compute_output_shape(self, shape):
        """Return the output's shape: [..., 2 C] -> [..., C]."""
        return (*shape[:-1], shape[-1] // 2)


@keras.saving.register_keras_serializable("dimaging")
class PositionBias(keras.layers.Layer):
    """A learned bias [H, W, C]: digits and faces are centred, so the place of a pixel tells much about it."""

    def build(self, shape):
        """Make the bias, which starts at zero."""
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros", name="bias")
        super().build(shape)

    def call(self, x):
        """Add the bias to [B, H, W, C] of any range."""
        return x + self.bias

    def compute_output_shape(self, shape):
        """Return the input's shape."""
        return shape
