"""Generative adversarial network, dense (lecture: "GAN"; Goodfellow et al. 2014, arXiv 1406.2661).

    z ──256──512──1024── image G(z)          LeakyReLU 0.2, batch normalisation
    image ──512──256──1── logit of "real"    LeakyReLU 0.2: the lecture's listing

image: float32 [B, H, W, C] in [0, 1]; z: float32 [B, latent_dim], unit Gaussian; label: float32
[B, classes], one-hot; logit: float32 [B, 1]. The training is that of `gan.base.GANBase`.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers

from dimaging_tf.gan.image_gan import ImageGAN, ImageGANConfig
from dimaging_tf.layers.spectral import SpectralDense


@dataclass(frozen=True)
class Config(ImageGANConfig):
    """Networks for 28x28 digits."""

    g_hidden: tuple[int, ...] = (256, 512, 1024)  # units of the generator's layers
    d_hidden: tuple[int, ...] = (512, 256)  # units of the discriminator's layers
    batch_norm: bool = True  # batch normalisation in the generator
    dropout: float = 0.0  # share of units that the discriminator leaves out in a training step


def build_generator(config: Config) -> keras.Model:
    """Build the generator: z, or {"z", "label"} -> {"image"}."""
    inputs = {"z": keras.Input((config.latent_dim,), name="z")}
    x = inputs["z"]
    if config.classes:
        inputs["label"] = keras.Input((config.classes,), name="label")
        x = layers.Concatenate()([x, inputs["label"]])
    for units in config.g_hidden:
        x = layers.Dense(units, use_bias=not config.batch_norm)(x)
        if config.batch_norm:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(math.prod(config.shape), activation="sigmoid")(x)
    image = layers.Reshape(config.shape)(x)
    return keras.Model(
        inputs if config.classes else inputs["z"], {"image": image}, name="generator"
    )


def build_discriminator(config: Config) -> keras.Model:
    """Build the discriminator: image, or {"image", "label"} -> {"logit"}."""
    dense = SpectralDense if config.spectral_normalisation else layers.Dense
    inputs = {"image": keras.Input(config.shape, name="image")}
    x = layers.Rescaling(2.0, -1.0)(layers.Flatten()(inputs["image"]))
    if config.classes:
        inputs["label"] = keras.Input((config.classes,), name="label")
        x = layers.Concatenate()([x, inputs["label"]])
    for units in config.d_hidden:
        x = layers.LeakyReLU(0.2)(dense(units)(x))
        if config.dropout:
            x = layers.Dropout(config.dropout)(x)
    outputs = {"logit": dense(1)(x)}
    return keras.Model(inputs if config.classes else inputs["image"], outputs, name="discriminator")


@keras.saving.register_keras_serializable("dimaging")
class GAN(ImageGAN):
    """The dense GAN: `compile(d_optimizer=, g_optimizer=)`, `fit(images)`, `sample(n)`."""

    config_class = Config
    registry_name = "gan"
    build_generator = staticmethod(build_generator)
    build_discriminator = staticmethod(build_discriminator)
