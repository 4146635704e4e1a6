r"""Image captioning: a convolutional network looks, an LSTM speaks (lecture: "image captioning").

    image ──[conv 3x3/2, ReLU] x 4──flatten──dense──> features
    features + word before ──LSTM──> the next word, until it says that there is none

Show and Tell (Vinyals et al. 2015, arXiv 1411.4555) at the size of drawn pictures: two minutes of one core
for captions of shapes. The LSTM is told the image at every word. A beam search finds the likeliest sentence;
exported, it is a loop in one file (`dimaging-edge caption`).

A few thousand photographs are too few to learn to see from. `eyes="efficientnet_lite0"` looks with a network
that knows ImageNet and does not learn: dimaging train captioning --data photos/ --set eyes=efficientnet_lite0

Then the sentences are few, too, and the start decides. What is seen of the training photographs is brought to
one mean and spread; vectors of words start as far apart (of Keras' small ones the LSTM hears the image alone,
and for five epochs learns nothing but how frequent words are, which it is told here); and a step takes all
captions of its photographs.

image: float32 [B, H, W, C] in [0, 1]; captions: int32 [B, length], or several each [B, K, length].
"""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.deployable import check_strides
from dimaging_tf.models import efficientnet_lite
from dimaging_tf.sequence.captioner import Captioner

OWN, PRETRAINED = "convolutions", "efficientnet_lite0"
SEEN = 1280
"""Numbers that EfficientNet-Lite0 sees in a photograph: means of ReLU6, so each is in [0, 6]."""
_MOST = 6.0
CONTRAST = 0.15
"""Spread of each of these numbers over the training photographs, as the layer behind them sees it."""
FAINT = 0.1
"""Spread below which a number is held to be noise, which is not enlarged further."""
SPREAD = 0.5
"""Spread of the words' vectors before training, where the eyes do not learn."""


@dataclass(frozen=True)
class Config:
    """A network for drawn pictures of 64x64; `dimaging train` takes size and words from the data."""

    shape: tuple[int, int, int] = (64, 64, 3)  # height, width, channels
    words: tuple[str, ...] = ()  # the vocabulary; `dimaging train` takes that of the data
    length: int = 12  # words of the longest caption
    filters: tuple[int, ...] = (24, 48, 64, 64)  # channels of each stride-2 convolution
    features: int = 128  # length of what the LSTM is told of an image
    embedding: int = 64  # length of a word's vector
    units: int = 128  # of the LSTM
    dropout: float = 0.2  # share of values left out before and behind the LSTM
    eyes: str = OWN  # or "efficientnet_lite0", which knows ImageNet and does not learn

    def __post_init__(self):
        if min(self.features, self.embedding, self.units, self.length) < 1:
            raise ValueError(
                "captioning: features, embedding, units and length are at least 1. Received: "
                f"{self.features}, {self.embedding}, {self.units}, {self.length}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"captioning: dropout is in [0, 1). Received: {self.dropout}")
        if self.eyes not in (OWN, PRETRAINED):
            raise ValueError(
                f"captioning: eyes are {OWN!r} or {PRETRAINED!r}. Received: {self.eyes!r}"
            )
        if self.eyes == PRETRAINED and (min(self.shape[:2]) < 32 or self.shape[2] != 3):
            raise ValueError(
                "captioning: EfficientNet-Lite0 looks at coloured images of 32 x 32 pixels or more (--size "
                f"224). Received: {list(self.shape)}"
            )
        check_strides("captioning", self.shape, len(self.filters) if self.eyes == OWN else 0)


def build_encoder(config: Config) -> keras.Model:
    """Build the network that looks: image -> {"features"}."""
    image = keras.Input(config.shape, name="image")
    x = image
    for filters in config.filters:
        x = layers.Conv2D(filters, 3, 2, padding="same", activation="relu")(x)
    x = layers.Dropout(config.dropout)(layers.Flatten()(x))
    features = layers.Dense(config.features, activation="relu", name="features")(x)
    return keras.Model(image, {"features": features}, name="encoder")


def build_pretrained(config: Config) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Build (encoder, eyes, mind) of shared layers: image -> {"features"}, image -> seen -> {"features"}."""
    network = efficientnet_lite.build_network(efficientnet_lite.Config(config.shape))
    for layer in network.layers:
        layer.trainable = False
    image, mean = network.input, network.get_layer("mean").output
    seen = keras.Input((SEEN,), name="seen")
    standard = layers.BatchNormalization(
        epsilon=FAINT**2, center=False, gamma_initializer=keras.initializers.Constant(CONTRAST),
        trainable=False, name="standard",
    )  # fmt: skip
    drop = layers.Dropout(config.dropout)
    dense = layers.Dense(config.features, name="features")
    mind = keras.Model(seen, {"features": dense(drop(standard(seen)))}, name="mind")
    encoder = keras.Model(image, {"features": dense(drop(standard(mean)))}, name="encoder")
    return encoder, keras.Model(image, {"seen": mean}, name="eyes"), mind


@keras.saving.register_keras_serializable("dimaging")
class Captioning(Captioner):
    """`compile(optimizer)`, `fit(images, captions)`; `caption(images, beam=3)` returns sentences."""

    config_class = Config
    registry_name = "captioning"

    def __init__(self, config: Config | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        if self.config.eyes == OWN:
            self.encoder = build_encoder(self.config)
            self.set_speaker()
        else:
            self.encoder, self.eyes, self.mind = build_pretrained(self.config)
            self.set_speaker(SPREAD)

    def call(self, x, training=False):
        """Return the features of images, or of what the pretrained eyes saw in them (`precomputed`)."""
        if tuple(x.shape[1:]) == self.precomputed_shape:
            return self.mind(x[:, 0, 0] * _MOST, training=training)["features"]
        return super().call(x, training)

    def load_eyes(self) -> None:
        """Give the pretrained eyes their weights; DataError where their package is not installed."""
        known = efficientnet_lite.pretrained().network
        for layer in self.eyes.layers:
            layer.set_weights(known.get_layer(layer.name).get_weights())

    @property
    def precomputed_shape(self) -> tuple[int, int, int] | None:
        """That of what the pretrained eyes saw in one image; None where the eyes learn."""
        return (1, 1, SEEN) if self.config.eyes == PRETRAINED else None

    def precomputed(self, dataset):
        """Return the data with what the pretrained eyes see in each image: [N, 1, 1, 1280] in [0, 1]."""
        if self.config.eyes == OWN:
            return dataset
        self.load_eyes()

        def seen(split: Any) -> Any:
            parts = np.array_split(np.arange(len(split)), max(1, len(split) // 16))
            found = [np.asarray(self.eyes(split.inputs(part))["seen"]) for part in parts]
            return replace(split, x=np.concatenate(found)[:, None, None] / np.float32(_MOST))

        found = replace(dataset, train=seen(dataset.train), valid=seen(dataset.valid))
        self.standardise(found.train.x[:, 0, 0])
        return found

    def standardise(self, seen: np.ndarray) -> None:
        """Bring what the pretrained eyes see to one mean and spread over photographs: [N, 1280] in [0, 1]."""
        standard: Any = self.mind.get_layer("standard")
        standard.moving_mean.assign(_MOST * seen.mean(0))
        standard.moving_variance.assign(_MOST**2 * seen.var(0))

    def measure(self, x, label):
        """Start with how often each word occurs in the captions, where the eyes do not learn."""
        if self.config.eyes == OWN:
            return
        captions = np.asarray(label)
        captions = captions.reshape(-1, captions.shape[-1])
        captions = captions[captions.any(1)]
        head: Any = self.reader.get_layer("next")
        count = np.bincount(captions[captions > 0], minlength=head.bias.shape[0]).astype(float)
        count[0] = len(captions)  # each ends once
        head.bias.assign(np.log((count + 1) / count.sum()))

    def transform(self, x, label, seed):
        """Return all captions of each image, a row each, where the eyes do not learn; else one of them."""
        if self.config.eyes == OWN or len(label.shape) == 2:
            return super().transform(x, label, seed)
        told = tf.reduce_any(label > 0, -1)
        return tf.gather(x, tf.where(told)[:, 0]), tf.boolean_mask(label, told)
