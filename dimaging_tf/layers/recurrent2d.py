"""LSTMs whose state travels through an image, in raster order (arXiv 1601.06759, section 3).

    [o, f, i, g] = input_to_state(x) + state_to_state * h_before        o, f, i: sigmoid; g: tanh
    c = f c_before + i g        h = o tanh(c)                           equation (3)

                    one step       the state before comes from               a pixel depends on
    RowLSTM         a row          row above, columns c - 1, c, c + 1        a triangle above it
    DiagonalLSTM    a diagonal     pixel above, pixel to the left            all above and left of it

The input-to-state part is computed for the whole image at once; only the state-to-state part takes steps.
"""

from typing import Any

import keras
import tensorflow as tf

from dimaging_tf.layers.masked import MaskedConv2D

DIRECTIONS = ("left", "right")
"""Names of the directions of a DiagonalLSTM."""


class Recurrent2D(keras.layers.Layer):
    """Base of the two-dimensional LSTMs, [B, H, W, C] -> [B, H, W, filters].

    The input may have any range, but H and W must be known; the output is in (-1, 1).

    filters        channels of the state, a multiple of `groups`
    kernel_size    columns of the input-to-state convolution
    mask, groups   those of the input-to-state convolution ("A" or "B"), as in `MaskedConv2D`. The state
                   comes from earlier pixels alone, so the state-to-state part has no mask
    """

    reach = (0, 0)
    """How many places before and behind its own give a place its state of the step before."""

    def __init__(self, filters, kernel_size=1, mask="B", groups=1, **kwargs):
        super().__init__(**kwargs)
        if mask not in ("A", "B") or filters % groups:
            raise ValueError(
                f"{type(self).__name__}: mask must be A or B and filters a multiple of groups. "
                f"Received: mask={mask!r}, filters={filters}, groups={groups}"
            )
        self.filters, self.kernel_size = filters, kernel_size
        self.mask, self.groups = mask, groups

    def build(self, shape):
        """Make the weights; the bias of the forget gate is 1, so that it is open at first."""
        if None in shape[1:]:
            raise ValueError(
                f"{type(self).__name__}: height and width must be known. Received: {tuple(shape)}"
            )
        gates, taps = 4 * self.filters, sum(self.reach) + 1
        conv: Any = MaskedConv2D(
            gates, (1, self.kernel_size), self.mask, self.groups, name="input_to_state"
        )
        conv.build(shape)
        conv.bias.assign(tf.repeat([0.0, 1.0, 0.0, 0.0], self.filters))
        self.input_to_state = conv
        self.kernel = self.add_weight(shape=(taps, self.filters, gates), name="state_to_state")
        super().build(shape)

    def scan(self, gates):
        """Take the T steps: gates [B, L, T, 4 filters] without their state part -> h [B, L, T, filters].

        The loop is unrolled: a training step takes 0.67 times as long as with a `tf.while_loop`.
        """
        h = c = tf.zeros_like(gates[:, :, 0, : self.filters])
        steps = []
        for gate in tf.unstack(gates, axis=2):
            before = tf.pad(h, [[0, 0], list(self.reach), [0, 0]])
            gate += tf.nn.conv1d(before, self.kernel, 1, "VALID")
            sigmoids, new = tf.split(gate, [3 * self.filters, self.filters], -1)
            o, f, i = tf.split(tf.sigmoid(sigmoids), 3, -1)
            c = f * c + i * tf.tanh(new)
            h = o * tf.tanh(c)
            steps.append(h)
        return tf.stack(steps, 2)

    def compute_output_shape(self, shape):
        """Return the output's shape: [B, H, W, C] -> [B, H, W, filters]."""
        return (*shape[:-1], self.filters)

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        names = ("filters", "kernel_size", "mask", "groups")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("dimaging")
class RowLSTM(Recurrent2D):
    """The Row LSTM, in which a step is a row (section 3.1); kernel_size is odd."""

    reach = (1, 1)

    def __init__(self, filters, kernel_size=3, mask="B", groups=1, **kwargs):
        super().__init__(filters, kernel_size, mask, groups, **kwargs)

    def call(self, x):
        """Compute the states [B, H, W, filters] from row to row."""
        gates = tf.transpose(self.input_to_state(x), [0, 2, 1, 3])
        return tf.transpose(self.scan(gates), [0, 2, 1, 3])


@keras.saving.register_keras_serializable("dimaging")
class DiagonalLSTM(Recurrent2D):
    """One direction of the Diagonal BiLSTM (section 3.2); a step is a diagonal, a column of the skewed map.

    Direction "left" starts in the corner above and to the left of the pixel. Direction "right" is its mirror
    image, moved one row down, because to the right only the rows above are earlier. Their sum is the
    BiLSTM. Direction "right" sees all colours of the earlier rows, so it has no groups.
    """

    reach = (1, 0)

    def __init__(self, filters, direction="left", mask="B", groups=1, **kwargs):
        kwargs.pop("kernel_size", None)  # a saved layer has it in its configuration; it is always 1
        if direction not in DIRECTIONS:
            raise ValueError(
                f"DiagonalLSTM: direction must be left or right. Received: {direction!r}"
            )
        super().__init__(filters, 1, mask, 1 if direction == "right" else groups, **kwargs)
        self.direction = direction

    def call(self, x):
        """Compute the states [B, H, W, filters] from diagonal to diagonal."""
        gates = self.input_to_state(x)
        if self.direction == "left":
            return unskew(self.scan(skew(gates)), x.shape[2])
        h = unskew(self.scan(skew(gates[:, :, ::-1])), x.shape[2])
        return tf.pad(h[:, :-1, ::-1], [[0, 0], [1, 0], [0, 0], [0, 0]])

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        return {**super().get_config(), "direction": self.direction}


def skew(x):
    """Move row r by r places to the right: [B, H, W, C] -> [B, H, W + H - 1, C], with zeros around.

    The rows are padded to W + H places, and the result is read as rows of one place less.
    """
    height, width, channels = x.shape[1:]
    padded = tf.pad(x, [[0, 0], [0, 0], [0, height], [0, 0]])
    flat = tf.reshape(padded, [-1, height * (width + height), channels])
    return tf.reshape(flat[:, :-height], [-1, height, width + height - 1, channels])


def unskew(x, width):
    """Undo `skew`: [B, H, W + H - 1, C] -> [B, H, W, C]."""
    height, channels = x.shape[1], x.shape[3]
    flat = tf.reshape(x, [-1, height * (width + height - 1), channels])
    padded = tf.pad(flat, [[0, 0], [0, height], [0, 0]])
    return tf.reshape(padded, [-1, height, width + height, channels])[:, :, :width]
