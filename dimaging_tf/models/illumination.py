"""A microscope that learns how to light what it has to describe (lecture: "design an optimal X").

    phase ──microscope──> an image an LED ──sum, weighted by X──noise──> one exposure
    exposure ──divided by its mean──[conv 3x3/2, ReLU] x 3──dense──> features ──LSTM──> a caption

The first line is the physical layer. X, the power of each LED, is a weight like any other, and learns from
the captions (Muthumbi et al. 2019, arXiv 1909.07497). The LEDs share the light of one of them by a softmax.
X has a rate of its own, for a symmetric X is a saddle on which phase contrast cancels, and several random
starts, which share one network for `trial_steps`; then the best learns on alone. After `search_steps` it
stays as it is, and the network is trained on with it. What is exported takes one exposure; X is what the
microscope has to do.

phase: float32 [B, S, S, 1] in [0, 1]; image (the exposure): float32 [B, S, S, 1] in [0, 1], noise included.
"""

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.deployable import check_strides
from dimaging_tf.errors import near
from dimaging_tf.physics.illumination import Microscope, expose, limited
from dimaging_tf.physics.led_picture import led_png
from dimaging_tf.sequence.captioner import Captioner
from dimaging_tf.training.steps import descend, step_normal

LEARNED, FIXED = "learned", "best fixed"
CONTRAST = 20.0
"""What the difference from the mean is multiplied by: a transparent object changes it by some percent."""
_MEMORY = 0.98
"""Share of a pattern's mean loss that stays from step to step."""


@dataclass(frozen=True)
class Config:
    """A microscope of 5x5 LEDs and a network for its pictures of 32x32."""

    shape: tuple[int, int, int] = (32, 32, 1)  # height, width, 1
    words: tuple[str, ...] = ()  # the vocabulary; `dimaging train` takes that of the data
    length: int = 8  # words of the longest caption
    pattern: str = LEARNED  # or "best fixed", or a name of `Microscope.patterns`, such as "all"
    restarts: int = 3  # learned: random starts that share the network
    trial_steps: int = 180  # learned: steps until the best of the starts is chosen
    search_steps: int = 600  # steps until the pattern stays
    pattern_rate: float = 200.0  # rate of X over the network's
    floor: float = 0.15  # share of the strongest LED's power below which a chosen LED is turned off
    photons: float = 2500.0  # of a pixel of an empty bright field
    read: float = 0.01  # noise of the camera, as a share of the same
    filters: tuple[int, ...] = (12, 24, 32)  # channels of each stride-2 convolution
    features: int = 64  # length of what the LSTM is told of an exposure
    embedding: int = 24  # length of a word's vector
    units: int = 64  # of the LSTM
    dropout: float = 0.0  # share of values left out before and behind the LSTM
    seed: int = 0  # of the noise, and of the random starts

    def __post_init__(self):
        height, width, depth = self.shape
        if height != width or depth != 1:
            raise ValueError(
                f"illumination: phases are square, with one channel. Received: {list(self.shape)}"
                " (grey pictures of colours: --channels 1)"
            )
        check_strides("illumination", self.shape, len(self.filters))
        known = (LEARNED, FIXED, *self.microscope.patterns)
        if self.pattern not in known:
            raise ValueError(
                f"illumination: no pattern {self.pattern!r}; {near(self.pattern, known)}"
            )
        sizes = (
            self.length,
            self.restarts,
            self.features,
            self.embedding,
            self.units,
            *self.filters,
        )
        steps = (self.trial_steps, self.search_steps, self.seed)
        if min(sizes) < 1 or min(steps) < 0:
            raise ValueError(
                "illumination: length, restarts, features, embedding, units and filters are at least 1, "
                f"trial_steps, search_steps and seed at least 0. Received: {sizes}, {steps}"
            )
        if not (0 < self.photons < math.inf and 0 < self.pattern_rate < math.inf):
            raise ValueError(
                "illumination: photons and pattern_rate are finite and above 0. Received: "
                f"{self.photons}, {self.pattern_rate}"
            )
        if not (0 <= self.read < math.inf and 0 <= self.floor < 1 and 0 <= self.dropout < 1):
            raise ValueError(
                "illumination: read is finite and at least 0, floor and dropout are in [0, 1). Received: "
                f"{self.read}, {self.floor}, {self.dropout}"
            )

    @property
    def microscope(self) -> Microscope:
        """The optics."""
        return Microscope(side=self.shape[0])


def build_encoder(config: Config) -> keras.Model:
    """Build the network that looks at an exposure: image -> {"features"}.

    No batch normalisation: its running variance would still remember its start when it is larger than the
    whole contrast of a transparent object. The mean of the exposure itself is the only scale.
    """
    image = keras.Input(config.shape, name="image")
    mean = layers.GlobalAveragePooling2D(keepdims=True)(image)
    x = (image / (mean + 1e-3)) * CONTRAST - CONTRAST
    for filters in config.filters:
        x = layers.Conv2D(filters, 3, 2, padding="same", activation="relu")(x)
    features = layers.Dense(config.features, activation="relu", name="features")(
        layers.Flatten()(x)
    )
    return keras.Model(image, {"features": features}, name="encoder")


@keras.saving.register_keras_serializable("dimaging")
class Illumination(Captioner):
    """`compile(optimizer)`, `fit(phases, captions)`; `powers` is X, `caption(phases)` looks and says."""

    config_class = Config
    registry_name = "illumination"
    takes = (
        0.0,
        16.0,
    )  # phases to 1; under one LED an object may be several times as bright as no object

    def __init__(self, config: Config | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        cfg = self.config
        self.microscope = cfg.microscope
        self.encoder = build_encoder(cfg)
        self.set_speaker()
        start = self._starts()
        self.starts = self.add_weight(
            start.shape, lambda shape, dtype=None: tf.constant(start, dtype), name="starts",
            trainable=cfg.pattern == LEARNED,
        )  # fmt: skip
        self.mean_loss = self.add_weight((len(start),), "zeros", name="mean_loss", trainable=False)
        self.chosen = self.add_weight(
            start.shape[1:],
            lambda shape, dtype=None: self._powers()[0],
            name="chosen",
            trainable=False,
        )

    def _starts(self) -> np.ndarray:
        """Return the patterns that training begins with: logits / pattern_rate, or powers of fixed ones."""
        cfg, patterns = self.config, self.microscope.patterns
        if cfg.pattern == LEARNED:
            rng = np.random.default_rng([cfg.seed, 7])
            return rng.normal(size=(cfg.restarts, len(self.microscope.leds))) / cfg.pattern_rate
        return np.stack(
            list(patterns.values()) if cfg.pattern == FIXED else [patterns[cfg.pattern]]
        )

    def _powers(self) -> Any:
        """Return the power of each LED in each pattern, [patterns, LEDs], in [0, 1]."""
        if self.config.pattern != LEARNED:
            return tf.convert_to_tensor(self.starts)
        shares = tf.nn.softmax(self.config.pattern_rate * tf.convert_to_tensor(self.starts))
        return shares / tf.reduce_max(shares, -1, keepdims=True)

    @property
    def powers(self) -> np.ndarray:
        """X: the power of each LED in [0, 1], row by row, [LEDs]."""
        return np.asarray(self.chosen)

    @property
    def searching(self) -> Any:
        """Whether the pattern may still change in the next step."""
        return tf.cast(self.optimizer.iterations, tf.int64) < self.config.search_steps

    @property
    def precomputed_shape(self) -> tuple[int, int, int]:
        """That of `microscope.images`: an image for each LED."""
        return len(self.microscope.leds), *self.config.shape[:2]

    @property
    def trying(self) -> Any:
        """Whether the next step still tries several patterns; of fixed ones the search does so to its end."""
        cfg = self.config
        last = cfg.search_steps
        if cfg.pattern == LEARNED:
            last = min(cfg.trial_steps, last)
        return tf.cast(self.optimizer.iterations, tf.int64) < last

    def look(self, x, training):
        """Return exposures of phases: in a training step under a pattern each, otherwise under X.

        x may also be `microscope.images` of phases, which are then not simulated anew in every epoch.
        """
        rows = tf.shape(x)[0]
        powers = tf.repeat(tf.convert_to_tensor(self.chosen)[None], rows, 0)
        step: Any = 0
        if training:
            tried = tf.gather(self._powers(), self._pattern_of(rows))
            powers, step = tf.where(self.searching, tried, powers), self.optimizer.iterations
        shape = tf.stack([rows, *self.config.shape[:2]])
        noise = step_normal(shape, self.config.seed if training else -1, step)
        powers, light = limited(powers), tf.convert_to_tensor(x)
        if x.shape[1:] == self.config.shape:
            light = self.microscope.images(light, self._lit)
            powers = tf.gather(powers, self._lit, axis=1)
        return expose(light, powers, self.config.photons, self.config.read, noise)

    @cached_property
    def _lit(self) -> np.ndarray:
        """The LEDs that some pattern turns on; others need no simulation."""
        if self.config.pattern == LEARNED:
            return np.arange(len(self.microscope.leds))
        return np.flatnonzero(self._starts().any(0))

    def _pattern_of(self, rows: Any) -> Any:
        """Return which pattern each row of a batch is seen under, [rows]: the best, once it is known."""
        best = tf.argmin(tf.convert_to_tensor(self.mean_loss), output_type=tf.int32)
        return tf.where(self.trying, tf.range(rows) % self.starts.shape[0], best)

    def train_step(self, data):
        """Take one step of network and patterns; remember which pattern is described best, and take it."""
        searching, trying = self.searching, self.trying
        pattern = self._pattern_of(tf.shape(data[0])[0])

        def loss_of():
            nats, words, right = self.rows(data, True)
            total = tf.reduce_sum(words)
            loss = tf.reduce_sum(nats) / total
            return loss, (nats, words, {"loss": loss, "right": tf.reduce_sum(right) / total})

        nats, words, report = descend(self, loss_of)
        count = self.starts.shape[0]
        each = tf.math.unsorted_segment_sum(nats, pattern, count)
        each = each / tf.maximum(tf.math.unsorted_segment_sum(words, pattern, count), 1.0)
        mean = tf.convert_to_tensor(self.mean_loss)
        mean = tf.where(trying, _MEMORY * mean + (1 - _MEMORY) * each, mean)
        self.mean_loss.assign(mean)
        best = self._powers()[tf.argmin(mean)]
        # Many LEDs at a few percent each would take as much of the limited light as the best one.
        best = tf.where(best < self.config.floor * tf.reduce_max(best), 0.0, best)
        self.chosen.assign(tf.where(searching, best, tf.convert_to_tensor(self.chosen)))
        return self.track(report)

    @property
    def best_pattern(self) -> str:
        """The name of the fixed pattern that is X, or "learned"."""
        if self.config.pattern != FIXED:
            return self.config.pattern
        return list(self.microscope.patterns)[int(np.argmin(np.asarray(self.mean_loss)))]

    def files(self):
        """Return the vocabulary, and X as numbers and as a picture: what the microscope has to do."""
        scope = self.microscope
        leds = [
            {
                "row": k // scope.grid + 1, "column": k % scope.grid + 1,
                "y": round(float(y / scope.aperture), 4), "x": round(float(x / scope.aperture), 4),
                "power": round(float(power), 4),
            }
            for k, ((y, x), power) in enumerate(zip(scope.leds, self.powers, strict=True))
        ]  # fmt: skip
        said = {
            "pattern": self.best_pattern, "exposures": 1, "leds": leds,
            "units": "power: share of an LED's most; x, y: sine of its angle over the numerical aperture, "
            "beyond 1 is dark field",
        }  # fmt: skip
        return {
            **super().files(),
            "illumination.json": json.dumps(said, indent=1).encode(),
            "illumination.png": led_png(scope, self.powers),
        }

    def picture(self, x, label=None, seed=0):
        """Return rows: phases, what all LEDs show of them, and what X shows; differences are enlarged.

        `sentences` are what it says of the last row.
        """
        phase = np.asarray(self.shown(x), np.float32)
        rows = [phase]
        for powers in (np.ones_like(self.powers), self.powers):
            noise = step_normal(tf.constant([len(phase), *self.config.shape[:2]]), -1, 0)
            shown = np.asarray(
                expose(
                    self.microscope.images(phase), limited(np.repeat(powers[None], len(phase), 0)),
                    self.config.photons, self.config.read, noise,
                )
            )  # fmt: skip
            relative = shown / (shown.mean((1, 2), keepdims=True) + 1e-3) - 1
            rows.append(np.clip(0.5 + 2.5 * relative, 0, 1).astype(np.float32))
        return np.stack(rows)
