"""Image captioning: a convolutional network looks, an LSTM speaks (lecture: "image captioning").

    image ──[conv 3x3/2, ReLU] x 4──flatten──dense──> features
    features + word before ──LSTM──> the next word, until it says that there is none

Show and Tell (Vinyals et al. 2015, arXiv 1411.4555) at the size of drawn pictures: two minutes of one core
for captions of shapes. The LSTM is told the image at every word. A beam search finds the likeliest sentence;
exported, it is a loop in one file (`dimaging-edge caption`).

image: float32 [B, H, W, C] in [0, 1]; captions: int32 [B, length], or several each [B, K, length].
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from dimaging_tf.deployable import check_strides
from dimaging_tf.sequence.captioner import Captioner


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

    def __post_init__(self):
        if min(self.features, self.embedding, self.units, self.length) < 1:
            raise ValueError(
                "captioning: features, embedding, units and length are at least 1. Received: "
                f"{self.features}, {self.embedding}, {self.units}, {self.length}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"captioning: dropout is in [0, 1). Received: {self.dropout}")
        check_strides("captioning", self.shape, len(self.filters))


def build_encoder(config: Config) -> keras.Model:
    """Build the network that looks: image -> {"features"}."""
    image = keras.Input(config.shape, name="image")
    x = image
    for filters in config.filters:
        x = layers.Conv2D(filters, 3, 2, padding="same", activation="relu")(x)
    x = layers.Dropout(config.dropout)(layers.Flatten()(x))
    features = layers.Dense(config.features, activation="relu", name="features")(x)
    return keras.Model(image, {"features": features}, name="encoder")


@keras.saving.register_keras_serializable("dimaging")
class Captioning(Captioner):
    """`compile(optimizer)`, `fit(images, captions)`; `caption(images, beam=3)` returns sentences."""

    config_class = Config
    registry_name = "captioning"

    def __init__(self, config: Config | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        self.encoder = build_encoder(self.config)
        self.set_speaker()
