"""Likelihoods of integer-valued networks: no exp or log at run time, and the same bits everywhere.

Parameters are whole numbers: logits count steps of 1 / 64, means count parts of a level. Probabilities are
ratios of integer weights from tables, so an entropy coder and a sampler agree on every device; all products
and sums are exact in float32. The network works on symbols 0 ... levels - 1, which `encode` makes of images.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import tensorflow as tf

from dimaging_tf.density.likelihoods import BinaryPixel, MixturePixel, Pixel, SymbolPixel

STEPS = 64
"""The number of logit steps in one nat."""
REACH = 16 * STEPS - 1
"""The largest logit, in steps: just below 16 nats."""


class IntegerLikelihood(Pixel, ABC):
    """Base of the integer likelihoods."""

    levels: int
    reach = REACH
    """The largest parameter; the smallest is -reach."""

    @property
    def steps(self) -> np.ndarray:
        """Return how many steps one unit of each of the float likelihood's parameters is, [count]."""
        return np.full(self.count, STEPS, np.float64)

    def encode(self, image):
        """Turn images in [0, 1] into symbols."""
        return tf.round(image * (self.levels - 1))

    def decode(self, symbols):
        """Turn symbols into images, by a table, because TensorFlow may turn a division into a product."""
        table = np.arange(self.levels, dtype=np.float32) / np.float32(self.levels - 1)
        return tf.gather(tf.constant(table), tf.cast(symbols, tf.int32))

    @abstractmethod
    def weights(self, parameters: Any, symbols: Any = None) -> Any:
        """Return the weight of each symbol, [..., C, levels]: whole numbers from 1 with a sum below 2^24.

        symbols [..., C]: the pixel itself, where a colour's weights depend on the colours before it.
        """

    @abstractmethod
    def draw(self, parameters, noise):
        """Draw values [..., C] in [0, 1] with uniform noise in (0, 1)."""


class IntegerBernoulli(IntegerLikelihood, BinaryPixel):
    """Black and white: P(pixel = 1) = table[logit] / 2^16."""

    @staticmethod
    def table():
        """Return 2^16 sigmoid of the logits -REACH ... REACH, float32 whole numbers 1 ... 65535."""
        x = np.arange(-REACH, REACH + 1) / STEPS
        return np.clip(np.rint(65536 / (1 + np.exp(-x))), 1, 65535).astype(np.float32)

    def weights(self, parameters, symbols=None):
        """Return the weights of 0 and 1, whose sum is 2^16."""
        one = tf.gather(tf.constant(self.table()), _index(parameters))
        return tf.stack([65536 - one, one], -1)

    def draw(self, parameters, noise):
        """Draw 1 where the noise is below its probability, else 0."""
        one = tf.gather(tf.constant(self.table()), _index(parameters))
        return tf.cast(noise * 65536 < one, tf.float32)


class IntegerCategorical(IntegerLikelihood, SymbolPixel):
    """A softmax: P(symbol) = weight / sum of weights, with weight = table[largest logit - logit] <= 2^15."""

    @staticmethod
    def table():
        """Return the weights 0 ... REACH steps below the largest logit, float32 whole numbers 2^15 ... 1."""
        x = np.arange(REACH + 1) / STEPS
        return np.maximum(1, np.rint(2**15 * np.exp(-x))).astype(np.float32)

    def weights(self, parameters, symbols=None):
        """Return the weight of each symbol, [..., C, levels]."""
        shape = tf.concat([tf.shape(parameters)[:-1], [self.levels, self.channels]], 0)
        logits = tf.linalg.matrix_transpose(tf.reshape(parameters, shape))
        return _below_largest(self.table(), logits)

    def draw(self, parameters, noise):
        """Draw the first level whose cumulated weight exceeds the noise's share of all weights."""
        return self.decode(_passed(self.weights(parameters), noise[..., None]))


class IntegerLogisticMixture(IntegerLikelihood, MixturePixel):
    """A mixture of logistics: weight = 1 + sum over components of floor(share mass / 2^shift).

    The mass of a level is F(its upper edge) - F(its lower edge), where F is 0 ... 2^13 from a table. The
    index into that table is (edge - mean) * narrow: a number of 13 bits times one of 11. Shares have 11
    bits. Edges and means count `parts` of a level from the middle of the scale. The outer edges are far
    away, so that the first and the last level take the tails.
    """

    reach = 6143
    """The largest parameter: a mean 1.5 scales from the middle; for a coupling, tanh 6."""
    share, whole, fine = 1 << 11, 1 << 13, 1 << 10
    """The largest share of a component; F of the last edge; entries of F's table for one nat."""
    top = 10 * fine
    """The entries of F's table on each side of the mean: 10 nats."""
    widest = 2
    """The largest log-scale; the smallest is -7, as in the float likelihood."""

    @property
    def parts(self) -> int:
        """The number of parts of a level: even, and at most 4096 for all levels together."""
        return 2 * (2048 // self.levels)

    @property
    def steps(self):
        """Return the steps of each parameter: means count parts; couplings, which move means, are finer."""
        found, k = super().steps, self.components
        found[k : k + k * self.channels] = self.parts * (self.levels - 1) / 2
        found[k + 2 * k * self.channels :] = self.fine
        return found

    @property
    def edges(self) -> np.ndarray:
        """The edges of all levels in parts, [levels + 1]."""
        inner = self.parts * (np.arange(1, self.levels) - self.levels / 2)
        return np.concatenate([[-(2**20)], inner, [2**20]]).astype(np.float32)

    @property
    def shift(self) -> int:
        """The bits by which each product is shifted, so that all components together stay below 2^23."""
        return 1 + (self.components - 1).bit_length()

    def tables(self) -> dict[str, np.ndarray]:
        """Return the tables by name, float32.

        All hold whole numbers, except `narrow` (11 bits times a power of two) and `power` (powers of two).
        """
        logits = np.arange(REACH + 1) / STEPS
        x = (np.arange(-self.top, self.top) + 0.5) / self.fine
        log_scales = np.arange(-7 * STEPS, self.widest * STEPS + 1) / STEPS
        # Entries of the table for one part.
        narrow = 2 * self.fine / (self.parts * (self.levels - 1)) * np.exp(-log_scales)
        mantissa, exponent = np.frexp(narrow)
        found = {
            "share": np.rint(self.share * np.exp(-logits)),
            "mass": np.rint(self.whole / (1 + np.exp(-x))),
            "narrow": np.ldexp(np.rint(mantissa * 2048), exponent - 11),
            "coupling": np.rint(4096 * np.tanh(np.arange(-self.reach, self.reach + 1) / self.fine)),
            "power": self.share / 2.0 ** np.arange(1, 26),
        }
        return {name: table.astype(np.float32) for name, table in found.items()}

    def weights(self, parameters, symbols=None):
        """Return the weight of each symbol, [..., C, levels]; in grey, `symbols` is not read."""
        logits, means, scales, couplings = self.split(parameters)
        colours: list[Any] = [None] if symbols is None else tf.split(symbols, self.channels, -1)
        shares, found = self._shares(logits), []
        for colour, pairs in enumerate(self.pairs()):
            earlier = [(couplings[..., p, :], colours[c]) for c, p in enumerate(pairs)]
            mean: Any = self._moved(means[..., colour, :], earlier)
            scale = scales[..., colour, :]
            below: Any = 0
            for k in range(self.components):  # one by one: all at once would fill the memory
                part = self._below(mean[..., k, None], scale[..., k, None], self.edges)
                below += tf.floor(shares[..., k, None] * part / 2.0**self.shift)
            found.append(1 + below[..., 1:] - below[..., :-1])
            if colour + 1 < self.channels:
                shares = self._known(shares, mean, scale, colours[colour])
        return tf.stack(found, -2)

    def draw(self, parameters, noise):
        """Draw a component, then a level for each colour in turn."""
        logits, means, scales, couplings = self.split(parameters)
        index = _passed(self._shares(logits), noise[..., :1])
        chosen = tf.one_hot(tf.cast(index, tf.int32), self.components)[..., None, :]
        of_chosen: list[Any] = [tf.reduce_sum(x * chosen, -1) for x in (means, scales, couplings)]
        means, scales, couplings = of_chosen
        drawn: list[Any] = []
        for colour, pairs in enumerate(self.pairs()):
            earlier = [(couplings[..., p], drawn[c]) for c, p in enumerate(pairs)]
            mean: Any = self._moved(means[..., colour], earlier)
            below = self._below(mean[..., None], scales[..., colour, None], self.edges[1:-1])
            passed = below <= noise[..., 1 + colour, None] * self.whole
            drawn.append(tf.reduce_sum(tf.cast(passed, tf.float32), -1))
        return self.decode(tf.stack(drawn, -1))

    def pairs(self) -> list[list[int]]:
        """Return for each colour the indices of its couplings with the colours before it."""
        return [[c * (c - 1) // 2 + e for e in range(c)] for c in range(self.channels)]

    def _shares(self, logits):
        """Return the components' shares [..., K], 0 ... 2^11; that of the largest logit is 2^11."""
        return _below_largest(self.tables()["share"], logits)

    def _moved(self, mean, earlier):
        """Move the mean by the couplings and symbols of the colours before."""
        middle = self.parts * (self.levels - 1) / 2
        for coupling, symbol in earlier:
            index = tf.cast(coupling + self.reach, tf.int32)
            factor = tf.gather(tf.constant(self.tables()["coupling"]), index)
            mean += tf.floor(factor * (symbol * self.parts - middle) / 4096 + 0.5)
        return tf.clip_by_value(mean, -self.reach, self.reach)

    def _below(self, mean, scale, edges):
        """Return F at the edges, whole numbers 0 ... 2^13."""
        table = self.tables()
        low = 7 * STEPS
        row = tf.cast(tf.clip_by_value(scale, -low, self.widest * STEPS) + low, tf.int32)
        place = tf.floor((edges - mean) * tf.gather(tf.constant(table["narrow"]), row))
        place = tf.clip_by_value(place, -self.top, self.top - 1) + self.top
        return tf.gather(tf.constant(table["mass"]), tf.cast(place, tf.int32))

    def _known(self, shares, mean, scale, symbol):
        """Return the components' shares once a colour's symbol is known, again whole numbers of 11 bits."""
        place = tf.cast(symbol, tf.int32)
        lower, upper = (tf.gather(tf.constant(self.edges), place + i) for i in (0, 1))
        mass = self._below(mean, scale, upper) - self._below(mean, scale, lower)
        joint = shares * tf.maximum(mass, 1.0)
        largest = tf.reduce_max(joint, -1, keepdims=True)
        bits = tf.cast(largest >= 2.0 ** np.arange(1, 25, dtype=np.float32), tf.int32)
        bits = tf.reduce_sum(bits, -1, keepdims=True)
        return tf.floor(joint * tf.gather(tf.constant(self.tables()["power"]), bits))


def _index(parameters):
    """Return the index of logits in a table that begins at -REACH."""
    return tf.cast(tf.clip_by_value(parameters, -REACH, REACH) + REACH, tf.int32)


def _below_largest(table, logits):
    """Return table[largest logit - logit], the largest being that along the last axis."""
    below = tf.reduce_max(logits, -1, keepdims=True) - logits
    return tf.gather(tf.constant(table), tf.cast(tf.minimum(below, REACH), tf.int32))


def _passed(weights, noise):
    """Return the index of the draw along the last axis, which goes: how many cumulated weights it passes.

    noise: uniform [..., 1] in (0, 1), a share of the sum of the weights.
    """
    cumulated = tf.cumsum(weights, -1)
    passed = cumulated[..., :-1] <= noise * cumulated[..., -1:]
    return tf.reduce_sum(tf.cast(passed, tf.float32), -1)
