"""The adversarial training that GAN, DCGAN and StackGAN share (Goodfellow et al. 2014, arXiv 1406.2661).

    z ──generator──> image G(z) ─┐
                                 ├──discriminator──> logit of "real"
                  real image x ──┘

A step moves both players at once, as the lecture's tutorial does (simultaneous gradient descent,
arXiv 1701.00160). This also makes a step fast: one forward pass of the generator, and one forward and one
backward pass of the discriminator over real and generated images together, give the gradients of both losses
(`losses.gradient_ratio`). A usual loop takes two forward passes of the generator, and three forward and three
backward passes of the discriminator. Where the discriminator has batch normalisation, an image's logit
depends on the whole batch; then real and generated images pass through it separately, and the generator's
loss has a backward pass of its own.

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
    step_of,
    step_uniform,
    synchronise_batch_norm,
    unpack,
)


@dataclass(frozen=True)
class GANConfig:
    """Settings of the adversarial training; the Config of each GAN derives from it."""

    g_cost: str = "non-saturating"  # the generator's loss J(G): "non-saturating" | "minimax"
    label_smoothing: float = 0.0  # the target of real images is 1 - label_smoothing
    gradient_penalty: float = 0.0  # weight of the gradient penalty; 0: none
    penalty: str = "r1"  # the kind of gradient penalty: "r1" | "wgan-gp"
    spectral_normalisation: bool = False  # normalise every layer of the discriminator
    instance_noise: float = 0.0  # largest deviation of the noise on the discriminator's images
    ema: float = 0.999  # decay of the averaged generator in a step; 0: no average
    d_rate: float = 1.0  # learning rate of the discriminator over the generator's; see `compile`
    seed: int = 0  # seed of the training noise

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
    """A generator and a discriminator: `compile(d_optimizer=, g_optimizer=)`, `fit(images[, conditions])`.

    A subclass sets `config` (a `GANConfig`), builds `generator` and `discriminator` (functional), calls
    `set_up_training()` at the end of its `__init__`, and overrides the hooks below where it needs to.
    """

    config: Any
    generator: keras.Model
    discriminator: keras.Model
    average: Any = None
    """The moving average of the generator, which is sampled and exported; None where `config.ema` is 0."""

    # ---- hooks -----------------------------------------------------------------------------------

    @property
    def noise_size(self) -> int:
        """The length n of an image's noise vector."""
        return self.config.latent_dim

    def generate(self, noise, condition, training: bool, generator=None) -> tuple[Any, Any]:
        """Return (images, penalty): generated images, and a scalar to add to J(G) or None.

        generator: the network to use, by default `self.generator`; its average is the other choice.
        """
        inputs = noise if condition is None else {"z": noise, "label": condition}
        return (generator or self.generator)(inputs, training=training)["image"], None

    def discriminate(self, image, condition, training: bool):
        """Return the discriminator's logits, [B] or [B, 1]."""
        inputs = image if condition is None else {"image": image, "label": condition}
        return self.discriminator(inputs, training=training)["logit"]

    def condition_of(self, given):
        """Turn what `fit` received beside the images into both players' condition; None: no condition."""
        return given

    def wrong_condition(self, condition, step):
        """Return a condition that does not fit for each real image, or None.

        A real image beside a wrong condition counts as generated (see `losses.discriminator_loss`).
        """
        return

    @property
    def g_variables(self) -> list[Any]:
        """The weights that the generator's step moves."""
        return self.generator.trainable_variables

    @property
    def d_variables(self) -> list[Any]:
        """The weights that the discriminator's step moves."""
        return self.discriminator.trainable_variables

    # ---- set-up ----------------------------------------------------------------------------------

    def set_up_training(self) -> None:
        """Make the trackers and the averaged generator; a subclass calls this last in its `__init__`."""
        self.trackers = {n: keras.metrics.Mean(n) for n in ("d_loss", "g_loss", "d_real", "d_fake")}
        inner = list(self.discriminator._flatten_layers())
        # Whether an image's logit depends on that image alone: a batch normalisation mixes a batch's rows.
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
        """Take an optimizer for each player, or `optimizer` for both.

        From one `optimizer` the discriminator gets a copy whose learning rate is `config.d_rate` times as
        large: a small rate keeps it from winning (two time scales: Heusel et al. 2017, arXiv 1706.08500).
        It stays so where a callback changes the rate, such as LearningRateScheduler; of two optimizers a
        callback changes the generator's alone. `model.optimizer` is the generator's; its `iterations` count
        the steps.
        """
        follows = optimizer is not None and d_optimizer is None and g_optimizer is None
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
                f"{self.name}: each player needs an optimizer of its own. Received the same one twice"
            )
        for network in (self.generator, self.discriminator):
            synchronise_batch_norm(network)
        super().compile(optimizer=g_optimizer, auto_scale_loss=False, **more)
        self.d_optimizer = d_optimizer
        self._follows, self._rate = follows, self._g_rate()
        # An optimizer is restored from a file only if its variables exist by then.
        self.optimizer.build(self.g_variables)
        self.d_optimizer.build(self.d_variables)

    def set_learning_rate(self, rate: float) -> None:
        """Set the generator's learning rate, and the discriminator's to `config.d_rate` times that."""
        self.optimizer.learning_rate = rate
        self.d_optimizer.learning_rate = rate * self.config.d_rate
        self._rate = self._g_rate()

    def _g_rate(self) -> float | None:
        """Return the generator's learning rate; None for a schedule, which both optimizers have."""
        rate = self.optimizer._learning_rate
        found = keras.ops.convert_to_numpy(rate) if isinstance(rate, keras.Variable) else None
        return None if found is None else float(found)

    def make_train_function(self, force: bool = False) -> None:
        """Make it as Keras does; before a step the discriminator's rate follows the generator's."""
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        step = self.train_function

        def following(iterator):
            if self._follows and (rate := self._g_rate()) != self._rate and rate is not None:
                self.set_learning_rate(rate)
            return step(iterator)

        self.train_function = following

    @property
    def optimizers(self) -> list[Any]:
        """The optimizers of the discriminator and of the generator."""
        return [self.d_optimizer, self.optimizer]

    def get_compile_config(self):
        """Return both optimizers as Keras writes them to a file; None before `compile`."""
        if not self.compiled:
            return None
        serialize = keras.optimizers.serialize
        return {
            "d_optimizer": serialize(self.d_optimizer),
            "g_optimizer": serialize(self.optimizer),
            "follows": self._follows,
        }

    def compile_from_config(self, config):
        """Compile with the optimizers that `get_compile_config` described."""
        found = {k: keras.optimizers.deserialize(config[k]) for k in ("d_optimizer", "g_optimizer")}
        self.compile(**found)
        self._follows = config.get("follows", False)  # files of before do not say

    def call(self, inputs):
        """Generate images from z, or from {"z", "label"}, with the averaged generator."""
        return (self.average or self.generator)(inputs)["image"]

    # ---- training --------------------------------------------------------------------------------

    def train_step(self, data):
        """Take one step of both players. data: images, or (images, conditions)."""
        real, given, _ = unpack(data)
        condition = self.condition_of(given)
        # The optimizer increments its counter in the middle of the step, so the count is copied first.
        config, step = self.config, tf.identity(step_of(self.optimizer))
        noise = step_normal(self._noise_shape(real), config.seed, step)
        with tf.GradientTape() as g_tape:
            fake, penalty = self.generate(noise, condition, training=True)
            fake = self._noisy(fake, config.seed + 2, step)
        real = self._noisy(real, config.seed + 4, step)
        wrong = self.wrong_condition(condition, step)
        with tf.GradientTape(persistent=not self.rows_apart) as d_tape:
            d_tape.watch(fake)
            logits = self._discriminate_all(real, fake, condition, wrong, training=True)
            d_loss, g_loss = self._losses_of(logits)
            d_objective = d_loss
            if config.gradient_penalty:
                mix = step_uniform(tf.shape(real)[:1], config.seed + 1, step)
                logit_of = lambda x: self.discriminate(x, condition, training=True)  # noqa: E731
                d_objective += config.gradient_penalty * losses.gradient_penalty(
                    config.penalty, logit_of, real, tf.stop_gradient(fake), mix
                )
        d_variables, g_variables = self.d_variables, self.g_variables
        at_fake: Any  # the gradient of J(G) at the generated images
        if self.rows_apart:
            *d_gradients, at_fake = d_tape.gradient(d_objective, [*d_variables, fake])
            share = 1.0 if wrong is None else 0.5
            ratio = losses.gradient_ratio(config.g_cost, logits["fake"], share)
            ratio = tf.reshape(ratio, [-1] + [1] * (len(fake.shape) - 1))
            at_fake = at_fake * tf.cast(ratio, fake.dtype)
        else:
            d_gradients = d_tape.gradient(d_objective, d_variables)
            at_fake = d_tape.gradient(g_loss, fake)
            del d_tape
        targets, at_targets = [fake], [at_fake]
        if penalty is not None:
            targets, at_targets = [fake, penalty], [at_fake, tf.ones_like(penalty)]
            g_loss = g_loss + penalty
        g_gradients = g_tape.gradient(targets, g_variables, output_gradients=at_targets)
        self._apply(self.d_optimizer, d_gradients, d_variables)
        self._apply(self.optimizer, g_gradients, g_variables)
        for layer in self.spectral:
            layer.update_direction()
        self._move_average(step)
        return self._track(d_loss, g_loss, logits)

    def test_step(self, data):
        """Evaluate both losses, on the same noise every time, so that epochs can be compared."""
        real, given, _ = unpack(data)
        condition = self.condition_of(given)
        noise = step_normal(self._noise_shape(real), -1, 0)
        fake, _ = self.generate(noise, condition, False, self.average)
        wrong = self.wrong_condition(condition, tf.constant(0))
        logits = self._discriminate_all(real, fake, condition, wrong, training=False)
        return self._track(*self._losses_of(logits), logits)

    def _losses_of(self, logits: dict[str, Any]) -> tuple[Any, Any]:
        """Return J(D) and J(G) for the logits of `_discriminate_all`."""
        config = self.config
        d_loss = losses.discriminator_loss(smoothing=config.label_smoothing, **logits)
        g_loss = losses.generator_loss(config.g_cost, smoothing=config.label_smoothing, **logits)
        return d_loss, g_loss

    def _noisy(self, image, seed: int, step):
        """Add noise whose deviation is between 1 % of `config.instance_noise` and all of it.

        Each image draws its own deviation, log-uniformly. Between two modes of a sharp distribution the
        discriminator has no gradient, so nothing drives samples from a mode with too many to one with too
        few. Under wide noise the modes overlap, and narrow noise keeps them sharp (instance noise:
        arXiv 1610.04490; noise of many sizes: Wang et al. 2022, arXiv 2206.02262).
        """
        if not (most := self.config.instance_noise):
            return image
        size, rank = tf.shape(image), len(image.shape)
        deviation = most * tf.pow(0.01, step_uniform(size[:1], seed, step))
        deviation = tf.reshape(deviation, [-1] + [1] * (rank - 1))
        return image + tf.cast(deviation * step_normal(size, seed + 1, step), image.dtype)

    def _discriminate_all(self, real, fake, condition, wrong, training: bool) -> dict[str, Any]:
        """Return the logits [B] of "real" and "fake" images and, where `wrong` is given, of "wrong" pairs."""
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
        """Apply gradients of a mean over this replica's rows."""
        if (count := replica_count()) > 1:  # see `training.steps`
            gradients = [x / count for x in gradients]
        if not apply_adam(optimizer, gradients, variables):
            optimizer.apply(gradients, variables)

    def _move_average(self, step) -> None:
        """Move the average: average <- average + (1 - decay) (generator - average).

        The decay is smaller in the first steps, min(ema, (1 + step) / (10 + step)), so that the random
        initial weights are forgotten soon.
        """
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
        """Draw unit Gaussian float32 [n, noise_size], a function of the seed alone."""
        return np.random.default_rng(seed).standard_normal((n, self.noise_size), np.float32)
