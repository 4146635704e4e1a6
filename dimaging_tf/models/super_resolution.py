"""Pixel recursive super-resolution (lecture: "zoom, enhance!"; Dahl et al. 2017, arXiv 1702.00783).

    low 8x8 --conv, [residual, transposed conv]..--> features --1x1--> A   conditioning   + = parameters
                                                       | 1x1           B   prior          |
    image --A 7x7--> h ------------------------------> + --[residual B]..--1x1------------|

A small picture fixes only the mean of every sixteen pixels, so many faces fit it. Their average is blurred,
and that is what a regression gives. Here every draw is one of these faces, drawn pixel by pixel. Training
maximises log p(A + B) + log p(A). Without the second term, which is from the paper, the prior alone would
explain the image, because the pixel before tells more than the small picture does.

The pixels' distribution is a mixture of logistics (arXiv 1701.05517): A's means are a regression and B's
correct it. In a mixture, similar grey values have similar probabilities; a softmax would have to learn that
from a few hundred faces. `components=0` gives the paper's softmax. In the paper the features do not enter
the prior, so that B cannot know what A expects; here they do.

image: float32 [B, H, W, C] in [0, 1] on `levels` values; low: its block means, [B, H/f, W/f, C].
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.density.base import ExplicitDensity, check_levels, likelihood_of
from dimaging_tf.layers.masked import MaskedConv2D, PositionBias


@dataclass(frozen=True)
class Config:
    """A network for grey faces on two cores."""

    shape: tuple[int, int, int] = (32, 32, 1)
    factor: int = 4  # side of the image over the side of the small picture
    levels: int = 256  # values of a pixel
    components: int = 5  # components of the logistic mixture; 0: a softmax over the levels
    filters: int = 32  # channels of both networks
    stages: int = 2  # residual blocks before each doubling of the small picture
    blocks: int = 4  # residual blocks of the prior
    entry: int = 7  # side of the kernel of the prior's first layer, pixels

    def __post_init__(self):
        f = self.factor
        if f < 2 or f & (f - 1) or any(side % f for side in self.shape[:2]):
            raise ValueError(
                "super_resolution: factor must be 2, 4, 8, .. and divide height and width. "
                f"Received: {f} and {self.shape[0]} x {self.shape[1]}"
            )
        if self.shape[-1] != 1:
            raise ValueError(
                f"super_resolution: images must be grey, 1 channel. Received: {self.shape[-1]}"
            )
        check_levels("super_resolution", self.levels)


def build_network(config: Config) -> keras.Model:
    """Build the network: image, low -> {"parameters"}; its layers "conditioning" and "prior" give A and B."""
    image = keras.Input(config.shape, name="image")
    height, width, channels = config.shape
    low_shape = (height // config.factor, width // config.factor, channels)
    low = keras.Input(low_shape, name="low")
    count = likelihood_of(config).count
    features = _conditioning(config, low)
    conditioning = layers.Conv2D(count, 1, name="conditioning")
    a = conditioning(features)
    _first_guess(config, conditioning)
    b = _prior(config, image, features, count)
    parameters = layers.Add(name="parameters")([b, a])
    source = {"image": image, "low": low}
    return keras.Model(source, {"parameters": parameters}, name="super_resolution")


def _conditioning(config, low):
    """Return features [B, H, W, filters + C] of the small picture; the last C are it, interpolated."""
    x = layers.Conv2D(config.filters, 3, padding="same")(low)
    for _ in range(config.factor.bit_length() - 1):
        for _ in range(config.stages):
            h = layers.Conv2D(config.filters, 3, padding="same", activation="relu")(x)
            x = layers.Add()([x, layers.Conv2D(config.filters, 3, padding="same")(h)])
        x = layers.Conv2DTranspose(config.filters, 4, 2, padding="same")(layers.ReLU()(x))
    smooth = layers.UpSampling2D(config.factor, interpolation="bilinear")(low)
    return layers.Concatenate()([layers.ReLU()(x), smooth])


def _first_guess(config, conditioning):
    """Initialise a mixture: means at the interpolated picture, scales from 1 % to 20 % of full scale."""
    if k := config.components:
        kernel, bias = (0.1 * weight for weight in conditioning.get_weights())
        kernel[..., -1, :], kernel[..., -1, k : 2 * k], bias[k : 2 * k] = 0, 2, -1
        bias[2 * k :] = np.linspace(-4, -1, k)
        conditioning.set_weights([kernel, bias])


def _prior(config, image, features, count):
    """Return B, the output of a PixelCNN that is conditioned on the features of the same pixel."""
    filters = config.filters
    x = PositionBias()(MaskedConv2D(filters, (config.entry, config.entry), "A")(image))
    x = layers.Add()([x, layers.Conv2D(filters, 1, use_bias=False)(features)])
    for _ in range(config.blocks):
        h = MaskedConv2D(filters, (1, 1), "B")(layers.ReLU()(x))
        h = MaskedConv2D(filters, (3, 3), "B")(layers.ReLU()(h))
        h = MaskedConv2D(filters, (1, 1), "B")(layers.ReLU()(h))
        x = layers.Add()([x, h])
    x = MaskedConv2D(filters, (1, 1), "B")(layers.ReLU()(x))
    return MaskedConv2D(count, (1, 1), "B", name="prior")(layers.ReLU()(x))


def shrink(image, factor: int):
    """Shrink images by block means: [B, H, W, C] -> [B, H / factor, W / factor, C]."""
    return tf.nn.avg_pool2d(image, factor, factor, "VALID")


@keras.saving.register_keras_serializable("dimaging")
class SuperResolution(ExplicitDensity):
    """Super-resolution: `compile(optimizer)`, `fit(images, small pictures)`, `upscale(low)`."""

    config_class = Config
    picture_rows = ("small", "bicubic", "drawn", "drawn", "image")
    registry_name = "super_resolution"
    loss_names = ("loss", "conditioning")
    draws = False  # a draw needs a small picture
    build_network = staticmethod(build_network)
    ranges = {**ExplicitDensity.ranges, "low": (0.0, 1.0)}

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        a = self.network.get_layer("conditioning").output
        self.both = keras.Model(self.network.input, {**self.network.output, "conditioning": a})

    def losses_of(self, image, condition=None, training=False):
        """Return negative log-likelihoods in `figure_of_merit.unit`, each [B]: the model's, and A's alone."""
        found = self.both({"image": image, "low": condition}, training=training)
        return tuple(self._negative(found[name], image) for name in ("parameters", "conditioning"))

    def condition_of(self, image, label):
        """Return the small pictures of images."""
        return shrink(image, self.config.factor)

    def default_condition(self, n: int, label: Any = None) -> np.ndarray:
        """Raise ValueError: without a small picture the model has nothing to draw."""
        raise ValueError(
            "super_resolution draws what a small picture shows. Expected: condition= (or low= of "
            f"upscale), float32 {[n, *self.network.input['low'].shape[1:]]} in [0, 1]. Received: none"
        )

    def upscale(self, low: np.ndarray, n: int = 1, seed: int = 0) -> np.ndarray:
        """Draw n large images of one small picture [h, w, C] in [0, 1]: [n, H, W, C]."""
        low, expected = np.asarray(low, np.float32), self.network.input["low"].shape[1:]
        if low.shape != tuple(expected) or not (low.min() >= 0 and low.max() <= 1):
            raise ValueError(
                f"upscale: expected a picture {list(expected)} in [0, 1]. Received: {list(low.shape)}"
                + (f" from {low.min():g} to {low.max():g}" if low.size else "")
            )
        return self.sample(n, seed, condition=np.repeat(low[None], n, 0))

    def picture(self, image, label=None, seed=0):
        """Return rows: small pictures, the same enlarged bicubically, two draws, the true images."""
        image, low = self.prepared(image[:8], None, seed)
        size = image.shape[1:3]
        rows = [
            tf.image.resize(low, size, way).numpy().clip(0, 1) for way in ("nearest", "bicubic")
        ]
        drawn = [self.sample(len(image), seed + i, condition=low) for i in range(2)]
        return np.stack([*rows, *drawn, image])
