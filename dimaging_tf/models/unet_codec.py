"""U-Net image codec (lecture: "learned compression"; Balle et al. 2018, arXiv 1802.01436).

    image --8x8 patches--> [1/8] blocks --------- y, the skip: quantised, coded -----> blocks [1/8] --> image
                              |                        ^ mean, scale of each symbol      ^
                              v stride 2, stride 2     |                                 |
                           [1/32] z, the bottleneck: quantised, coded --> prior ---------+

An honest U-Net: whatever crosses, the bottleneck or the skip, is whole numbers that were paid for. Coarse
to fine: z by itself; then y where row + column is even, given z; then the rest of y, given those
neighbours too (checkerboard, arXiv 2103.15306). Loss: lambda 255^2 MSE + bits a pixel (or
lambda (1 - MS-SSIM)); lambda follows the quality 0..63, which is drawn anew for every crop.

image: float32 [B, H, W, C] in [0, 1], H and W multiples of 32; quality: int32 [B];
y: float32 [B, H/8, W/8, skip] and z: float32 [B, H/32, W/32, bottleneck].
"""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from dimaging_tf.compression.base import EIGHTHS, PARTS, SYMBOL, WIDEST, LearnedCodec, check_config
from dimaging_tf.layers.codec import (
    Dequantise,
    EvenSquares,
    Gain,
    Predict,
    QualityBias,
    Quantise,
    SelectByPass,
    Stabilise,
    checkerboard,
    dct_patches,
    logistic_bits,
    round_through,
    table_index,
)

PATCH = 8
MULTIPLE = 32
"""Height and width of an image are multiples of this, pixels."""
REACH = 8.0
"""Activations of the prior lie in [0, 8], so that whole numbers can stand for them."""
WIDE = 32.0
"""Latents are clipped to -32..32 where the prior reads or predicts them."""


TRADEOFFS = {
    ("mse", 8): (0.0008, 0.08),
    ("ms-ssim", 8): (1.5, 150.0),
    ("mse", 16): (0.002, 25.0),
    ("ms-ssim", 16): (1.5, 150.0),
}
"""(distortion, bits) -> lambda at quality 0 and 63: the defaults of `dimaging train`."""
GREY = {"skip": 64, "bottleneck": 32, "blocks": (3, 4), "width": 64, "prior": 48}
"""The settings of `dimaging train` for one channel: a third of the weights."""


@dataclass(frozen=True)
class Config:
    """Settings of the codec; with these, decoding takes about 14,000 multiplications a pixel."""

    shape: tuple[int | None, int | None, int] = (None, None, 3)
    skip: int = 128  # channels of y
    bottleneck: int = 48  # channels of z
    blocks: tuple[int, int] = (4, 5)  # in the encoder and in the decoder
    width: int = 96  # channels inside a block
    prior: int = 96  # channels of the prior
    distortion: str = "mse"  # "mse" | "ms-ssim"
    tradeoff: tuple[float, float] = (0.0008, 0.08)  # lambda at quality 0 and 63; see TRADEOFFS
    bits: int = 8  # of a pixel: 8 | 16; with 16, errors count after a square root (shot noise)
    compute: str = "float32"  # "mixed_bfloat16": convolutions between the float32 sums, in training
    seed: int = 0  # of the training noise

    def __post_init__(self):
        check_config("unet_codec", self)
        if self.skip > self.trunk:
            raise ValueError(
                f"unet_codec: skip must be at most {self.trunk}, the numbers in a patch. "
                f"Received: {self.skip}"
            )

    @property
    def trunk(self) -> int:
        """The number of channels of the image at 1/8."""
        return PATCH * PATCH * self.shape[2]


def _convolution(config: Config, x, filters: int, side: int, up: bool = False, **kwargs):
    """A convolution. Only these may run in bfloat16; everything else stays float32."""
    kind = layers.Conv2DTranspose if up else layers.Conv2D
    kwargs = {"kernel_initializer": "he_normal", "padding": "same", **kwargs}
    return kind(filters, side, dtype=config.compute, **kwargs)(x)


def _leaky(config: Config, x):
    return layers.LeakyReLU(0.1, dtype=config.compute)(x)


def _block(config: Config, x, quality):
    """Add a residual block: 1x1, 3x3, 1x1. The last convolution starts at zero: a new block does nothing."""
    h = _convolution(config, x, config.width, 1)
    h = _leaky(config, QualityBias(dtype=config.compute)([h, quality]))
    h = _leaky(config, _convolution(config, h, config.width, 3))
    h = _convolution(config, h, config.trunk, 1, kernel_initializer="zeros")
    return layers.Add(dtype="float32")([x, h])


def build_encoder(config: Config) -> keras.Model:
    """Build the encoder: image, quality -> {"y", "z"} in units of their own."""
    image = keras.Input(config.shape, name="image")
    quality = keras.Input((), name="quality")
    # Fixed: at Adam's pace it would lose in a few steps what `adapt` gave it. `skip` learns in its stead.
    patches = layers.Conv2D(config.trunk, PATCH, PATCH, trainable=False, name="patches")
    x = patches(image)
    for _ in range(config.blocks[0]):
        x = _block(config, x, quality)
    y = layers.Conv2D(config.skip, 1, name="skip")(x)
    h = _leaky(config, _convolution(config, y, config.prior, 1))
    for _ in range(2):
        h = _leaky(config, _convolution(config, h, config.prior, 3, strides=2))
    z = layers.Conv2D(config.bottleneck, 1, name="bottleneck")(h)
    return keras.Model([image, quality], {"y": y, "z": z}, name="encoder")


def build_decoder(config: Config) -> keras.Model:
    """Build the decoder: y, z, quality -> {"image"}, not clipped."""
    y = keras.Input((None, None, config.skip), name="y")
    z = keras.Input((None, None, config.bottleneck), name="z")
    quality = keras.Input((), name="quality")
    deep = layers.Conv2DTranspose(config.bottleneck, 4, 4, name="up")(z)
    deep = layers.Conv2D(config.trunk, 1, kernel_initializer="zeros")(deep)
    x = layers.Add()([layers.Conv2D(config.trunk, 1, name="merge")(y), deep])
    for _ in range(config.blocks[1]):
        x = _block(config, x, quality)
    pixels = layers.Conv2DTranspose(config.shape[2], PATCH, PATCH, trainable=False, name="pixels")
    image = pixels(x)
    return keras.Model([y, z, quality], {"image": image}, name="decoder")


def _cut(config: Config, x):
    return layers.ReLU(max_value=REACH, dtype=config.compute)(x)


def _prediction(config: Config, x):
    """Predict the mean and log2 of the scale of y from the last features of the prior."""
    x = _cut(config, _convolution(config, x, config.prior, 1))
    small = keras.initializers.RandomNormal(stddev=0.01)
    return {
        name: layers.Conv2D(config.skip, 1, kernel_initializer=small, name=name)(x)
        for name in ("mean", "log2_scale")
    }


def build_prior(config: Config) -> keras.Model:
    """Build the prior: z, quality -> {"state", "mean", "log2_scale"} of y, from z alone."""
    z = keras.Input((None, None, config.bottleneck), name="z")
    quality = keras.Input((), name="quality")
    x = _cut(config, _convolution(config, z, config.prior, 3))
    x = _cut(config, _convolution(config, x, config.prior, 2, up=True, strides=2))
    x = _cut(config, _convolution(config, x, config.prior, 3))
    x = _convolution(config, x, config.prior, 2, up=True, strides=2)
    state = _cut(config, QualityBias(dtype=config.compute)([x, quality]))
    return keras.Model([z, quality], {"state": state, **_prediction(config, state)}, name="prior")


def build_context(config: Config) -> keras.Model:
    """Build the context: state, y on the even squares (else 0) -> {"mean", "log2_scale"} of the others."""
    state = keras.Input((None, None, config.prior), name="state")
    y = keras.Input((None, None, config.skip), name="y")
    near = _convolution(config, y, config.prior, 3)
    far = _convolution(config, state, config.prior, 1)
    x = _cut(config, layers.Add(dtype=config.compute)([near, far]))
    return keras.Model([state, y], _prediction(config, x), name="context")


_NETWORKS = {
    "encoder": build_encoder, "decoder": build_decoder, "prior": build_prior, "context": build_context
}  # fmt: skip


@keras.saving.register_keras_serializable("dimaging")
class UNetCodec(LearnedCodec):
    """The U-Net image codec, trained, judged and deployed as every `LearnedCodec`."""

    config_class = Config
    registry_name = "unet_codec"

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        c = self.config
        self.encoder, self.decoder = build_encoder(c), build_decoder(c)
        self.prior, self.context = build_prior(c), build_context(c)
        # The best step of a fine quantiser is proportional to lambda^(-1/2).
        span = float(np.log2(c.tradeoff[1] / c.tradeoff[0]) / 4)
        self.gains = {"y": Gain(c.skip, span), "z": Gain(c.bottleneck, span / 2)}
        self.z_scale = self.add_weight(name="z_scale", shape=(c.bottleneck,), initializer="zeros")
        self.latents = {"y": (PATCH, c.skip), "z": (MULTIPLE, c.bottleneck)}

    @classmethod
    def config_for(cls, shape, changes):
        """Return a smaller network for grey, and lambdas that fit the distortion and the bits."""
        kind = changes.get("distortion", Config.distortion), changes.get("bits", Config.bits)
        told = {"tradeoff": TRADEOFFS.get(kind, Config.tradeoff)}
        return super().config_for(shape, {**told, **(GREY if shape[2] == 1 else {}), **changes})

    def parts(self):
        """Names of the two latents: the skip and the bottleneck."""
        return ("skip", "bottleneck")

    def adapt(self, image: Any) -> None:
        """Start as a JPEG-like codec: the DCT and its inverse, steps and scales as `image` asks for.

        Worth more than an hour of training. image [B, H, W, C] in [0, 1].
        """
        c, image = self.config, self.stabilise(ops.convert_to_tensor(image, "float32"))
        dct = dct_patches(PATCH, c.shape[2])
        # With 16 bits most pictures are dark, but a white one must stay within WIDEST steps.
        middle = 0.5 if c.bits == 8 else max(0.25, float(ops.mean(image)))
        found = np.asarray(ops.conv(image - middle, dct.astype(np.float32), PATCH, "valid"))
        spread = found.reshape(-1, c.trunk).std(0) + 1e-4
        order = np.argsort(-spread)
        dct, spread = dct[..., order], spread[order]
        patches, pixels = self.encoder.get_layer("patches"), self.decoder.get_layer("pixels")
        patches.kernel.assign(dct / spread)
        patches.bias.assign(-middle * dct.sum((0, 1, 2)) / spread)
        pixels.kernel.assign(dct * spread)
        pixels.bias.assign(np.full(c.shape[2], middle))
        some = np.eye(c.trunk, c.skip)
        self.encoder.get_layer("skip").kernel.assign(some[None, None])
        self.decoder.get_layer("merge").kernel.assign(some.T[None, None])
        # Where a finer step costs as much as it gains: step^2 = 6 C / (lambda ln 2), in levels.
        usual = np.sqrt(c.tradeoff[0] * c.tradeoff[1]) if c.distortion == "mse" else 0.008
        step = np.sqrt(6 * c.shape[2] / (usual * np.log(2))) / 255
        self.gains["y"].start(np.log2(spread[: c.skip] / step))
        self.gains["z"].start(-1.0)
        for network in (self.prior, self.context):  # photographs are peaked: most lie within 1/4
            network.get_layer("log2_scale").bias.assign(np.full(c.skip, -2.0))

    def restored(self, image, quality, noise=None):
        """Code z, then y on the even squares, then the rest of y, and restore; see `LearnedCodec`."""
        gains = {name: gain(quality) for name, gain in self.gains.items()}
        code = self.encoder([image, quality])
        y, z = (code[name] * gains[name] for name in "yz")
        log2_gain = self.gains["y"].log2(quality)
        z_whole = round_through(z)
        z_seen = z_whole if noise is None else z + noise["z"] - 0.5
        bits_z = logistic_bits(z_seen, self.z_log2_scale(quality))
        z_units = z_whole / gains["z"]
        prior = self.prior([ops.clip(z_units, -REACH, REACH), quality])
        even = checkerboard(y)

        def symbols(predicted):
            mean = ops.clip(predicted["mean"], -WIDE, WIDE) * gains["y"]
            mean = round_through(EIGHTHS * mean) / EIGHTHS  # as it travels
            log2_scale = predicted["log2_scale"] + log2_gain
            rest = round_through(y - mean)
            if noise is None:
                rest = ops.where(table_index(log2_scale) > 0, rest, 0.0)
            return mean, log2_scale, (rest + mean) / gains["y"]

        first = symbols(prior)
        known = ops.clip(first[2], -WIDE, WIDE) * even
        second = symbols(self.context([prior["state"], known]))
        mean, log2_scale, y_units = (
            ops.where(even > 0, a, b) for a, b in zip(first, second, strict=True)
        )
        y_seen = y_units * gains["y"] if noise is None else y + noise["y"] - 0.5
        bits_y = logistic_bits(y_seen - mean, log2_scale)
        restored = self.decoder([y_units, z_units, quality])["image"]
        bits = {"skip": bits_y, "bottleneck": bits_z}
        return restored, {name: ops.sum(x, [1, 2, 3]) for name, x in bits.items()}

    def z_bits(self, z, quality):
        """Return the bits of z; each channel has a scale of its own, which follows the quality."""
        return np.sum(logistic_bits(z, self.z_log2_scale(quality)), (1, 2, 3))

    def z_log2_scale(self, quality):
        """Return log2 of the scale of each channel of z, in steps: [B, 1, 1, bottleneck]."""
        return Gain.pace * self.z_scale + self.gains["z"].log2(quality)

    def graphs(self):
        """Return {"encoder": image, quality -> y, z; "prior"; "decoder": z, y, quality -> image}.

        Whole numbers go between them: z symbols; y leaves in 1/256 of a step and comes back in 1/8.
        "prior": z, y (0 where not yet known), pass 0 | 1, quality -> index of the table, mean in 1/8.
        """
        nets = {name: self.plain(name) for name in _NETWORKS}
        deep = self.config.bits > 8
        image = keras.Input(self.config.shape, name="image")
        y, z = (keras.Input(nets["decoder"].inputs[i].shape[1:], name="yz"[i]) for i in (0, 1))
        quality, number = keras.Input((), name="quality"), keras.Input((), name="pass")
        code = nets["encoder"]([Stabilise()(image) if deep else image, quality])
        whole = {
            "z": Quantise(self.gains["z"], 1, SYMBOL)([code["z"], quality]),
            "y": Quantise(self.gains["y"], PARTS, PARTS * WIDEST)([code["y"], quality]),
        }
        y_units = Dequantise(self.gains["y"], EIGHTHS)([y, quality])
        z_units = Dequantise(self.gains["z"], 1)([z, quality])
        restored = layers.ReLU(max_value=1.0)(nets["decoder"]([y_units, z_units, quality])["image"])
        restored = Stabilise(inverse=True)(restored) if deep else restored
        first = nets["prior"]([ops.clip(z_units, -REACH, REACH), quality])
        second = nets["context"]([first["state"], EvenSquares(WIDE)(y_units)])
        predict = Predict(self.gains["y"], WIDE)
        found = [predict([x["mean"], x["log2_scale"], quality]) for x in (first, second)]
        chosen = {k: SelectByPass()([found[0][k], found[1][k], number]) for k in ("index", "mean")}
        return {
            "encoder": keras.Model([image, quality], whole, name="encoder"),
            "prior": keras.Model([z, y, number, quality], chosen, name="prior"),
            "decoder": keras.Model([z, y, quality], {"image": restored}, name="decoder"),
        }

    def plain(self, name: str) -> keras.Model:
        """Return a network of this model in float32 throughout, whatever it was trained in."""
        network = _NETWORKS[name](replace(self.config, compute="float32"))
        network.set_weights(getattr(self, name).get_weights())
        return network

    def examples(self, image, label=None, seed=0):
        """Return images at qualities from low to high, and their codes."""
        quality = np.linspace(4, 60, len(image)).round().astype(np.float32)
        code = self.run("encoder", image=image, quality=quality)
        y, _ = self.coded(self.run, code, quality)
        told = {"z": code["z"], "y": y, "quality": quality}
        return {
            "encoder": {"image": image, "quality": quality},
            "prior": {**told, "pass": np.ones(len(image), np.float32)},
            "decoder": told,
        }
