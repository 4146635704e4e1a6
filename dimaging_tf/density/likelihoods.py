"""Likelihoods of one pixel, parametrised by a network's outputs: log p, and a draw from given noise.

    Bernoulli         C logits                                        black and white
    Categorical       levels x C logits                               softmax (arXiv 1601.06759)
    LogisticMixture   K weights, K x C means, log-scales, couplings   PixelCNN++ (arXiv 1701.05517)

image       float32 [B, H, W, C] in [0, 1]; symbol s of `levels` has the value s / (levels - 1)
parameters  float32 [B, H, W, count], what the network computes from earlier pixels
noise       float32 [B, H, W, noise], uniform in (0, 1). A draw is the inverse distribution function
            of the noise, so the same noise gives the same image wherever it is computed
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Pixel(ABC):
    """Base of all likelihoods, here and in `likelihoods_integer`."""

    channels: int  # colours of a pixel, C

    @property
    @abstractmethod
    def count(self) -> int:
        """The number of parameters of a pixel."""

    @property
    def noise(self):
        """The number of uniform random numbers that a draw of one pixel takes."""
        return self.channels

    def encode(self, image):
        """Return what the network takes for an image; here the image itself."""
        return image


class BinaryPixel(Pixel):
    """A pixel of two values, with one logit for each colour."""

    levels = 2
    """The number of values of a colour."""

    @property
    def count(self):
        """The number of parameters of a pixel."""
        return self.channels


@dataclass(frozen=True)
class SymbolPixel(Pixel):
    """A pixel with one logit for each level of each colour, in parameter level * C + colour."""

    levels: int  # the number of values of a colour

    @property
    def count(self):
        """The number of parameters of a pixel."""
        return self.channels * self.levels


@dataclass(frozen=True)
class MixturePixel(Pixel):
    """A mixture of K components; noise 0 chooses one, and noise 1 + c the value of colour c."""

    components: int  # the number of components, K
    levels: int = 256  # the number of values of a colour

    @property
    def count(self):
        """The number of parameters of a pixel."""
        couplings = self.channels * (self.channels - 1) // 2
        return self.components * (1 + 2 * self.channels + couplings)

    @property
    def noise(self):
        """The number of uniform random numbers that a draw of one pixel takes."""
        return 1 + self.channels

    def split(self, parameters) -> tuple[Any, Any, Any, Any]:
        """Return weights [..., K], means and log-scales [..., C, K], couplings [..., C (C - 1) / 2, K]."""
        k, c = self.components, self.channels
        pairs = c * (c - 1) // 2
        parts = tf.split(parameters, [k, k * c, k * c, k * pairs], -1)
        lead = tf.shape(parameters)[:-1]
        means, scales, couplings = (
            tf.reshape(part, tf.concat([lead, [n, k]], 0))
            for part, n in zip(parts[1:], (c, c, pairs), strict=True)
        )
        return parts[0], means, scales, couplings


class Bernoulli(BinaryPixel):
    """Black and white: P(pixel = 1) = sigmoid(logit)."""

    def log_prob(self, parameters, image):
        """Return the log-likelihood of each pixel in nats, all colours together, [B, H, W, 1]."""
        nll = tf.nn.sigmoid_cross_entropy_with_logits(labels=image, logits=parameters)
        return -tf.reduce_sum(nll, -1, keepdims=True)

    def draw(self, parameters, noise):
        """Draw images [B, H, W, C]: 1 where the logit exceeds the noise's, else 0."""
        return tf.cast(parameters > tf.math.log(noise) - tf.math.log(1 - noise), tf.float32)


class Categorical(SymbolPixel):
    """A softmax over the levels."""

    def log_prob(self, parameters, image):
        """Return the log-likelihood of each pixel in nats, all colours together, [B, H, W, 1]."""
        symbol = tf.cast(tf.round(image * (self.levels - 1)), tf.int32)
        logits = tf.reshape(parameters, tf.concat([tf.shape(image)[:-1], [self.levels, -1]], 0))
        logits = tf.linalg.matrix_transpose(logits)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(symbol, logits)
        return -tf.reduce_sum(nll, -1, keepdims=True)

    def draw(self, parameters, noise):
        """Draw images [B, H, W, C]: the first level whose cumulated probability exceeds the noise."""
        shape = tf.concat([tf.shape(noise)[:-1], [self.levels, -1]], 0)
        cumulated = tf.cumsum(tf.nn.softmax(tf.reshape(parameters, shape), -2), -2)
        below = tf.cast(cumulated[..., :-1, :] <= noise[..., None, :], tf.float32)
        return tf.reduce_sum(below, -2) / (self.levels - 1)


class LogisticMixture(MixturePixel):
    """A mixture of discretised logistics, in which green's mean depends on red, and blue's on both."""

    def split(self, parameters):
        """Split as the base does; log-scales are at least -7 and couplings between -1 and 1."""
        weights, means, scales, couplings = super().split(parameters)
        return weights, means, tf.maximum(scales, -7.0), tf.tanh(couplings)

    def means(self, means, couplings, value):
        """Return the means [..., C, K] given the values [..., C] in [-1, 1] of the earlier colours."""
        found, pair = [], 0
        for colour in range(self.channels):
            mean = means[..., colour, :]
            for earlier in range(colour):
                mean += couplings[..., pair, :] * value[..., earlier, None]
                pair += 1
            found.append(mean)
        return tf.stack(found, -2)

    def log_prob(self, parameters, image):
        """Return the log-likelihood of each pixel in nats; the first and the last level take the tails."""
        weights, means, scales, couplings = self.split(parameters)
        value = 2 * image - 1
        centred = value[..., None] - self.means(means, couplings, value)
        narrow, half = tf.exp(-scales), 1 / (self.levels - 1)
        upper, lower = narrow * (centred + half), narrow * (centred - half)
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(-(u - l))) needs no difference of
        # nearly equal numbers.
        below, above = tf.nn.softplus(-upper), tf.nn.softplus(lower)
        log_mass = tf.math.log(-tf.math.expm1(-2 * half * narrow)) - below - above
        log_mass = tf.where(value[..., None] > 1 - half, -above, log_mass)
        log_mass = tf.where(value[..., None] < half - 1, -below, log_mass)
        joint = tf.reduce_sum(log_mass, -2) + tf.nn.log_softmax(weights)
        return tf.reduce_logsumexp(joint, -1, keepdims=True)

    def draw(self, parameters: Any, noise: Any):
        """Draw images [B, H, W, C]: a component, then its logistic, rounded to the nearest level."""
        weights, means, scales, couplings = self.split(parameters)
        cumulated = tf.cumsum(tf.nn.softmax(weights), -1)
        index = tf.reduce_sum(tf.cast(cumulated[..., :-1] <= noise[..., :1], tf.int32), -1)
        chosen = tf.one_hot(index, self.components)[..., None, :]
        of_chosen: list[Any] = [tf.reduce_sum(x * chosen, -1) for x in (means, scales, couplings)]
        means, scales, couplings = of_chosen
        value, pair = [], 0
        for colour in range(self.channels):
            mean = means[..., colour]
            for earlier in range(colour):
                mean += couplings[..., pair] * value[earlier]
                pair += 1
            u = noise[..., 1 + colour]
            x = mean + tf.exp(scales[..., colour]) * (tf.math.log(u) - tf.math.log(1 - u))
            top = self.levels - 1
            symbol = tf.round((tf.clip_by_value(x, -1.0, 1.0) + 1) * (top / 2))
            value.append(symbol * (2 / top) - 1)
        return tf.round((tf.stack(value, -1) + 1) * ((self.levels - 1) / 2)) / (self.levels - 1)


Likelihood = Bernoulli | Categorical | LogisticMixture
