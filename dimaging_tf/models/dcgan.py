"""Convolutional GAN (lecture: "DCGAN"; Radford et al. 2016, arXiv 1511.06434).

    z ──project──> 7x7x2w ──deconv 1──> 14x14xw ──deconv 2──> 28x28xC         (64x64: 4x4 and deconv 1..4)
    image ──conv──> 14x14xw ──conv──> 7x7x2w ──dense──> logit of "real"

Each deconvolution doubles the size: it is a transposed convolution, or a nearest-neighbour resize and a
convolution, which leaves no checkerboard. The generator has batch normalisation and ReLU; the discriminator
has LeakyReLU 0.2 and no batch normalisation, so that one pass serves both players (`gan.base`).

image: float32 [B, H, W, C] in [0, 1]; z: float32 [B, latent_dim], unit Gaussian; label: float32
[B, classes], one-hot; logit: float32 [B, 1].
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from dimaging_tf.gan.image_gan import ImageGAN, ImageGANConfig
from dimaging_tf.layers.spectral import SpectralConv2D, SpectralDense

UPSAMPLINGS = ("transposed", "resize")
"""Names of the ways in which the generator doubles height and width."""


@dataclass(frozen=True)
class Config(ImageGANConfig):
    """Networks for images from 28x28 in grey to 64x64 in RGB."""

    latent_dim: int = 24  # length of z; digits are learned sooner than with 64
    width: int = 64  # channels at half the image's size; twice as many at each smaller size
    max_width: int = 256  # most channels of a layer
    kernel: int = 4  # side of every kernel, pixels
    d_hidden: int = 128  # units of the discriminator's dense layer before the logit; 0: none
    upsampling: str = "transposed"  # "transposed" | "resize"
    d_batch_norm: bool = False  # also normalise the discriminator's batches, as the paper: slower
    dropout: float = 0.0  # share of values that the discriminator leaves out in a training step

    def __post_init__(self):
        super().__post_init__()
        if self.upsampling not in UPSAMPLINGS:
            raise ValueError(
                f"dcgan: upsampling must be transposed or resize. Received: {self.upsampling!r}"
            )
        if self.d_batch_norm and self.spectral_normalisation:
            raise ValueError("dcgan: d_batch_norm would undo spectral_normalisation; choose one")
        start = _start(self.shape)
        if len(_sizes(self.shape)) < 2 or max(start) > 12:
            raise ValueError(
                "dcgan: height and width must be a number up to 12 doubled a few times, such as 28, "
                f"32, 48 or 64. Received: {self.shape[0]}x{self.shape[1]}"
            )


def _sizes(shape: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Return (height, width) of the feature maps, from the projection's up to the image's."""
    sizes = [shape[:2]]
    while all(side % 2 == 0 and side > 4 for side in sizes[0]):
        height, width = sizes[0]
        sizes.insert(0, (height // 2, width // 2))
    return sizes


def _start(shape: tuple[int, int, int]) -> tuple[int, int]:
    return _sizes(shape)[0]


def _widths(config: Config) -> list[int]:
    """Return the channels of the feature maps, from half the image's size down."""
    return [
        min(config.width * 2**k, config.max_width) for k in range(len(_sizes(config.shape)) - 1)
    ]


def build_generator(config: Config) -> keras.Model:
    """Build the generator: z, or {"z", "label"} -> {"image"}."""
    inputs = {"z": keras.Input((config.latent_dim,), name="z")}
    x = inputs["z"]
    if config.classes:
        inputs["label"] = keras.Input((config.classes,), name="label")
        x = layers.Concatenate()([x, inputs["label"]])
    widths = _widths(config)[::-1]
    height, width = _start(config.shape)
    x = layers.Dense(height * width * widths[0], use_bias=False, name="project")(x)
    x = layers.Reshape((height, width, widths[0]))(x)
    for k, filters in enumerate(widths[1:], 1):
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = _deconv(config, filters, f"deconv{k}", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = _deconv(config, config.shape[2], f"deconv{len(widths)}", activation="sigmoid")(x)
    return keras.Model(inputs if config.classes else inputs["z"], {"image": x}, name="generator")


def _deconv(config: Config, filters: int, name: str, **more: Any) -> Any:
    """Return a layer that doubles height and width, in the way that the Config asks for."""
    if config.upsampling == "transposed":
        return layers.Conv2DTranspose(filters, config.kernel, 2, padding="same", name=name, **more)
    kernel = min(config.kernel, 3)  # reaches as far as a transposed kernel of 4
    convolution = layers.Conv2D(filters, kernel, padding="same", name=name, **more)
    return lambda x: convolution(layers.UpSampling2D(interpolation="nearest")(x))


def build_discriminator(config: Config) -> keras.Model:
    """Build the discriminator: image, or {"image", "label"} -> {"logit"}."""
    conv, dense = layers.Conv2D, layers.Dense
    if config.spectral_normalisation:
        conv, dense = SpectralConv2D, SpectralDense
    inputs = {"image": keras.Input(config.shape, name="image")}
    x = layers.Rescaling(2.0, -1.0)(inputs["image"])
    for k, filters in enumerate(_widths(config)):
        x = conv(filters, config.kernel, 2, padding="same", name=f"conv{k + 1}")(x)
        if config.d_batch_norm and k:  # as in the paper, not in the first layer
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.LeakyReLU(0.2)(x)
        if config.dropout:
            x = layers.Dropout(config.dropout)(x)
    x = layers.Flatten()(x)
    if config.d_hidden:
        x = layers.LeakyReLU(0.2)(dense(config.d_hidden, name="hidden")(x))
    logit = dense(1, name="logit")(x)
    if config.classes:
        # A projection discriminator (Miyato and Koyama 2018, arXiv 1802.05637): the product of the features
        # with a learned vector of the class is added to the logit.
        inputs["label"] = keras.Input((config.classes,), name="label")
        projection = layers.Multiply()([dense(config.classes, use_bias=False)(x), inputs["label"]])
        logit = layers.Add()([logit, dense(1, use_bias=False)(projection)])
    return keras.Model(
        inputs if config.classes else inputs["image"], {"logit": logit}, name="discriminator"
    )


@keras.saving.register_keras_serializable("dimaging")
class DCGAN(ImageGAN):
    """The convolutional GAN: `compile(d_optimizer=, g_optimizer=)`, `fit(images)`, `sample(n)`."""

    config_class = Config
    registry_name = "dcgan"
    build_generator = staticmethod(build_generator)
    build_discriminator = staticmethod(build_discriminator)
