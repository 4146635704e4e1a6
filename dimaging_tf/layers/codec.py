"""Layers of a learned image codec: gains, conditioning on the quality, and what a symbol costs.

Quality is a whole number 0..63, int32 [B]: one for each image, so that one network serves all rates.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

QUALITIES = 64
OCTAVE = 6
"""The number of probability tables for each octave of scale."""
NARROWEST = 0.06
"""The scale of table 1, in quantisation steps. Below it lies table 0: the symbol is 0, not coded."""


def basis(quality: Any) -> Any:
    """Return (1, t, t^2) with t from -1 (quality 0) to 1 (quality 63): [...] -> float32 [..., 3]."""
    t = ops.cast(quality, "float32") * (2 / (QUALITIES - 1)) - 1
    return ops.stack([ops.ones_like(t), t, t * t], -1)


def row_of(table: np.ndarray, quality: Any) -> Any:
    """Return the row of a table [64, C] for each image's quality [B]: float32 [B, 1, 1, C]."""
    index = ops.cast(quality, "int32")
    return ops.take(ops.convert_to_tensor(table, "float32"), index, axis=0)[:, None, None]


@keras.saving.register_keras_serializable("dimaging")
class Gain(keras.layers.Layer):
    """The number of quantisation steps in a unit of each channel: quality int32 [B] -> [B, 1, 1, channels].

    It is a smooth curve for each channel, 2^(a + b t + c t^2), where Cui et al. 2021 (arXiv 2003.02012) have
    a table. `span` is the initial b.
    """

    pace = 8.0
    """Weights store curve / pace: Adam's steps suit weights of about 1, and a gain has to move by octaves."""

    def __init__(self, channels: int, span: float, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.span = channels, span
        start = np.zeros((3, channels), np.float32)
        start[1] = span / self.pace
        self.curve = self.add_weight(
            name="curve", shape=start.shape, initializer=keras.initializers.Constant(start)
        )

    def log2(self, quality: Any) -> Any:
        """Return log2 of the gain at this quality, [B, 1, 1, channels]."""
        curve = self.pace * ops.convert_to_tensor(self.curve)
        return ops.matmul(basis(quality), curve)[..., None, None, :]

    def start(self, log2_gain: Any) -> None:
        """Set the curve's constant term, so that the gain at the middle quality is 2^log2_gain."""
        curve = np.asarray(self.curve).copy()
        curve[0] = np.asarray(log2_gain) / self.pace
        self.curve.assign(curve)

    def call(self, quality):
        """Return the gain: two to the power of `log2`."""
        return 2.0 ** self.log2(quality)

    def compute_output_shape(self, shape):
        """Return [B, 1, 1, channels]."""
        return (*shape, 1, 1, self.channels)

    def get_config(self):
        """Keras configuration."""
        return {**super().get_config(), "channels": self.channels, "span": self.span}


@keras.saving.register_keras_serializable("dimaging")
class QualityBias(keras.layers.Layer):
    """A bias that follows the quality: x [B, H, W, C], quality int32 [B] -> x plus a vector; 0 at first."""

    def build(self, input_shape):
        """Make a curve for each channel."""
        self.curve = self.add_weight(
            name="curve", shape=(3, input_shape[0][-1]), initializer="zeros"
        )

    def table(self) -> np.ndarray:
        """Return what is added at every quality: float32 [64, C]."""
        return np.asarray(basis(np.arange(QUALITIES))) @ np.asarray(self.curve, np.float32)

    def call(self, inputs):
        """Add the vector to [x, quality], broadcast over height and width."""
        x, quality = inputs
        vector = ops.matmul(basis(quality), ops.cast(self.curve, "float32"))
        return x + ops.cast(vector, x.dtype)[:, None, None]

    def compute_output_shape(self, input_shape):
        """Return the shape of x."""
        return input_shape[0]


@keras.saving.register_keras_serializable("dimaging")
class Quantise(keras.layers.Layer):
    """The exported quantiser: [x [B, H, W, C], quality] -> whole numbers of 1/parts of a step, in +-limit."""

    def __init__(self, gain: Gain, parts: int, limit: int, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.table = parts * np.exp2(np.asarray(gain.log2(np.arange(QUALITIES)))[:, 0, 0])
        self.limit = float(limit)

    def call(self, inputs):
        """Round half up, as integers do on every device."""
        x, quality = inputs
        scale = row_of(self.table, quality)
        return ops.clip(ops.floor(x * scale + 0.5), -self.limit, self.limit)

    def compute_output_shape(self, input_shape):
        """Return the shape of x."""
        return input_shape[0]


@keras.saving.register_keras_serializable("dimaging")
class Dequantise(keras.layers.Layer):
    """The exported inverse of `Quantise`: [x in 1/parts of a step, quality] -> x in the network's units."""

    def __init__(self, gain: Gain, parts: int, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.table = 1 / (parts * np.exp2(np.asarray(gain.log2(np.arange(QUALITIES)))[:, 0, 0]))

    def call(self, inputs):
        """Multiply by the row of the quality."""
        x, quality = inputs
        return x * row_of(self.table, quality)

    def compute_output_shape(self, input_shape):
        """Return the shape of x."""
        return input_shape[0]


@keras.saving.register_keras_serializable("dimaging", name="Known")
class EvenSquares(keras.layers.Layer):
    """What the second half of y may know of the first: y clipped to +-limit on even squares, else 0."""

    def __init__(self, limit: float, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, y):
        """Clip y [B, H, W, C] and multiply it by the checkerboard."""
        return ops.clip(y, -self.limit, self.limit) * checkerboard(y)


@keras.saving.register_keras_serializable("dimaging")
class Predict(keras.layers.Layer):
    """The exported prediction: [mean, log2 scale, quality] in the network's units -> {"index", "mean"}.

    "index" is the number of the probability table, "mean" whole eighths of a step.
    """

    def __init__(self, gain: Gain, limit: float, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.log2 = np.asarray(gain.log2(np.arange(QUALITIES)))[:, 0, 0]
        self.limit = limit

    def call(self, inputs):
        """Choose the table that fits the scale, and round the mean to whole eighths."""
        mean, log2_scale, quality = inputs
        log2_gain = row_of(self.log2, quality)
        mean = ops.clip(mean, -self.limit, self.limit) * 2.0**log2_gain
        return {"index": table_index(log2_scale + log2_gain), "mean": ops.floor(8 * mean + 0.5)}


@keras.saving.register_keras_serializable("dimaging", name="Chosen")
class SelectByPass(keras.layers.Layer):
    """The answer of one of two passes for each image: [a, b, pass [B]] -> a where the pass is 0, else b."""

    def call(self, inputs):
        """Choose for whole images."""
        a, b, number = inputs
        return ops.where(number[:, None, None, None] > 0, b, a)


@keras.saving.register_keras_serializable("dimaging")
class Stabilise(keras.layers.Layer):
    """A square root above 1/16, [0, 1] -> [0, 1], so that errors follow shot noise half of the way.

    (sqrt(x + a) - sqrt(a)) / (sqrt(1 + a) - sqrt(a)), as Anscombe 1948 for a camera of unknown gain.
    A smaller a follows the noise further, and pays for it in PSNR, which counts all errors alike: on
    nuclei that fill the range 0.13 bits a pixel with a = 1/256, 0.05 with 1/16.
    """

    dark = 1 / 16
    low, high = dark**0.5, (1 + dark) ** 0.5

    def __init__(self, inverse: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.inverse = inverse

    def call(self, x):
        """Apply the transform, or with `inverse` undo it."""
        if self.inverse:
            return (x * (self.high - self.low) + self.low) ** 2 - self.dark
        return (ops.sqrt(x + self.dark) - self.low) / (self.high - self.low)

    def get_config(self):
        """Keras configuration."""
        return {**super().get_config(), "inverse": self.inverse}

    def compute_output_shape(self, shape):
        """Return the shape of the input."""
        return shape


def vary_exposure(image: Any, draw: Any) -> Any:
    """Return images as other cameras would store them: [B, H, W, C] in [0, 1], draw [3, B] in [0, 1).

    Half of them stay as they are; the others become up to 16 times as bright (12 bits lie at the bottom of
    16, or fill them) as far as nothing is clipped, and an eighth lie above a pedestal, as signed cameras
    store them.
    """
    draw = draw[..., None, None, None]
    top = ops.max(image, [1, 2, 3], keepdims=True)
    gain = 2.0 ** ops.maximum(8 * draw[0] - 4, 0.0)
    gain = ops.minimum(gain, 1 / ops.maximum(top, 1e-6))
    pedestal = ops.where(draw[1] < 0.125, draw[2], 0.0) * (1 - gain * top)
    return ops.clip(image * gain + pedestal, 0.0, 1.0)


def checkerboard(y: Any) -> Any:
    """Return 1 where row + column is even, else 0: float32 [1, H, W, 1] for y [B, H, W, C]."""
    _, height, width, _ = ops.shape(y)
    square = ops.arange(height, dtype="int32")[:, None] + ops.arange(width, dtype="int32")[None]
    return ops.cast(1 - square % 2, "float32")[None, ..., None]


def round_through(x: Any) -> Any:
    """Round to whole numbers; the gradient passes as if nothing had happened."""
    return x + ops.stop_gradient(ops.round(x) - x)


def logistic_bits(distance: Any, log2_scale: Any) -> Any:
    """Return the bits of a symbol from the mass of a logistic density in the bin of width 1 at `distance`.

    distance is measured from the mean and in steps, like the scale. The mass s(a) - s(b), s the sigmoid, is
    computed as s(a) s(-b) (1 - exp(b - a)), which is no difference of near equals.
    """
    floor = np.float32(np.log2(NARROWEST))
    rate = 2.0 ** -ops.maximum(log2_scale, floor)  # 1 / scale
    far = ops.abs(ops.cast(distance, "float32"))
    inside, outside = (far - 0.5) * rate, -(far + 0.5) * rate
    nats = ops.softplus(inside) + ops.softplus(outside) - ops.log(-ops.expm1(-rate))
    return nats * np.float32(1 / np.log(2))


def table_index(log2_scale: Any) -> Any:
    """Return the number 0..63 of the probability table for a scale, as in the exported file; float32."""
    index = OCTAVE * (log2_scale - np.float32(np.log2(NARROWEST))) + 1
    return ops.clip(ops.floor(index + 0.5), 0.0, QUALITIES - 1.0)


def table_scale(index: np.ndarray) -> np.ndarray:
    """Return the scale of a table: float64, in quantisation steps."""
    return NARROWEST * 2.0 ** ((np.asarray(index, np.float64) - 1) / OCTAVE)


def dct_patches(side: int, channels: int) -> np.ndarray:
    """Return the orthonormal DCT of side x side blocks, of orthonormal brightness and two colours.

    It is the kernel of a convolution: float64 [side, side, channels, side * side * channels].
    """
    k, n = np.arange(side)[:, None], np.arange(side)
    dct = np.sqrt(2 / side) * np.cos(np.pi * (n + 0.5) * k / side)
    dct[0] /= np.sqrt(2)
    colour = np.ones((1, 1))
    if channels == 3:
        colour = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    return np.einsum("uy,vx,dc->yxcduv", dct, dct, colour).reshape(side, side, channels, -1)
