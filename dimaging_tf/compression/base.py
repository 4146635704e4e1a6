"""Learned compression (lecture: "compress, decompress"): the base of image codecs that are trained.

    loss = lambda * distortion + bits a pixel          lambda follows the quality 0..63

distortion: 255^2 MSE, or 1 - MS-SSIM. In training every image has a quality of its own, what is coded is
disturbed by uniform noise where its bits are counted, and rounded where it is decoded (arXiv 2007.08739).

image: float32 [B, H, W, C] in [0, 1]; quality: whole numbers [B].
"""

import warnings
from abc import abstractmethod
from typing import Any

import keras
import numpy as np
from keras import ops

from dimaging_tf.compression import steps
from dimaging_tf.compression.monitor import RateDistortionPlot
from dimaging_tf.compression.similarity import ms_ssim
from dimaging_tf.data.given import checked
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.layers.codec import QUALITIES, Stabilise, logistic_bits, table_scale, vary_exposure

SYMBOL = 127
"""The largest symbol of a codec for 8 bits."""
EIGHTHS = 8
"""y is stored in eighths of a quantisation step, because its predicted mean is no whole number of steps."""
PARTS = 256
"""An exported encoder answers in 1/256 of a quantisation step."""
FINEST = 1 << 15
"""The largest number of eighths of a step that a stored y or mean may have."""
WIDEST = 4095
"""The largest latent in steps; also the largest symbol of a codec for 16 bits, others have SYMBOL."""
RUNGS = (4, 18, 32, 46, 60)
"""The qualities that validation and `score` measure."""
LEGAL = {
    "distortion": ("mse", "ms-ssim"),
    "bits": (8, 16),
    "compute": ("float32", "mixed_bfloat16"),
}
_EXPOSURES = 1 << 20
"""The number of the random stream of exposures, far from those of noise."""


def check_config(name: str, config: Any) -> None:
    """Raise a ValueError that names the setting of codec `name` which is not legal."""
    for field, legal in LEGAL.items():
        if (found := getattr(config, field)) not in legal:
            raise ValueError(
                f"{name}: {field} must be one of {', '.join(map(str, legal))}. Received: {found!r}"
            )
    if config.shape[2] not in (1, 3):
        raise ValueError(f"{name}: images have 1 or 3 channels. Received: {config.shape[2]}")
    if not 0 < config.tradeoff[0] < config.tradeoff[1]:
        raise ValueError(
            f"{name}: tradeoff must be 0 < lowest < highest lambda. Received: {config.tradeoff}"
        )


class LearnedCodec(DeployableModel):
    """Base of learned codecs: `compile(optimizer)` and `fit(images)`; the loss is its own.

    Subclasses set `latents` (name -> (size of the image over theirs, channels)), and define `restored`,
    `adapt` and the three graphs encoder, prior and decoder.
    """

    picture_rows = ("image", "quality 60", "quality 32", "quality 4")
    ranges = {
        "image": (0.0, 1.0), "quality": (0, QUALITIES - 1), "pass": (0, 1), "z": (-SYMBOL, SYMBOL),
        "y": (-PARTS * WIDEST, PARTS * WIDEST), "index": (0, QUALITIES - 1), "mean": (-FINEST, FINEST),
    }  # fmt: skip
    figure_of_merit = FigureOfMerit("rate-distortion loss", "bits/pixel", False, {"fp32": 0.02})
    loss_units = {"loss": "log bits/pixel", "bpp": "bits/pixel", "psnr": "dB"}
    example_size = 128
    latents: dict[str, tuple[int, int]]

    def __init__(self, config: Any = None, **kwargs):
        super().__init__(config, **kwargs)
        low, high = self.config.tradeoff
        self.lambdas = np.geomspace(low, high, QUALITIES).astype(np.float32)
        self.adapted = self.add_weight(
            name="adapted", shape=(), initializer="zeros", trainable=False
        )
        names = ("loss", "bpp", "psnr", *self.parts())
        self.trackers = {n: keras.metrics.Mean(n) for n in names}
        rungs = [f"{name}_{q}" for q in RUNGS for name in ("bpp", "psnr")]
        self.rungs = {name: keras.metrics.Mean(name) for name in rungs}

    @classmethod
    def input_shape_for(cls, shape, changes):
        """Return a shape of any height and width."""
        return (None, None, shape[2])

    def check_data(self, dataset):
        """Raise a DataError for patches whose halves, which training cuts out, are no multiples of 32.

        A warning is issued where the pictures have more bits than the codec will have.
        """
        if dataset.train.x.dtype == np.uint16 and self.config.bits == 8:
            warnings.warn(
                "the pictures have 16 bits, the codec will be one for 8; for 16 say --set bits=16",
                stacklevel=2,
            )
        height, width, _ = dataset.shape
        if height % 64 or width % 64:
            raise DataError(
                f"{self.registry_name} learns from patches whose sides are multiples of 64 pixels; "
                f"received {height} x {width}. Say --size 256"
            )

    def callbacks(self, dataset, folder):
        """Draw `rate_distortion.png` after each epoch."""
        return [RateDistortionPlot(folder)]

    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """Names of the latents that the bits are spent on."""

    @abstractmethod
    def adapt(self, image: Any) -> None:
        """Initialise the weights by a batch of images [B, H, W, C] in [0, 1]."""

    @abstractmethod
    def restored(self, image, quality, noise=None) -> tuple[Any, dict[str, Any]]:
        """Return (image, {part: bits [B]}); stabilised images in and out, not clipped.

        noise: uniform [0, 1) by latent, in the place of rounding where bits are counted (training).
        """

    @property
    def metrics(self):
        """The running means: those of all qualities together, and those of each of RUNGS by itself."""
        return [*self.trackers.values(), *self.rungs.values()]

    @property
    def widest(self) -> int:
        """The largest symbol of y."""
        return WIDEST if self.config.bits > 8 else SYMBOL

    def fit(self, x: Any = None, *args, **kwargs):
        """Train as Keras does; a new model first looks at one batch (see `adapt`)."""
        checked(self, super().fit, (x, *args), kwargs)
        if not float(self.adapted):
            first = x[:64] if hasattr(x, "shape") else next(iter(x))
            first = first[0] if isinstance(first, tuple) else first
            self.adapt(self.varied(first, 0))
            self.adapted.assign(1.0)
        return super().fit(x, *args, **kwargs)

    def stabilise(self, image):
        """Return the images on which errors are measured: with 16 bits, their square roots."""
        return image if self.config.bits == 8 else Stabilise()(image)

    def call(self, image, quality=None):
        """Compress and restore: [B, H, W, C] -> the same; quality [B], by default 32."""
        image = ops.convert_to_tensor(image)
        quality = _same(image, 32) if quality is None else quality
        restored = ops.clip(self.restored(self.stabilise(image), quality)[0], 0.0, 1.0)
        return restored if self.config.bits == 8 else Stabilise(inverse=True)(restored)

    def losses_of(self, image, quality, noise=None):
        """Return all figures by name, each [B]: "loss" and "bpp" in bits a pixel, "psnr" in dB, the parts."""
        image = self.stabilise(ops.convert_to_tensor(image))
        restored, bits = self.restored(image, quality, noise)
        if noise is None:
            restored = ops.clip(restored, 0.0, 1.0)
        return self._figures(image, restored, bits, quality)

    def _figures(self, image, restored, bits, quality):
        _, height, width, _ = ops.shape(image)
        pixels = ops.cast(height * width, "float32")
        mse = ops.mean((restored - image) ** 2, [1, 2, 3])
        similar = self.config.distortion == "ms-ssim"
        distortion = 1 - ms_ssim(restored, image) if similar else 255.0**2 * mse
        found = {name: ops.cast(value, "float32") / pixels for name, value in bits.items()}
        found["bpp"] = sum(found.values())
        weight = ops.take(ops.convert_to_tensor(self.lambdas), ops.cast(quality, "int32"), axis=0)
        found["loss"] = weight * distortion + found["bpp"]
        found["psnr"] = -10 / np.log(10) * ops.log(mse + 1e-10)
        return found

    def train_step(self, *args):
        """Take one step, every image [B, H, W, C] at a quality of its own; return the logs.

        Under JAX, Keras hands the state over before the images, and takes it back after the logs.
        """
        return steps.train_step(self, *args)

    def batch_loss(self, image, step):
        """Return (loss to descend, all figures by name [B]) of images [B, H, W, C] at step `step`.

        Everything random in it follows from the settings' seed and the step.
        """
        image = self.varied(image, step)
        batch, height, width, _ = ops.shape(image)
        quality = ops.floor(self._uniform([batch], 0, step) * QUALITIES)
        noise = {
            name: self._uniform([batch, height // size, width // size, channels], 1 + k, step)
            for k, (name, (size, channels)) in enumerate(self.latents.items())
        }
        # Noise lets the encoder learn; only real rounding tells the prior what symbols will cost.
        found = ops.cond(
            step % 2 == 0,
            lambda: self.losses_of(image, quality, noise),
            lambda: self.losses_of(image, quality),
        )
        # A percent counts the same in a smooth picture and a busy one, at a low rate and a high one.
        return ops.mean(ops.log(found["loss"] + 0.002)), found

    def varied(self, image, step):
        """Return images [B, H, W, C], with 16 bits as other cameras would store them, else as they are."""
        if self.config.bits == 8:
            return image
        return vary_exposure(image, self._uniform([3, ops.shape(image)[0]], _EXPOSURES, step))

    def _uniform(self, shape, stream: int, step):
        return steps.uniform(shape, self.config.seed, 3 * step + stream)

    def test_step(self, *args):
        """Measure with rounding at five qualities; return the logs. Called as `train_step`."""
        return steps.test_step(self, *args)

    def validate(self, image) -> dict[str, Any]:
        """Track images [B, H, W, C] at each of RUNGS, with rounding; the means so far of all metrics."""
        for q in RUNGS:
            found = self.losses_of(image, _same(image, q))
            self.track(found)
            for name in ("bpp", "psnr"):
                self.rungs[f"{name}_{q}"].update_state(found[name])
        return {m.name: m.result() for m in self.metrics}

    def score(self, run, image, label=None, seed=0):
        """Return the mean loss of six images at five qualities, bits a pixel of an ideal coder."""
        found, image = [], image[:6]
        for q in RUNGS:
            quality = np.full(len(image), q, np.float32)
            code = run("encoder", image=image, quality=quality)
            y, bits = self.coded(run, code, quality)
            restored = run("decoder", z=code["z"], y=y, quality=quality)["image"]
            was, now = (self.stabilise(ops.convert_to_tensor(x)) for x in (image, restored))
            found.append(np.mean(self._figures(was, now, {"all": bits}, quality)["loss"]))
        return float(np.mean(found))

    def coded(self, run, code, quality, count=None) -> tuple[np.ndarray, np.ndarray]:
        """Return (y in eighths as a decoder gets it, bits [B]) of what `encoder` answered.

        count(index, symbol), both [n], is told what would be coded.
        """
        y = np.zeros_like(code["y"])
        bits = self.z_bits(code["z"], quality)
        even = np.add.outer(*map(np.arange, y.shape[1:3]))[None, :, :, None] % 2 == 0
        for number, mask in enumerate((even, ~even)):
            told = {"pass": np.full(len(y), number, quality.dtype), "quality": quality}
            found = run("prior", z=code["z"], y=y, **told)
            coded = mask & (found["index"] > 0)
            symbol = np.floor(code["y"] / PARTS - found["mean"] / EIGHTHS + 0.5) * coded
            symbol = np.clip(symbol, -self.widest, self.widest)
            cost = logistic_bits(symbol, np.float32(np.log2(table_scale(found["index"]))))
            bits = bits + np.sum(cost * coded, (1, 2, 3))
            if count is not None:
                count(found["index"][coded], symbol[coded])
            y = np.where(mask, EIGHTHS * symbol + found["mean"], y).astype(np.float32)
        return y, bits

    @abstractmethod
    def z_bits(self, z, quality) -> np.ndarray:
        """Return the bits of the symbols z, [B]."""

    def picture(self, image, label=None, seed=0):
        """Return rows of images: the originals, then restored at three qualities."""
        image = image[:6]
        rows = [np.asarray(self(image, _same(image, q))) for q in (60, 32, 4)]
        return np.stack([image, *rows])


def _same(image, quality: int):
    """Return one quality for every image: int32 [B]."""
    return ops.full((ops.shape(image)[0],), quality, dtype="int32")
