"""Prospective lineage: what a cell will become, said before it shows (lecture: "prospective identification").

    life of a cell [T frames] --CNN, the same for each--> features --GRU both ways--> p(lineage 1) a frame
    its track [T steps, C numbers] --standardised, fixed-> features --GRU both ways--> the same

Buggenthin et al. 2017 (Nature Methods 14). Both directions are allowed, for a cell is judged when its life is
over, and its daughters' marker, generations later, is what has to be foreseen. Whoever asks during its life
takes direction "causal". It states a probability for every frame and feeds nothing back: not generative.

movie: float32 [B, T, H, W, C] in [0, 1], or series: float32 [B, T, C]; probability: float32 [B, T].
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_tf.data.kinds import Kind
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.evaluation.metrics import auc
from dimaging_tf.sequence.standardising import standardising

DIRECTIONS = ("bidirectional", "causal")


@dataclass(frozen=True)
class Config:
    """Eight frames of 27 x 27 pixels; a series has the shape (steps, numbers) and no CNN."""

    shape: tuple[int, ...] = (8, 27, 27, 1)  # of a cell's life
    filters: tuple[int, ...] = (8, 16, 16)  # of convolutions of stride 2
    features: int = 16  # of a frame
    units: int = 16  # of the recurrent layer, in each direction
    direction: str = "bidirectional"  # one of DIRECTIONS
    dropout: float = 0.0  # share of the recurrent layer's outputs
    noise: float = 0.0  # standard deviation of what training adds to a standardised series

    def __post_init__(self):
        if len(self.shape) not in (2, 4):
            raise ValueError(
                "lineage: shape is (frames, height, width, channels) of movies or (steps, numbers) of "
                f"series. Received: {self.shape}"
            )
        if self.direction not in DIRECTIONS:
            raise ValueError(
                f"lineage: direction is one of {', '.join(DIRECTIONS)}. Received: {self.direction!r}"
            )
        if min(self.features, self.units, *self.filters) < 1:
            raise ValueError(
                "lineage: filters, features and units are at least 1. "
                f"Received: {self.filters}, {self.features}, {self.units}"
            )
        if not (0 <= self.dropout < 1 and 0 <= self.noise <= 1):
            raise ValueError(
                "lineage: dropout is in [0, 1), noise is in [0, 1]. "
                f"Received: {self.dropout}, {self.noise}"
            )

    @property
    def kind(self) -> Kind:
        """What it learns from, which is also the name of its input."""
        return "movie" if len(self.shape) == 4 else "series"


def build_frame(config: Config) -> keras.Model:
    """Patches [B, H, W, C] -> features [B, F]."""
    patch = keras.Input(config.shape[1:], name="patch")
    x = layers.Rescaling(8.0, -4.0)(patch)  # the contrast inside a cell is a tenth of full scale
    for kernel, filters in zip((5, *[3] * len(config.filters)), config.filters, strict=False):
        x = layers.Conv2D(filters, kernel, 2, padding="same", activation="relu")(x)
    x = layers.Dense(config.features, activation="relu")(layers.Flatten()(x))
    return keras.Model(patch, x, name="frame")


def build_network(config: Config) -> tuple[keras.Model, keras.Model]:
    """Create two models of the same layers: life -> logits [B, T], and life -> {"probability"}."""
    x = life = keras.Input(config.shape, name=config.kind)
    if config.kind == "movie":
        x = layers.TimeDistributed(build_frame(config))(x)
    else:
        numbers = config.shape[-1]
        x = layers.Dense(
            numbers, kernel_initializer="identity", trainable=False, name="standardised"
        )(x)
        x = layers.GaussianNoise(config.noise)(x)
    gru: Any = layers.GRU(config.units, return_sequences=True)
    x = layers.Bidirectional(gru)(x) if config.direction == "bidirectional" else gru(x)
    x = layers.Dense(1)(layers.Dropout(config.dropout)(x))
    logits = layers.Reshape(config.shape[:1])(x)
    probability = layers.Activation("sigmoid")(logits)
    said = keras.Model({config.kind: life}, {"probability": probability}, name="lineage")
    return keras.Model(life, logits, name="logits"), said


@keras.saving.register_keras_serializable("dimaging")
class Lineage(DeployableModel):
    """`measure(x, label)`, `compile(optimizer, **objective())` and `fit(*transform(x, label, None))`."""

    config_class = Config
    registry_name = "lineage"
    kinds: tuple[Kind, ...] = ("movie", "series")
    figure_of_merit = FigureOfMerit("AUC", "", True, {"fp16": 0.005, "int8": 0.02})

    def __init__(self, config: Config | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        self.logits, self.network = build_network(self.config)

    @property
    def ranges(self):
        """Patches are images; a series has any finite values."""
        return {"movie": (0.0, 1.0), "series": None, "probability": (0.0, 1.0)}

    def check_data(self, dataset):
        """One label a cell or a frame, 0 or 1, and both of them occur."""
        for name, split in (("train", dataset.train), ("valid", dataset.valid)):
            if split.label_kind not in ("example", "step"):
                found = "no labels" if split.label is None else f"one a {split.label_kind}"
                raise DataError(
                    f"lineage: it learns from a label 0 or 1 for every cell or frame; {dataset.name} has "
                    f"{found}. Put them into an .npz: x [N, T, H, W, C] or [N, T, C], label [N] or [N, T]"
                )
            found = set(np.unique(split.label).tolist())
            if found < {0, 1}:
                raise DataError(
                    f"lineage: all {len(split)} labels of the {name} split of {dataset.name} are "
                    f"{found.pop()}; expected 0 and 1 in both splits. Give more cells, another --seed, or "
                    "the split itself: x_train, label_train, x_valid and label_valid in an .npz"
                )
            if found != {0, 1}:
                raise DataError(
                    f"lineage: the labels of {dataset.name} are {_few(split.label)}; expected 0 and 1, both "
                    "of them in train and in valid"
                )

    def measure(self, x, label):
        """Set the fixed first layer of series: each number of those given then has mean 0 and spread 1."""
        if self.config.kind == "series":
            self.logits.get_layer("standardised").set_weights(standardising(x))

    def call(self, inputs, training=False):
        """Lives -> logits [B, T]."""
        return self.logits(inputs, training=training)

    def graphs(self):
        """{"lineage": life -> probability}."""
        return {"lineage": self.network}

    def objective(self):
        """Cross-entropy of every frame, with the accuracy of the frames as metric."""
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        return {"loss": loss, "metrics": [keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)]}

    def transform(self, x, label, seed):
        """(x, label of every frame): that of a cell holds for all of its frames."""
        if len(label.shape) == 1:
            label = keras.ops.repeat(label[:, None], self.config.shape[0], 1)
        return x, label

    def examples(self, x, label=None, seed=0):
        """Real cells."""
        return {"lineage": {self.config.kind: x}}

    def score(self, run, x, label=None, seed=0):
        """AUC of `foretell`, cells of both lineages against each other; ValueError without both labels."""
        if label is None or sorted(np.unique(label)) != [0, 1]:
            raise ValueError(f"lineage: an AUC needs labels 0 and 1. Received: {_few(label)}")
        probability = run("lineage", **{self.config.kind: x})["probability"]
        if label.ndim == 2:
            return auc(probability.ravel(), label.ravel())
        return auc(self._of_cells(probability), label)

    def foretell(self, x: np.ndarray) -> np.ndarray:
        """Return the log-odds [B] of lineage 1 that whole cells get.

        They are the mean over the frames, or those of the last frame where no frame looks ahead.
        """
        parts = np.array_split(x, max(1, len(x) // 200))
        said = [self.run("lineage", **{self.config.kind: part})["probability"] for part in parts]
        return self._of_cells(np.concatenate(said))

    def _of_cells(self, probability: np.ndarray) -> np.ndarray:
        odds = log_odds(probability)
        return odds.mean(-1) if self.config.direction == "bidirectional" else odds[:, -1]

    def picture(self, x, label=None, seed=0):
        """A life is no picture."""
        return None


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return log p / (1 - p) of probabilities, float64; 0 and 1 count as 1e-7 and 1 - 1e-7."""
    sure = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(sure / (1 - sure))


def _few(label: np.ndarray | None) -> str:
    return "none" if label is None else ", ".join(map(str, np.unique(label)[:5]))
