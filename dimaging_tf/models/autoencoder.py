"""Autoencoder (lecture: "autoencoders", and its notebook's 784-32-784 network).

    image --encoder--> code --decoder--> image        loss: cross-entropy per pixel, image against itself

By default the networks are dense, and the code is their one hidden layer. With `channels` they are
convolutional: stride-2 convolutions down to a small map, a dense code, and transposed convolutions up again.

image: float32 [B, H, W, C] in [0, 1]; code: float32 [B, code_dim], not negative.
"""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from dimaging_tf.deployable import DeployableModel, FigureOfMerit, check_strides
from dimaging_tf.evaluation import metrics


@dataclass(frozen=True)
class Config:
    """The notebook's dense network; `channels=(16, 32)` makes it convolutional."""

    shape: tuple[int, int, int] = (28, 28, 1)  # height, width, channels
    code_dim: int = 32  # length of the code
    channels: tuple[int, ...] = ()  # channels of each stride-2 convolution; (): the dense network

    def __post_init__(self):
        check_strides("autoencoder", self.shape, len(self.channels))


def build_encoder(config: Config) -> keras.Model:
    """Build the encoder: image -> {"code"}."""
    image = keras.Input(config.shape, name="image")
    x = image
    for channels in config.channels:
        x = layers.Conv2D(channels, 3, 2, padding="same", activation="relu")(x)
    x = layers.Dense(config.code_dim, activation="relu", name="code")(layers.Flatten()(x))
    return keras.Model(image, {"code": x}, name="encoder")


def build_decoder(config: Config) -> keras.Model:
    """Build the decoder: code -> {"image"}."""
    height, width, depth = config.shape
    code = keras.Input((config.code_dim,), name="code")
    if not config.channels:
        x = layers.Dense(math.prod(config.shape), activation="sigmoid")(code)
        return keras.Model(code, {"image": layers.Reshape(config.shape)(x)}, name="decoder")
    step = 2 ** len(config.channels)
    small = (height // step, width // step, config.channels[-1])
    x = layers.Dense(math.prod(small), activation="relu")(code)
    x = layers.Reshape(small)(x)
    for channels in reversed(config.channels[:-1]):
        x = layers.Conv2DTranspose(channels, 4, 2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(depth, 4, 2, padding="same", activation="sigmoid")(x)
    return keras.Model(code, {"image": x}, name="decoder")


@keras.saving.register_keras_serializable("dimaging")
class Autoencoder(DeployableModel):
    """The autoencoder; it is fitted on (image, image) pairs."""

    config_class = Config
    picture_rows = ("image", "reconstructed")
    registry_name = "autoencoder"
    mixed_precision = True
    targets_are_images = True
    loss_units = {"loss": "nats/value"}
    ranges = {"image": (0.0, 1.0), "code": None}
    figure_of_merit = FigureOfMerit("PSNR", "dB", True, {"fp16": 0.02, "int8": 0.2})

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.encoder = build_encoder(self.config)
        self.decoder = build_decoder(self.config)

    def call(self, image):
        """Reconstruct images [B, H, W, C] in [0, 1]."""
        return self.decoder(self.encoder(image)["code"])["image"]

    def graphs(self):
        """Return {"encoder": image -> code, "decoder": code -> image}."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def objective(self):
        """Return the binary cross-entropy per pixel as loss, as in the notebook."""
        return {"loss": "binary_crossentropy"}

    def transform(self, image, label, seed):
        """Return (image, image): the target of an image is the image itself."""
        return image, image

    def examples(self, image, label=None, seed=0):
        """Return images for the encoder and their codes for the decoder."""
        return {"encoder": {"image": image}, "decoder": self.run("encoder", image=image)}

    def score(self, run, image, label=None, seed=0):
        """Return the PSNR of the reconstructions in dB."""
        code = run("encoder", image=image)["code"]
        return metrics.psnr(run("decoder", code=code)["image"], image)

    def picture(self, image, label=None, seed=0):
        """Return two rows: images, and their reconstructions."""
        image = image[:8]
        return np.stack([image, np.asarray(self(image))])
