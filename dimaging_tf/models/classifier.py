"""Convolutional classifier (lecture: "adversarial examples": the network that takes a cat for an iguana).

    image ──conv 4x4/2, 16──conv 4x4/2, 32──dense 100── logits        ReLU between them

The default is the network of Wong, Rice and Kolter 2020 (arXiv 2001.03994), on which robust training for
MNIST is measured: 166,406 weights. The graph ends with logits and not with a softmax: in float32 the softmax
of a confident network is exactly 0 or 1, and then it hides the gradient that an attack or a defence needs.

image: float32 [B, H, W, C] in [0, 1]; logits: float32 [B, classes], unbounded; label: int32 [B].
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from dimaging_tf.data.labels import check_classes, class_settings
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.evaluation import metrics


@dataclass(frozen=True)
class Config:
    """A network for ten digits of 28x28; `dimaging train` takes size, classes and names from the data."""

    shape: tuple[int, int, int] = (28, 28, 1)  # height, width, channels
    classes: int = 10  # number of classes
    names: tuple[str, ...] = ()  # names of the classes in the order of their numbers; (): unknown
    channels: tuple[int, ...] = (16, 32)  # channels of each stride-2 convolution
    kernel: int = 4  # side of the kernels, pixels
    units: int = 100  # units of the hidden dense layer; 0: no such layer
    dropout: float = 0.0  # share of values left out before the last layer
    convolutions: int = 1  # convolutions of each stage, of which the first has stride 2
    normalise: bool = (
        False  # batch norm after each convolution, and dropout before the hidden layer too
    )

    def __post_init__(self):
        if self.classes < 2:
            raise ValueError(f"classifier: classes must be at least 2. Received: {self.classes}")
        if self.names and len(self.names) != self.classes:
            raise ValueError(
                f"classifier: names must be as many as the {self.classes} classes, or none. "
                f"Received: {len(self.names)}"
            )


def build_classifier(config: Config) -> keras.Model:
    """Build the network: image -> {"logits"}."""
    image = keras.Input(config.shape, name="image")
    x = image
    for channels in config.channels:
        for stride in (2, *[1] * (config.convolutions - 1)):
            x = _convolution(x, channels, stride, config)
    x = layers.Flatten()(x)
    if config.normalise and config.dropout:
        x = layers.Dropout(config.dropout)(x)
    if config.units:
        x = layers.Dense(config.units, activation="relu")(x)
    if config.dropout:
        x = layers.Dropout(config.dropout)(x)
    return keras.Model(image, {"logits": layers.Dense(config.classes)(x)}, name="classifier")


def _convolution(x, channels: int, stride: int, config: Config):
    if not config.normalise:
        return layers.Conv2D(channels, config.kernel, stride, padding="same", activation="relu")(x)
    x = layers.Conv2D(channels, config.kernel, stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


@keras.saving.register_keras_serializable("dimaging")
class Classifier(DeployableModel):
    """The classifier; it is fitted on (image, label) with label int [B], 0 to classes - 1."""

    config_class = Config
    picture_rows = ("image", "probabilities")
    registry_name = "classifier"
    builder = staticmethod(build_classifier)
    """config -> the network, image -> {"logits"}; a subclass may have another."""
    mixed_precision = True
    loss_units = {"loss": "nats"}
    ranges = {"image": (0.0, 1.0), "logits": None}
    # An export is judged on up to 256 images, of which one is 0.4 %.
    figure_of_merit = FigureOfMerit(
        "accuracy", "%", True, {"fp16": 0.5, "int8": 1.0, "integer": 1.0}
    )

    def __init__(self, config: Config | None = None, **kwargs):
        super().__init__(config, **kwargs)
        self.network = self.builder(self.config)

    @classmethod
    def settings_for(cls, dataset):
        """Return the number of the data's classes, and their names where it has any."""
        return class_settings(dataset)

    @property
    def label_classes(self):
        """The classes of the Config."""
        return self.config.classes

    def check_data(self, dataset):
        """DataError unless every image has one label, 0 to classes - 1."""
        mend = "Put the images of each class into a folder of their own: DATA/CLASS/NAME.png"
        check_classes("classifier", dataset, self.config.classes, "an image", mend)

    def call(self, image, training=False):
        """Compute the logits [B, classes] of images [B, H, W, C]."""
        return self.network(image, training=training)["logits"]

    def graphs(self):
        """Return {"classifier": image -> logits}."""
        return {"classifier": self.network}

    def objective(self):
        """Return the cross-entropy of the labels as loss, with the accuracy as metric."""
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return {"loss": loss, "metrics": [keras.metrics.SparseCategoricalAccuracy("accuracy")]}

    def transform(self, image, label, seed):
        """Return (image, label)."""
        return image, label

    def examples(self, image, label=None, seed=0):
        """Return the images themselves."""
        return {"classifier": {"image": image}}

    def score(self, run, image, label=None, seed=0):
        """Return the accuracy in percent; ValueError without labels."""
        if label is None:
            raise ValueError("classifier: the accuracy needs labels. Received: label=None")
        return metrics.accuracy(run("classifier", image=image)["logits"], label)

    def picture(self, image, label=None, seed=0):
        """Return rows: images, and bar charts of their probabilities, in which the true class is white."""
        image = image[:8]
        logits = self.run("classifier", image=image)["logits"].astype(np.float64)
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        height, width, depth = self.config.shape
        column = np.arange(width) * self.config.classes // width  # the class of a column of pixels
        level = 1 - (np.arange(height) + 0.5) / height  # the probability at a row of pixels
        filled = level[:, None] < (odds / odds.sum(-1, keepdims=True))[:, None, column]
        shade = np.full((len(image), 1, width), 0.6)
        if label is not None:
            shade[column == np.asarray(label)[: len(image), None, None]] = 1.0
        bars = np.repeat((filled * shade)[..., None], depth, axis=-1)
        return np.stack([image, bars]).astype(np.float32)
