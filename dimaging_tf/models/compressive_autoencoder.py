"""Compressive autoencoder (lecture: "learned compression"; Balle et al. 2017, arXiv 1611.01704).

    image --stride 2, 2, 2--> code --round--> symbols, which cost bits --2x, 2x, 2x--> image

An autoencoder whose code costs bits. It is the plain version, to be read first: it has one rate, one scale of
the symbols for each channel, and nothing that predicts them. `unet_codec` adds a prior network, a coded skip,
all rates in one network, and a file format.

    loss = lambda 255^2 MSE + bits a pixel          bits = -log2 P(symbol): a logistic for each channel

Rounding has no gradient. In training the bits are counted on code + uniform noise, whose density is the
smooth version of P. The decoder sees the rounded code, and the gradient passes through the rounding
unchanged.

image: float32 [B, H, W, C] in [0, 1], H and W multiples of 8; code: float32 [B, H/8, W/8, code] in steps of
the quantiser; symbols: the nearest whole numbers, -127..127.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from dimaging_tf.compression.base import SYMBOL
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.layers.codec import logistic_bits, round_through
from dimaging_tf.training.steps import descend, step_of, step_uniform, unpack

SCALE = 8
"""Height and width of the image over those of the code."""
SLOTS = 1 << 12
"""The sum of a row of counts: slots of the entropy coder."""


@dataclass(frozen=True)
class Config:
    """A network that spends about 0.5 bits a pixel on photographs."""

    shape: tuple[int | None, int | None, int] = (None, None, 1)
    channels: tuple[int, int] = (32, 48)  # channels after the first and the second convolution
    code: int = 32  # channels of the code
    tradeoff: float = 0.01  # lambda; a larger one gives a better picture and more bits
    seed: int = 0  # seed of the training noise

    def __post_init__(self):
        if self.tradeoff <= 0:
            raise ValueError(
                f"compressive_autoencoder: tradeoff must be above 0. Received: {self.tradeoff}"
            )


def build_encoder(config: Config) -> keras.Model:
    """Build the encoder: image -> {"code"}."""
    image = keras.Input(config.shape, name="image")
    x = image
    for channels in config.channels:
        x = layers.Conv2D(channels, 5, 2, padding="same", activation="leaky_relu")(x)
    code = layers.Conv2D(config.code, 5, 2, padding="same", name="code")(x)
    return keras.Model(image, {"code": 4.0 * code}, name="compress")


def build_decoder(config: Config) -> keras.Model:
    """Build the decoder: symbols -> {"image"}, not clipped."""
    symbols = keras.Input((None, None, config.code), name="symbols")
    x = symbols
    for channels in reversed(config.channels):
        x = layers.Conv2DTranspose(channels, 4, 2, padding="same", activation="leaky_relu")(x)
    x = layers.Conv2DTranspose(config.shape[2], 4, 2, padding="same", bias_initializer=_half)(x)
    return keras.Model(symbols, {"image": x}, name="decompress")


def _half(shape, dtype=None):
    return ops.full(shape, 0.5, dtype)


@keras.saving.register_keras_serializable("dimaging")
class CompressiveAutoencoder(DeployableModel):
    """The compressive autoencoder: `compile(optimizer)`, `fit(images)`; it brings its own loss."""

    config_class = Config
    picture_rows = ("image", "restored")
    registry_name = "compressive_autoencoder"
    loss_units = {"loss": "bits/pixel", "bpp": "bits/pixel", "psnr": "dB"}
    ranges = {"image": (0.0, 1.0), "code": None, "symbols": (-SYMBOL, SYMBOL)}
    figure_of_merit = FigureOfMerit(
        "rate-distortion loss", "bits/pixel", False, {"fp16": 0.01, "int8": 0.2}
    )
    example_size = 64
    pace = 8.0
    """Weights store log2 of a scale / pace: Adam's steps suit weights of about 1; scales move by octaves."""

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.encoder, self.decoder = build_encoder(self.config), build_decoder(self.config)
        self.log2_scale = self.add_weight(
            name="log2_scale", shape=(self.config.code,), initializer="zeros"
        )
        self.middle = self.add_weight(name="middle", shape=(self.config.code,), initializer="zeros")
        self.trackers = {name: keras.metrics.Mean(name) for name in ("loss", "bpp", "psnr")}

    @classmethod
    def input_shape_for(cls, shape, changes):
        """Return any height and width, and the data's channels."""
        return (None, None, shape[2])

    def check_data(self, dataset):
        """DataError for images whose height or width is no multiple of 8."""
        height, width, _ = dataset.shape
        if height % SCALE or width % SCALE:
            raise DataError(
                f"{self.registry_name} takes images whose sides are multiples of {SCALE} pixels; "
                f"received {height} x {width}. Say --size 64"
            )

    def call(self, image):
        """Compress and restore images [B, H, W, C]; the result is in [0, 1]."""
        symbols = tf.round(self.encoder(image)["code"])
        return tf.clip_by_value(self.decoder(symbols)["image"], 0.0, 1.0)

    def bits(self, symbols):
        """Return -log2 P of symbols [..., code], in the same shape.

        P of a real number, as in training, is the probability mass of the bin of width 1 around it.
        """
        return logistic_bits(symbols - self.pace * self.middle, self.pace * self.log2_scale)

    def losses_of(self, image, noise=None):
        """Return {"loss", "bpp", "psnr"}, each [B]; noise: uniform [0, 1) like the code, in training."""
        code = self.encoder(image)["code"]
        symbols = round_through(code)
        restored = self.decoder(symbols)["image"]
        if noise is None:
            restored = tf.clip_by_value(restored, 0.0, 1.0)
        seen = symbols if noise is None else code + noise - 0.5
        pixels = tf.cast(tf.reduce_prod(tf.shape(image)[1:3]), tf.float32)
        return self._figures(image, restored, tf.reduce_sum(self.bits(seen), [1, 2, 3]) / pixels)

    def _figures(self, image, restored, bpp):
        mse = tf.reduce_mean((restored - image) ** 2, [1, 2, 3])
        psnr = -10 / np.log(10) * tf.math.log(mse + 1e-10)
        return {"loss": self.config.tradeoff * 255.0**2 * mse + bpp, "bpp": bpp, "psnr": psnr}

    def train_step(self, data):
        """Take one step on the loss of images [B, H, W, C]; labels beside them are left out."""
        image, _, _ = unpack(data)
        size = tf.shape(image)
        shape = tf.stack([size[0], size[1] // SCALE, size[2] // SCALE, self.config.code])
        noise = step_uniform(shape, self.config.seed, step_of(self.optimizer))

        def loss_of():
            found = self.losses_of(image, noise)
            return tf.reduce_mean(found["loss"]), found

        return self.track(descend(self, loss_of))

    def test_step(self, data):
        """Evaluate the loss with rounded symbols."""
        image, _, _ = unpack(data)
        return self.track(self.losses_of(image))

    def graphs(self):
        """Return {"compress": image -> code, "decompress": symbols -> image}.

        Rounding is left to whoever writes the symbols. Inside the graph, a code of 0.49999 on one machine and
        of 0.50001 on another would make two correct answers look a whole step apart.
        """
        image = layers.ReLU(max_value=1.0)(self.decoder.output["image"])
        decoder = keras.Model(self.decoder.input, {"image": image}, name="decompress")
        return {"compress": self.encoder, "decompress": decoder}

    def files(self):
        """Return `counts.bin`: how many of 2^12 slots each symbol owns, little-endian uint16 [code, 256].

        An entropy coder codes by these counts. The columns are -127..127, then ESCAPE for symbols without
        slots.
        """
        symbols = np.arange(-SYMBOL, SYMBOL + 1, dtype=np.float32)[:, None]
        p = 2.0 ** -np.asarray(self.bits(symbols), np.float64)
        return {"counts.bin": np.stack([_slots(row) for row in p.T]).astype("<u2").tobytes()}

    def examples(self, image, label=None, seed=0):
        """Return images for "compress", and their symbols for "decompress"."""
        symbols = _symbols(self.run("compress", image=image)["code"])
        return {"compress": {"image": image}, "decompress": {"symbols": symbols}}

    def score(self, run, image, label=None, seed=0):
        """Return the mean loss in bits a pixel, with the bits of an ideal entropy coder."""
        symbols = _symbols(run("compress", image=image)["code"])
        restored = run("decompress", symbols=symbols)["image"]
        bpp = np.sum(self.bits(symbols), (1, 2, 3)) / (image.shape[1] * image.shape[2])
        return float(np.mean(self._figures(image, restored, bpp)["loss"]))

    def picture(self, image, label=None, seed=0):
        """Return two rows: images, and what is restored of them."""
        image = image[:8]
        return np.stack([image, np.asarray(self(image))])


def _symbols(code):
    return np.clip(np.rint(code), -SYMBOL, SYMBOL).astype(np.float32)


def _slots(p: np.ndarray) -> np.ndarray:
    """Turn probabilities [255] with one peak into whole counts [256] that add up to SLOTS.

    A symbol of half a slot or more gets at least 1; ESCAPE, the last count, gets 1.
    """
    inside = SLOTS * p > 0.5
    inside[p.argmax()] = True
    free = SLOTS - 1 - np.count_nonzero(inside)
    counts = np.where(inside, 1 + np.floor(free * p / p[inside].sum()), 0)
    counts[p.argmax()] += SLOTS - 1 - counts.sum()
    return np.append(counts, 1)
