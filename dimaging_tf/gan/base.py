"""The game of two networks: what GAN, DCGAN and StackGAN share (Goodfellow et al. 2014, arXiv 1406.2661).

    z ──generator──> image G(z) ─┐
                                 ├──discriminator──> logit of "real"
                  real image x ──┘

A step moves both players at once, as the lecture's tutorial does (simultaneous gradient descent,
arXiv 1701.00160). That is also what makes it fast: one forward pass of the generator, one forward and one
backward pass of the discriminator over real and generated images together serve both costs
(`losses.gradient_ratio`); a usual loop takes two forward passes of the generator, three forward and three
backward passes of the discriminator. Where the discriminator looks at a batch as a whole (batch
normalisation), real and generated images go through it apart, and the generator's cost has a pass of its own.

image: float32 [B, H, W, C] in [0, 1]; noise: float32 [B, n], unit Gaussian; logits: float32 [B].
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.deployable import TrackedModel
from dimaging_tf.errors import near
from dimaging_tf.gan import losses
from dimaging_tf.gan.fast_backward import cheap_backward
from dimaging_tf.gan.optimizers import apply_adam, copy_at_rate
from dimaging_tf.training.steps import (
    replica_count,
    step_normal,
    step_uniform,
    synchronise_batch_norm,
)


@dataclass(frozen=True)
class GANConfig:
    """Rules of the game: the base of each model's Config."""

    g_cost: str = "non-saturating"  # the generator's cost: "non-saturating" | "minimax"
    label_smoothing: float = 0.0  # real images count as 1 - this
    gradient_penalty: float = 0.0  # weight; 0: off
    penalty: str = "r1"  # which: "r1" | "wgan-gp"
    spectral_normalisation: bool = False  # of every layer of the discriminator
    instance_noise: float = 0.0  # largest deviation of noise on what the discriminator sees
    ema: float = 0.999  # decay of the averaged generator, per step; 0: off
    d_rate: float = 1.0  # learning rate of the discriminator over the generator's; see `compile`
    seed: int = 0  # of the training noise

    def __post_init__(self):
        for name, known in (("g_cost", losses.G_LOSSES), ("penalty", losses.PENALTIES)):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"no {name} {value!r}; {near(value, known)}")
        for name, low, high in (("label_smoothing", 0, 0.5), ("ema", 0, 1)):
            if not low <= (value := getattr(self, name)) < high:
                raise ValueError(f"{name} must be in [{low}, {high}). Received: {value!r}")
        if self.d_rate <= 0:
            raise ValueError(f"d_rate must be more than 0. Received: {self.d_rate!r}")
        for name in ("gradient_penalty", "instance_noise"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"{name} must be 0 or more. Received: {value!r}")


class GANBase(TrackedModel):
    """The game itself: `compile(d_optimizer=, g_optimizer=)` and `fit(images[, conditions])`.

    A subclass sets `config` (a `GANConfig`), builds `generator` and `discriminator` (functional), calls
    `set_up_training()` at the end of its `__init__`, and overrides the hooks below where it needs to.
    """

    config: Any
    generator: keras.Model
    discriminator: keras.Model
    average: Any = None
    """The moving average of the generator, which is sampled and exported; None without it."""

    # ---- hooks -----------------------------------------------------------------------------------

    @property
    def noise_size(self) -> int:
        """Length n of the noise vector of an image."""
        return self.config.latent_dim

    def generate(self, noise, condition, training: bool, generator=None) -> tuple[Any, Any]:
        """(images, penalty): what the generator makes of the noise, and a scalar to add to J(G), or None.

        generator: `self.generator`, or its average.
        """
        inputs = noise if condition is None else {"z": noise, "label": condition}
        return (generator or self.generator)(inputs, training=training)["image"], None

    def discriminate(self, image, condition, training: bool):
        """Logits [B] or [B, 1]."""
        inputs = image if condition is None else {"image": image, "label": condition}
        return self.discriminator(inputs, training=training)["logit"]

    def condition_of(self, given):
        """What `fit` received beside the images -> the condition that both players are told, or None."""
        return given

    def wrong_condition(self, condition, step):
        """A condition that does not fit each real image, which then counts as generated; None: no such."""
        return

    @property
    def g_variables(self) -> list[Any]:
        """What the generator's step moves."""
        return self.generator.trainable_variables

    @property
    def d_variables(self) -> list[Any]:
        """What the discriminator's step moves."""
        return self.discriminator.trainable_variables

    # ---- set-up ----------------------------------------------------------------------------------

    def set_up_training(self) -> None:
        """Look at the networks, copy the generator for its average; the end of a subclass's `__init__`."""
        self.trackers = {n: keras.metrics.Mean(n) for n in ("d_loss", "g_loss", "d_real", "d_fake")}
        inner = list(self.discriminator._flatten_layers())
        # A batch normalisation ties the images of a batch together.
        self.rows_apart = not any(isinstance(x, layers.BatchNormalization) for x in inner)
        self.spectral = [x for x in inner if hasattr(x, "update_direction")]
        plain = self.rows_apart and type(self).discriminate is GANBase.discriminate
        self._cheap = cheap_backward(self.discriminator) if plain else None
        if self.config.ema:
            average: Any = keras.models.clone_model(self.generator)
            average.trainable = False
            average.set_weights(self.generator.get_weights())
            self.average = average

    def compile(self, optimizer=None, *, d_optimizer=None, g_optimizer=None, **more) -> None:
        """One optimizer for each player; `optimizer`: for both.

        The discriminator's is then a copy whose learning rate is `config.d_rate` times as large: a small
        one keeps it from winning (two time scales: Heusel et al. 2017, arXiv 1706.08500).
        The generator's counts the steps (`model.optimizer`).
        """
        optimizer = None if optimizer is None else keras.optimizers.get(optimizer)
        g_optimizer = optimizer if g_optimizer is None else keras.optimizers.get(g_optimizer)
        if d_optimizer is None and optimizer is not None:
            d_optimizer = copy_at_rate(optimizer, self.config.d_rate)
        if g_optimizer is None or d_optimizer is None:
            raise ValueError(
                f"{self.name}: each player needs an optimizer: compile(d_optimizer=..., "
                "g_optimizer=...)"
            )
        d_optimizer = keras.optimizers.get(d_optimizer)
        if d_optimizer is g_optimizer:
            raise ValueError(
                f"{self.name}: the players need an optimizer each. Received the same one twice"
            )
        for network in (self.generator, self.discriminator):
            synchronise_batch_norm(network)
        super().compile(optimizer=g_optimizer, auto_scale_loss=False, **more)
        self.d_optimizer = d_optimizer
        # Built now, so that a file restores both.
        self.optimizer.build(self.g_variables)
        self.d_optimizer.build(self.d_variables)

    def set_learning_rate(self, rate: float) -> None:
        """The generator's; the discriminator's is `config.d_rate` times that."""
        self.optimizer.learning_rate = rate
        self.d_optimizer.learning_rate = rate * self.config.d_rate

    @property
    def optimizers(self) -> list[Any]:
        """The discriminator's and the generator's."""
        return [self.d_optimizer, self.optimizer]

    def get_compile_config(self):
        """Both optimizers."""
        serialize = keras.optimizers.serialize
        return {
            "d_optimizer": serialize(self.d_optimizer),
            "g_optimizer": serialize(self.optimizer),
        }

    def compile_from_config(self, config):
        """The inverse."""
        found = {k: keras.optimizers.deserialize(v) for k, v in config.items()}
        self.compile(**found)

    def call(self, inputs):
        """Z, or {"z": ..., "label": ...} -> images, by the averaged generator."""
        return (self.average or self.generator)(inputs)["image"]

    # ---- the game --------------------------------------------------------------------------------

    def train_step(self, data):
        """One step of both players. data: images, or (images, conditions)."""
        real, given, _ = keras.utils.unpack_x_y_sample_weight(data)
        real, condition = tf.convert_to_tensor(real), self.condition_of(given)
        # A copy: the optimizer counts on in the middle of the step.
        rules, step = self.config, tf.identity(self.optimizer.iterations.value)
        noise = step_normal(self._noise_shape(real), rules.seed, step)
        with tf.GradientTape() as g_tape:
            fake, extra = self.generate(noise, condition, training=True)
            fake = self._noisy(fake, rules.seed + 2, step)
        real = self._noisy(real, rules.seed + 4, step)
        wrong = self.wrong_condition(condition, step)
        with tf.GradientTape(persistent=not self.rows_apart) as d_tape:
            d_tape.watch(fake)
            logits = self._discriminate_all(real, fake, condition, wrong, training=True)
            d_loss = losses.discriminator_loss(smoothing=rules.label_smoothing, **logits)
            g_loss = losses.generator_loss(rules.g_cost, smoothing=rules.label_smoothing, **logits)
            whole = d_loss
            if rules.gradient_penalty:
                at = step_uniform(tf.shape(real)[:1], rules.seed + 1, step)
                see = lambda x: self.discriminate(x, condition, training=True)  # noqa: E731
                whole += rules.gradient_penalty * losses.gradient_penalty(
                    rules.penalty, see, real, tf.stop_gradient(fake), at
                )
        d_variables, g_variables = self.d_variables, self.g_variables
        if self.rows_apart:
            gradient: Any
            *d_gradients, gradient = d_tape.gradient(whole, [*d_variables, fake])
            share = 1.0 if wrong is None else 0.5
            ratio = losses.gradient_ratio(rules.g_cost, logits["fake"], share)
            gradient = gradient * tf.cast(
                tf.reshape(ratio, [-1] + [1] * (len(fake.shape) - 1)), fake.dtype
            )
        else:
            d_gradients = d_tape.gradient(whole, d_variables)
            gradient = d_tape.gradient(g_loss, fake)
            del d_tape
        targets, gradients = [fake], [gradient]
        if extra is not None:
            targets, gradients, g_loss = (
                [fake, extra],
                [gradient, tf.ones_like(extra)],
                g_loss + extra,
            )
        g_gradients = g_tape.gradient(targets, g_variables, output_gradients=gradients)
        self._apply(self.d_optimizer, d_gradients, d_variables)
        self._apply(self.optimizer, g_gradients, g_variables)
        for layer in self.spectral:
            layer.update_direction()
        self._move_average(step)
        return self._track(d_loss, g_loss, logits)

    def test_step(self, data):
        """The same noise in every evaluation, so that epochs compare."""
        real, given, _ = keras.utils.unpack_x_y_sample_weight(data)
        condition = self.condition_of(given)
        noise = step_normal(self._noise_shape(real), -1, 0)
        fake, _ = self.generate(noise, condition, False, self.average)
        wrong = self.wrong_condition(condition, tf.constant(0))
        logits = self._discriminate_all(real, fake, condition, wrong, training=False)
        rules = self.config
        d_loss = losses.discriminator_loss(smoothing=rules.label_smoothing, **logits)
        g_loss = losses.generator_loss(rules.g_cost, smoothing=rules.label_smoothing, **logits)
        return self._track(d_loss, g_loss, logits)

    def _noisy(self, image, seed: int, step):
        """Images under noise, of a deviation between 1 % of `config.instance_noise` and all of it.

        Log-uniform, each image its own. The discriminator of a sharp distribution says nothing between two
        modes, so nothing drives samples from one with too many to one with too few; under wide noise the
        modes overlap, and narrow noise keeps them sharp (instance noise: arXiv 1610.04490; of many sizes
        at a time: Wang et al. 2022, arXiv 2206.02262).
        """
        if not (most := self.config.instance_noise):
            return image
        size, rank = tf.shape(image), len(image.shape)
        deviation = most * tf.pow(0.01, step_uniform(size[:1], seed, step))
        deviation = tf.reshape(deviation, [-1] + [1] * (rank - 1))
        return image + tf.cast(deviation * step_normal(size, seed + 1, step), image.dtype)

    def _discriminate_all(self, real, fake, condition, wrong, training: bool) -> dict[str, Any]:
        """Logits [B] of real, generated and, where there are such, wrongly described images."""
        images, conditions = [real, tf.cast(fake, real.dtype)], [condition, condition]
        if wrong is not None:
            images, conditions = [*images, real], [*conditions, wrong]
        if self._cheap is not None and condition is None:
            found = self._cheap(images, training)
            found = tf.split(tf.cast(tf.reshape(found, [-1]), tf.float32), len(images))
        elif self.rows_apart:
            whole = None
            if condition is not None:
                whole = tf.nest.map_structure(lambda *c: tf.concat(c, 0), *conditions)
            found = self.discriminate(tf.concat(images, 0), whole, training=training)
            found = tf.split(tf.cast(tf.reshape(found, [-1]), tf.float32), len(images))
        else:
            found = [
                self.discriminate(x, c, training) for x, c in zip(images, conditions, strict=True)
            ]
            found = [tf.cast(tf.reshape(x, [-1]), tf.float32) for x in found]
        return dict(zip(("real", "fake", "wrong"), found, strict=False))

    def _apply(self, optimizer, gradients, variables) -> None:
        if (count := replica_count()) > 1:  # see `training.steps`
            gradients = [x / count for x in gradients]
        if not apply_adam(optimizer, gradients, variables):
            optimizer.apply(gradients, variables)

    def _move_average(self, step) -> None:
        """Average <- average + (1 - decay) (generator - average); the first steps weigh more."""
        if self.average is None:
            return
        done = tf.cast(step, tf.float32)
        rate = 1 - tf.minimum(self.config.ema, (1 + done) / (10 + done))
        pairs = [
            (a.value, w.value)
            for a, w in zip(self.average.weights, self.generator.weights, strict=True)
        ]
        if replica_count() == 1:
            for a, w in pairs:
                a.assign_add(tf.cast(rate, a.dtype) * (w - a))
            return

        def together(strategy, rate):
            move = lambda a, w, r: a.assign_add(tf.cast(r, a.dtype) * (w - a))  # noqa: E731
            for a, w in pairs:
                strategy.extended.update(a, move, args=(w, rate))

        tf.distribute.get_replica_context().merge_call(together, args=(rate,))

    def _noise_shape(self, image):
        return tf.stack([tf.shape(image)[0], self.noise_size])

    def _track(self, d_loss, g_loss, logits):
        sure = {f"d_{name}": tf.sigmoid(logits[name]) for name in ("real", "fake")}
        return self.track({"d_loss": d_loss, "g_loss": g_loss, **sure})

    # ---- samples ---------------------------------------------------------------------------------

    def noise(self, n: int, seed: int = 0) -> np.ndarray:
        """Unit Gaussian float32 [n, noise_size], always the same of a seed."""
        return np.random.default_rng(seed).standard_normal((n, self.noise_size), np.float32)
