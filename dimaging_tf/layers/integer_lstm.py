"""An LSTM and its logits in whole numbers carried in float32: the same bits on every device.

    z = table[token] + h W             whole numbers in steps of 2^-shift, each sum below 2^24
    f, i, o = sigmoid(z), g = tanh(z)  from tables, z rounded to 1/64 and clipped to +-8
    c = round(f c + i g)               in steps of 1/512, clipped to +-16
    h = round(o tanh(c))               in steps of 1/256; tanh from a table

Products by a power of two are exact, and so is every sum, in any order; see `layers.integer`. What a weight
is worth follows from `shift`, which export chooses so that no sum can reach 2^24.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from dimaging_edge.common.random import LOGIT_STEPS

OUTPUT, STATE, OPEN = 256, 512, 1024
"""The whole numbers that stand for 1: of an output h, of an internal state c, of a gate."""
FRACTION = 6
"""Bits behind the point of what enters a table of a gate."""
REACH = 8
"""Where the tables of gates and of tanh(c) end; beyond, a sigmoid and a tanh are all but constant."""
TOP = 16 * STATE - 1
"""The largest internal state."""
WEIGHT_STEPS, WEIGHT_REACH, LARGEST_WEIGHT = 64, 16, 1 << 20
"""The table of weights: entries for one nat, nats that it spans, and its first entry."""


def gate_tables(candidate: str) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 [1025] each: sigmoid in steps of 1 / OPEN, and the candidate in 1 / (2 * OUTPUT)."""
    x = np.arange(-REACH << FRACTION, (REACH << FRACTION) + 1) / (1 << FRACTION)
    sigmoid = 1 / (1 + np.exp(-x))
    new = np.tanh(x) if candidate == "tanh" else sigmoid
    found = np.rint(OPEN * sigmoid), np.rint(2 * OUTPUT * new)
    return found[0].astype(np.float32), found[1].astype(np.float32)


def output_table() -> np.ndarray:
    """Return float32 [8193]: tanh of the internal states -8 ... 8, in steps of 1 / OUTPUT."""
    state = np.arange(-REACH * STATE, REACH * STATE + 1) / STATE
    return np.rint(OUTPUT * np.tanh(state)).astype(np.float32)


def weight_table() -> np.ndarray:
    """Return float32 [1025]: exp(-d) for d 0 ... 16 nats, from LARGEST_WEIGHT down to 1."""
    d = np.arange(WEIGHT_REACH * WEIGHT_STEPS + 1) / WEIGHT_STEPS
    return np.maximum(1, np.rint(LARGEST_WEIGHT * np.exp(-d))).astype(np.float32)


@keras.saving.register_keras_serializable("dimaging")
class IntegerLSTM(keras.layers.Layer):
    """Tokens int32 [B, T], or whole numbers [B, T, C], and h, c [B, units] -> all h [B, T, units], h, c.

    Weights in the order of gates input, forget, output, candidate: kernel [tokens or C, 4 units],
    recurrent_kernel [units, 4 units], bias [4 units], all whole numbers. States that come in are rounded
    down to whole numbers first.
    """

    def __init__(
        self, units: int, shift: int, candidate: str = "tanh", tokens: int | None = None, **kwargs: Any
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.units, self.shift, self.candidate, self.tokens = units, shift, candidate, tokens

    def build(self, shape: Any, *states: Any) -> None:
        """Create the weights."""
        wide = 4 * self.units
        self.kernel = self.add_weight((self.tokens or shape[-1], wide), "zeros", name="kernel")
        self.recurrent_kernel = self.add_weight(
            (self.units, wide), "zeros", name="recurrent_kernel"
        )
        self.bias = self.add_weight((wide,), "zeros", name="bias")

    def call(self, x: Any, initial_state: Any) -> Any:
        """Run over all steps."""
        steps_first = tf.transpose(x, [1, 0] if self.tokens else [1, 0, 2])
        if self.tokens:
            told = tf.gather(tf.convert_to_tensor(self.kernel), steps_first) + self.bias
        else:
            told = tf.tensordot(steps_first, tf.convert_to_tensor(self.kernel), 1) + self.bias
        h, c = initial_state
        first = _whole(h, OUTPUT), _whole(c, TOP)
        every, states = tf.scan(lambda state, z: self._step(z, *state), told, first)
        return tf.transpose(every, [1, 0, 2]), every[-1], states[-1]

    def _step(self, told: Any, h: Any, c: Any) -> tuple[Any, Any]:
        z = told + h @ tf.convert_to_tensor(self.recurrent_kernel)
        reach = float(REACH << FRACTION)
        index = tf.clip_by_value(z * 2.0 ** (FRACTION - self.shift), -reach, reach)
        index = tf.cast(tf.floor(index + (reach + 0.5)), tf.int32)
        opened, new = (tf.constant(table) for table in gate_tables(self.candidate))
        i, f, o = tf.split(tf.gather(opened, index[:, : 3 * self.units]), 3, -1)
        c = f * c + i * tf.gather(new, index[:, 3 * self.units :])
        c = tf.clip_by_value(tf.floor(c / OPEN + 0.5), -float(TOP), float(TOP))
        end = float(REACH * STATE)
        place = tf.cast(tf.clip_by_value(c, -end, end) + end, tf.int32)
        return tf.floor(o * tf.gather(tf.constant(output_table()), place) / OPEN + 0.5), c

    def compute_output_spec(self, x: Any, initial_state: Any) -> Any:
        """Shapes without running the loop."""
        sizes = [(*x.shape[:2], self.units), *[(x.shape[0], self.units)] * 2]
        return tuple(keras.KerasTensor(size, dtype="float32") for size in sizes)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to rebuild the layer."""
        return super().get_config() | {
            "units": self.units, "shift": self.shift, "candidate": self.candidate, "tokens": self.tokens,
        }  # fmt: skip


@keras.saving.register_keras_serializable("dimaging")
class IntegerLogits(keras.layers.Layer):
    """Whole numbers h [B, T, units] -> logits [B, T, V], multiples of 1 / LOGIT_STEPS."""

    def __init__(self, units: int, shift: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units, self.shift = units, shift

    def build(self, shape: Any) -> None:
        """Create the weights: kernel [C, V] and bias [V], whole numbers in steps of 2^-shift."""
        self.kernel = self.add_weight((shape[-1], self.units), "zeros", name="kernel")
        self.bias = self.add_weight((self.units,), "zeros", name="bias")

    def call(self, x: Any) -> Any:
        """Round the sums to steps of a logit."""
        z = tf.tensordot(x, tf.convert_to_tensor(self.kernel), 1) + self.bias
        return tf.floor(z * (LOGIT_STEPS * 2.0**-self.shift) + 0.5) / LOGIT_STEPS

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape of the logits."""
        return (*shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to rebuild the layer."""
        return super().get_config() | {"units": self.units, "shift": self.shift}


@keras.saving.register_keras_serializable("dimaging")
class TokenWeights(keras.layers.Layer):
    """Logits of `IntegerLogits` -> the weight of each token, whole numbers from 1 to LARGEST_WEIGHT."""

    def call(self, logits: Any) -> Any:
        """Look up exp(logit - largest logit)."""
        below = (tf.reduce_max(logits, -1, keepdims=True) - logits) * WEIGHT_STEPS
        place = tf.minimum(tf.floor(below + 0.5), float(WEIGHT_REACH * WEIGHT_STEPS))
        return tf.gather(tf.constant(weight_table()), tf.cast(place, tf.int32))

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape of the logits."""
        return shape


def _whole(x: Any, top: int) -> Any:
    return tf.clip_by_value(tf.floor(x), -float(top), float(top))
