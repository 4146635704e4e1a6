"""The one table of models: the suites of training, of densities and of export run every row of it.

A new model gets a row here, and with it: training in one trace, saving, loading, going on as if nothing had
happened, graphs with declared names and ranges, a score, a picture, and a bundle that proves itself. A row
names its settings, not classes, so that the table is read without TensorFlow; networks are a few units large.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from dimaging_tf.registry import REGISTRY

Data = tuple[np.ndarray, np.ndarray | None]
Graphs = dict[str, tuple[set[str], set[str]]]
ALL = ("fp32", "fp16", "int8")
DIGIT = (8, 8, 1)
WORDS = ("a", "one", "two", "small", "large")
"""The vocabulary of `captioned`."""


@cache
def _digits() -> np.ndarray:
    return (load_digits().images / 16).astype(np.float32)


def images(shape: tuple, count: int) -> Data:
    """Handwritten digits [count, H, W, C] in [0, 1], cut to the shape; channels are different digits."""
    height, width, channels = shape
    found = [_digits()[1 + k : 1 + k + count, :height, :width] for k in range(channels)]
    return np.stack(found, -1), None


def masked(shape: tuple, count: int) -> Data:
    """The same with a class for each pixel: paper 0, ink 1."""
    image, _ = images(shape, count)
    return image, (image[..., 0] > 0.5).astype(np.int32)


def masked_large(shape: tuple, count: int) -> Data:
    """The same masks, of digits enlarged to twice their side."""
    height, width, channels = shape
    x, label = masked((height // 2, width // 2, channels), count)
    assert label is not None
    return x.repeat(2, 1).repeat(2, 2), label.repeat(2, 1).repeat(2, 2)


def tokens(shape: tuple, count: int) -> Data:
    """Rows of a text of three letters: int32 [count, T]. No labels."""
    return np.random.default_rng(0).integers(1, 4, (count, *shape), np.int32), None


def stepped(shape: tuple, count: int) -> Data:
    """Noise [count, T, C] with one of three classes a step: int32 [count, T]."""
    rng = np.random.default_rng(0)
    series = rng.normal(size=(count, *shape)).astype(np.float32)
    return series, rng.integers(0, 3, series.shape[:2], np.int32)


def trials(shape: tuple, count: int) -> Data:
    """Noise [count, T, C] with one of three classes each: int32 [count]."""
    series = np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)
    return series, np.arange(count, dtype=np.int32) % 3


def labelled(shape: tuple, count: int) -> Data:
    """The same with one of three classes each: int32 [count]."""
    return images(shape, count)[0], np.arange(count, dtype=np.int32) % 3


def filmed(shape: tuple, count: int) -> Data:
    """Movies [count, T, H, W, C] of digits that become brighter, with one of three classes each."""
    steps, *size = shape
    image, label = labelled(tuple(size), count)
    return image[:, None] * np.linspace(0.5, 1, steps, dtype=np.float32)[:, None, None, None], label


def fated(shape: tuple, count: int) -> Data:
    """The same movies with one of two classes each."""
    return filmed(shape, count)[0], np.arange(count, dtype=np.int32) % 2


def tracked(shape: tuple, count: int) -> Data:
    """Noise [count, T, C] with one of two classes each."""
    return stepped(shape, count)[0], np.arange(count, dtype=np.int32) % 2


def large(shape: tuple, count: int) -> Data:
    """The same enlarged to 64 x 64 pixels."""
    return images(shape, count)[0].repeat(8, 1).repeat(8, 2), None


def captioned(shape: tuple, count: int) -> Data:
    """The same with captions of up to three of `WORDS`: int32 [count, 3], 0 in front of the words."""
    tokens = np.random.default_rng(0).integers(1, len(WORDS) + 1, (count, 3), np.int32)
    tokens[::3, 0] = 0
    return images(shape, count)[0], tokens


@dataclass(frozen=True)
class Row:
    """A small model: its name in the registry, what differs from its defaults, and what to expect."""

    id: str
    name: str
    settings: dict[str, Any]  # of its Config
    graphs: Graphs  # graph -> (inputs, outputs)
    data: Callable[[tuple, int], Data] = images  # of its input's shape, and how many
    trained: bool = (
        True  # False: another row of the model is, and the suite of training skips this one
    )
    phases: int = 1  # steps that `fit` compiles, one after the other
    eager: bool = False  # tracing takes longer than training: a test of its own traces it
    targets: tuple[str, ...] = ("cpu",)  # to which it is exported; none: a test of its own does
    precisions: tuple[str, ...] = ("fp32",)  # in which it is exported
    as_bytes: bool = False  # its images are bytes at every target
    uncounted: tuple[str, ...] = ()  # graphs whose multiplications a bundle leaves open: they loop
    size: int | None = None  # side of a phone's image where a model takes any size

    def __str__(self) -> str:
        return self.id

    @property
    def model(self) -> Any:
        """The class."""
        return REGISTRY[self.name].model_class()

    @property
    def config(self) -> Any:
        """The class's Config."""
        return self.model.config_class(**self.settings)

    def make(self) -> Any:
        """The model with random weights, always the same."""
        import keras

        keras.utils.set_random_seed(1)
        return self.model(self.config)

    def examples(self, count: int = 12) -> Data:
        """(images, labels or None) that it can learn from."""
        return self.data(self.config.shape, count)


DRAWN: Graphs = {"generator": ({"z"}, {"image"}), "discriminator": ({"image"}, {"logit"})}
CODE: Graphs = {"encoder": ({"image"}, {"code"}), "decoder": ({"code"}, {"image"})}
POSTERIOR: Graphs = {
    "encoder": ({"image"}, {"mean", "log_variance"}),
    "decoder": ({"z"}, {"image"}),
}
PLAIN_CODEC: Graphs = {
    "compress": ({"image"}, {"code"}),
    "decompress": ({"symbols"}, {"image"}),
}
DENOISED: Graphs = {"denoiser": ({"noisy"}, {"image"})}
_READ = ({"tokens", "h1", "c1"}, {"logits", "h1_out", "c1_out"})
READ: Graphs = {"reader": _READ, "step": _READ}
DENSITY: Graphs = {"density": ({"image"}, {"log_likelihood"})}
CONDITIONED: Graphs = {"density": ({"image", "label"}, {"log_likelihood"})}

EVERYWHERE: dict[str, Any] = {"targets": ("cpu", "phone", "web"), "precisions": ALL}
ANY_SIZE: dict[str, Any] = {**EVERYWHERE, "size": 8}
SMALL: dict[str, Any] = {"blocks": 2, "filters": 6, "middle": 6, "head": 6, "entry": 3}
"""A PixelCNN in which every tap counts."""


def _pixelcnn(id: str, shape: tuple, **settings) -> Row:
    """A network of the tests of densities and of samplers, which train and export it themselves."""
    graphs, data = (CONDITIONED, labelled) if "classes" in settings else (DENSITY, images)
    settings = {"shape": shape, **SMALL, **settings}
    return Row(id, "pixelcnn", settings, graphs, data, trained=False, targets=())


TABLE = (
    Row("vae", "vae", {"shape": DIGIT, "latent_dim": 3, "hidden": (16,)}, POSTERIOR, **EVERYWHERE),
    Row("vae_gaussian", "vae",
        {"shape": DIGIT, "latent_dim": 3, "hidden": (), "likelihood": "gaussian", "sigma": 0.2},
        POSTERIOR),
    Row("vae_conv", "vae",
        {"shape": DIGIT, "latent_dim": 3, "hidden": (16,), "channels": (4, 8)},
        POSTERIOR, **EVERYWHERE),
    Row("vae_colour", "vae",
        {"shape": (8, 8, 3), "latent_dim": 3, "hidden": (8,), "channels": (4, 8)}, POSTERIOR),
    Row("vae_faces", "vae_faces", {"shape": DIGIT, "latent_dim": 6, "channels": (4, 8)},
        POSTERIOR, **EVERYWHERE),
    Row("autoencoder", "autoencoder", {"shape": DIGIT, "code_dim": 4}, CODE, **EVERYWHERE),
    Row("autoencoder_conv", "autoencoder", {"shape": DIGIT, "code_dim": 4, "channels": (4, 8)},
        CODE, **EVERYWHERE),
    Row("compressive_autoencoder", "compressive_autoencoder",
        {"shape": (None, None, 1), "channels": (4, 4), "code": 3}, PLAIN_CODEC),
    Row("compressive_colour", "compressive_autoencoder",
        {"shape": (None, None, 3), "channels": (4, 4), "code": 3}, PLAIN_CODEC),
    Row("denoiser", "denoiser", {"depth": 1, "width": 4}, DENOISED, **ANY_SIZE),
    Row("denoiser_colour", "denoiser", {"shape": (None, None, 3), "depth": 2, "width": 4}, DENOISED),
    Row("unet", "unet",
        {"shape": (None, None, 1), "padding": "same", "depth": 2, "width": 4, "outputs": 1,
         "head": "regression"},
        {"unet": ({"image"}, {"estimate"})}, **ANY_SIZE),
    Row("segmenter", "unet",
        {"shape": (None, None, 1), "padding": "same", "depth": 1, "width": 4, "normalise": True},
        {"unet": ({"image"}, {"probabilities"})}, masked, **ANY_SIZE),
    Row("classifier", "classifier",
        {"shape": DIGIT, "classes": 3, "channels": (4,), "units": 8, "dropout": 0.5},
        {"classifier": ({"image"}, {"logits"})}, labelled, **EVERYWHERE),
    Row("adversarial_training", "adversarial_training",
        {"shape": DIGIT, "classes": 3, "channels": (4,), "units": 8, "steps": 2, "clean": 0.5, "test_steps": 2},
        {"classifier": ({"image"}, {"logits"})}, labelled, precisions=ALL),
    Row("captioning", "captioning",
        {"shape": DIGIT, "words": WORDS, "length": 3, "filters": (4,), "features": 5, "embedding": 4,
         "units": 6},
        {"encoder": ({"image"}, {"features"}), "reader": ({"features", "past"}, {"logits"}),
         "step": ({"features", "past", "h", "c"}, {"logits", "h_out", "c_out"})},
        captioned, **EVERYWHERE),
    Row("sign_detector", "sign_detector",
        {"shape": (16, 16, 1), "classes": 2, "channels": (4, 4, 4), "depth": 1},
        {"detector": ({"image"}, {"scores", "boxes", "logits"})}, masked_large, precisions=ALL),
    Row("trades", "trades",
        {"shape": DIGIT, "classes": 3, "channels": (4,), "units": 8, "steps": 2, "test_steps": 2},
        {"classifier": ({"image"}, {"logits"})}, labelled),
    Row("logit_pairing", "logit_pairing",
        {"shape": DIGIT, "classes": 3, "channels": (4,), "units": 8, "steps": 2, "test_steps": 2},
        {"classifier": ({"image"}, {"logits"})}, labelled),
    Row("interval_training", "interval_training",
        {"shape": DIGIT, "classes": 3, "channels": (4,), "units": 8, "start": 1, "ramp": 3},
        {"classifier": ({"image"}, {"logits"})}, labelled, precisions=ALL),
    Row("interval_training_greys", "interval_training",
        {"shape": DIGIT, "classes": 3, "channels": (4,), "units": 0, "thresholds": (0.3, 0.7)},
        {"classifier": ({"image"}, {"logits"})}, labelled),
    Row("char_lm", "char_lm", {"shape": (16,), "vocabulary": ("\n", "a", "b", "c"), "units": 6},
        READ, tokens),
    Row("frame_selection", "frame_selection",
        {"shape": (5, 6, 6, 1), "classes": 3, "keep": 2, "filters": 2, "features": 3, "units": 4},
        {"classifier": ({"frames"}, {"logits"})}, filmed, precisions=ALL),
    Row("frames_by_gradient", "frame_selection",
        {"shape": (5, 6, 6, 1), "classes": 3, "keep": 2, "filters": 2, "features": 3, "units": 4,
         "method": "straight_through"},
        {"classifier": ({"frames"}, {"logits"})}, filmed),
    Row("gan", "gan", {"shape": DIGIT, "latent_dim": 3, "g_hidden": (8,), "d_hidden": (8,)}, DRAWN),
    Row("dcgan", "dcgan", {"shape": DIGIT, "latent_dim": 3, "width": 4, "d_hidden": 4}, DRAWN),
    Row("labels_causal", "sequence_labels",
        {"shape": (7, 2), "classes": 3, "kind": "causal", "units": 5},
        {"labels": ({"series"}, {"logits"})}, stepped),
    Row("labels_joint", "sequence_labels", {"shape": (7, 2), "classes": 3, "units": 5},
        {"labels": ({"series", "past"}, {"logits"})}, stepped, precisions=ALL),
    Row("lineage", "lineage",
        {"shape": (4, 8, 8, 1), "filters": (2, 3), "features": 3, "units": 4},
        {"lineage": ({"movie"}, {"probability"})}, fated, precisions=ALL),
    Row("lineage_tracks", "lineage", {"shape": (7, 2), "units": 4, "direction": "causal"},
        {"lineage": ({"series"}, {"probability"})}, tracked, precisions=ALL),
    Row("eeg", "eeg",
        {"shape": (12, 3), "classes": 3, "window": 2, "baseline": 2, "late": 2, "members": 2,
         "units": 3},
        {"eeg": ({"series"}, {"logits"})}, trials, precisions=ALL),
    Row("stackgan", "stackgan",
        {"shape": (8, 8, 3), "words": WORDS, "length": 3, "factor": 2, "embedding": 3,
         "recurrent": 4, "text_dim": 3, "condition_dim": 2, "noise_dim": 2, "encoder": 2,
         "generator1": 4, "generator2": 4, "discriminator1": 2, "discriminator2": 2,
         "matching_steps": 1, "stage1_steps": 1},
        {"text_encoder": ({"tokens"}, {"text"}),
         "stage1": ({"text", "condition_noise", "noise"}, {"low"}),
         "stage2": ({"text", "condition_noise", "low"}, {"image"})},
        captioned, phases=3, eager=True),
    Row("unet_codec", "unet_codec",
        {"skip": 24, "bottleneck": 4, "blocks": (1, 1), "width": 8, "prior": 8},
        {"encoder": ({"image", "quality"}, {"y", "z"}),
         "prior": ({"z", "y", "pass", "quality"}, {"index", "mean"}),
         "decoder": ({"z", "y", "quality"}, {"image"})},
        large, eager=True, as_bytes=True, uncounted=("prior",)),
    Row("illumination", "illumination",
        {"shape": DIGIT, "words": WORDS, "length": 3, "filters": (4,), "features": 5, "embedding": 4,
         "units": 6, "search_steps": 2},
        {"encoder": ({"image"}, {"features"}), "reader": ({"features", "past"}, {"logits"}),
         "step": ({"features", "past", "h", "c"}, {"logits", "h_out", "c_out"})},
        captioned, targets=("cpu", "web")),
    Row("illumination_fixed", "illumination",
        {"shape": DIGIT, "words": WORDS, "length": 3, "filters": (4,), "features": 5, "embedding": 4,
         "units": 6, "pattern": "best fixed", "search_steps": 2},
        {"encoder": ({"image"}, {"features"}), "reader": ({"features", "past"}, {"logits"}),
         "step": ({"features", "past", "h", "c"}, {"logits", "h_out", "c_out"})},
        captioned, targets=()),
    Row("fvbn", "fvbn", {"shape": DIGIT, "hidden": 8}, DENSITY),
    Row("pixelrnn", "pixelrnn",
        {"shape": DIGIT, "filters": 3, "layers": 1, "entry": 3, "head": 3}, DENSITY,
        uncounted=("density",)),
    Row("pixelrnn_diagonal", "pixelrnn",
        {"shape": DIGIT, "kind": "diagonal", "filters": 3, "layers": 1, "entry": 3, "head": 3},
        DENSITY, uncounted=("density",)),
    Row("super_resolution", "super_resolution",
        {"shape": DIGIT, "factor": 2, "components": 2, "filters": 4, "stages": 1, "blocks": 1,
         "entry": 3},
        {"density": ({"image", "low"}, {"log_likelihood"})}),
    Row("pixelcnn", "pixelcnn",
        {"shape": DIGIT, "blocks": 1, "filters": 4, "middle": 4, "head": 4, "entry": 3}, DENSITY),
    _pixelcnn("residual", (6, 5, 1)),
    _pixelcnn("wide", (5, 6, 1), entry=5, kernel=5),
    _pixelcnn("gated", (6, 5, 1), stacks="gated"),
    _pixelcnn("softmax", (5, 5, 1), levels=5),
    _pixelcnn("colour", (4, 4, 3), levels=3),
    _pixelcnn("colour-gated", (4, 4, 3), levels=3, stacks="gated"),
    _pixelcnn("mixture", (5, 4, 1), levels=256, components=3),
    _pixelcnn("mixture-colour", (4, 4, 3), levels=256, components=3),
    _pixelcnn("label", (5, 5, 1), classes=3),
    _pixelcnn("label-gated", (5, 5, 1), classes=3, stacks="gated"),
)  # fmt: skip
