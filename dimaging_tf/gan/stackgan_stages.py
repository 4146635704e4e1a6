"""The two stages of StackGAN: their networks, and the GAN that trains each.

    text ─dense─> mean, log_variance ─> c = mean + exp(log_variance / 2) condition_noise     (augmentation)

    Stage I    c, noise ──dense──> 4x4 ──[doubled, 3x3]..──> low
    Stage II   low ──3x3──+ c at every pixel──3x3──residual──[transposed 4x4, 3x3]..──> image
    D          picture ──[4x4, stride 2]..──> 4x4 ──+ text at every pixel──1x1──3x3──> logit

Conditioning augmentation smooths the space of texts: the condition c is drawn from a Gaussian around each
text, and the KL of that Gaussian from the unit Gaussian is part of the generator's loss (arXiv 1612.03242,
section 3.2). The discriminators are matching-aware: a real picture beside a wrong text counts as generated.

low, image: float32 in [0, 1]; text [B, D], condition_noise [B, condition_dim] and noise [B, noise_dim]
float32, the last two unit Gaussian; logit float32 [B, 1].
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from dimaging_tf.gan import caption_matching
from dimaging_tf.gan.base import GANBase
from dimaging_tf.layers.spectral import SpectralConv2D, SpectralDense


def build_stage1(config: Any) -> keras.Model:
    """Build the generator of stage I: text, condition_noise, noise -> {"low", "mean", "log_variance"}."""
    inputs = _condition_inputs(config)
    inputs["noise"] = keras.Input((config.noise_dim,), name="noise")
    c, statistics = _augmented(config, inputs)
    filters, side = config.generator1, 4
    x = layers.Concatenate()([c, inputs["noise"]])
    x = layers.Reshape((4, 4, filters))(_normal(layers.Dense(16 * filters, use_bias=False)(x)))
    while side < config.low_side:
        filters, side = filters // 2, 2 * side
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(layers.UpSampling2D()(x))
        x = _normal(x)
    low = layers.Conv2D(config.shape[-1], 3, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, {"low": low, **statistics}, name="stage1")


def build_stage2(config: Any) -> keras.Model:
    """Build the generator of stage II: low, text, condition_noise -> {"image", "mean", "log_variance"}."""
    inputs, side = _condition_inputs(config), config.low_side
    inputs["low"] = keras.Input((side, side, config.shape[-1]), name="low")
    c, statistics = _augmented(config, inputs)
    first = config.generator2
    filters = 2 * first // 3
    x = layers.Conv2D(filters, 3, padding="same", activation="relu")(inputs["low"])
    x = layers.Concatenate()([x, _everywhere(c, side)])
    x = _normal(layers.Conv2D(first, 3, padding="same", use_bias=False)(x))
    h = _normal(layers.Conv2D(first, 3, padding="same", use_bias=False)(x))
    h = layers.BatchNormalization(momentum=0.9)(
        layers.Conv2D(first, 3, padding="same", use_bias=False)(h)
    )
    x = layers.ReLU()(layers.Add()([x, h]))
    for _ in range(config.factor.bit_length() - 2):
        x = layers.Conv2DTranspose(filters, 4, 2, padding="same", use_bias=False)(x)
        x = _normal(layers.Conv2D(filters, 3, padding="same", use_bias=False)(_normal(x)))
    image = layers.Conv2DTranspose(config.shape[-1], 4, 2, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, {"image": image, **statistics}, name="stage2")


def build_discriminator(config: Any, side: int, filters: int, name: str) -> keras.Model:
    """Build a discriminator: picture [B, side, side, C], text -> {"logit"}."""
    conv, dense = layers.Conv2D, layers.Dense
    if config.spectral_normalisation:
        conv, dense = SpectralConv2D, SpectralDense
    picture = keras.Input((side, side, config.shape[-1]), name="picture")
    text = keras.Input((config.text_dim,), name="text")
    x = layers.Rescaling(2.0, -1.0)(picture)
    for count in caption_matching.doubled(filters, side):
        x = layers.LeakyReLU(0.2)(conv(count, 4, 2, padding="same")(x))
    condition = layers.LeakyReLU(0.2)(dense(config.condition_dim)(text))
    x = layers.Concatenate()([x, _everywhere(condition, 4)])
    x = layers.LeakyReLU(0.2)(conv(2 * filters, 1)(x))
    x = layers.LeakyReLU(0.2)(conv(2 * filters, 3, padding="same")(x))
    logit = dense(1)(layers.Flatten()(x))
    return keras.Model({"picture": picture, "text": text}, {"logit": logit}, name=name)


def _condition_inputs(config: Any) -> dict[str, Any]:
    return {
        "text": keras.Input((config.text_dim,), name="text"),
        "condition_noise": keras.Input((config.condition_dim,), name="condition_noise"),
    }


def _augmented(config: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the augmented condition c, and the mean and log-variance of its Gaussian by name."""
    h = layers.LeakyReLU(0.2)(layers.Dense(2 * config.condition_dim)(inputs["text"]))
    mean, log_variance = (
        layers.Dense(config.condition_dim, name=n)(h) for n in ("mean", "log_variance")
    )
    spread = ops.exp(layers.Rescaling(0.5)(log_variance))
    c = layers.Add()([mean, layers.Multiply()([spread, inputs["condition_noise"]])])
    return c, {"mean": mean, "log_variance": log_variance}


def _normal(x):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _everywhere(vector, side: int):
    """Repeat a vector [B, n] at every pixel: [B, side, side, n]."""
    return layers.UpSampling2D(side)(layers.Reshape((1, 1, vector.shape[-1]))(vector))


class StackGANStage(GANBase):
    """The GAN of one stage: `train_step((pictures, texts))`, pictures [B, side, side, C].

    match    (picture, text) -> the matching loss of generated pictures, a part of the generator's loss
    before   (text, noise) -> low, what stage I draws; given for stage II alone, whose noise begins with
             the noise of stage I
    """

    def __init__(
        self,
        config: Any,
        generator: keras.Model,
        discriminator: keras.Model,
        match: Callable[[Any, Any], Any],
        before: Callable[[Any, Any], Any] | None = None,
    ):
        super().__init__(name=generator.name)
        self.config, self.built = config, True
        self.generator, self.discriminator = generator, discriminator
        self.match, self.before = match, before
        self.drawn = "image" if before else "low"
        self.set_up_training()

    @property
    def noise_size(self) -> int:
        """The length of the noise of condition and picture; stage II needs that of both stages."""
        config = self.config
        first = config.condition_dim + config.noise_dim
        return first + config.condition_dim if self.before else first

    def draw(self, noise, text, training: bool = False, generator: Any = None):
        """Return all outputs of the generator by name, for noise [B, noise_size] and texts [B, D]."""
        config = self.config
        first = config.condition_dim + config.noise_dim
        inputs = {"text": text, "condition_noise": noise[:, -config.condition_dim :]}
        if self.before:
            inputs["low"] = self.before(text, noise[:, :first])
        else:
            inputs["noise"] = noise[:, : config.noise_dim]
        return (generator or self.generator)(inputs, training=training)

    def generate(self, noise, condition, training, generator=None):
        """Return generated pictures, and the penalty: KL of the Gaussians, and the matching loss."""
        found = self.draw(noise, condition, training, generator)
        picture, mean, log_variance = (found[n] for n in (self.drawn, "mean", "log_variance"))
        kl = 0.5 * tf.reduce_mean(mean**2 + tf.exp(log_variance) - 1 - log_variance)
        return picture, self.config.kl * kl + self.config.match * self.match(picture, condition)

    def discriminate(self, image, condition, training):
        """Return the discriminator's logits [B, 1] of pictures beside texts."""
        inputs = {"picture": image, "text": condition}
        return self.discriminator(inputs, training=training)["logit"]

    def wrong_condition(self, condition, step):
        """Return texts of other pictures of the batch, preferring similar ones."""
        return caption_matching.near_miss(condition, self.config.seed + 2, step)


# Keras files a layer's weights under its class name, and .keras files call this class Stage.
StackGANStage.__name__ = "Stage"
