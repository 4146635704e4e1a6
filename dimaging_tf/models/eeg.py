"""Many to one: one answer for a whole series (lecture: "was the mouse scared?", read from its EEG).

    series [T, C] -- whitening, fixed --> mean of each window, minus that of the first windows
                  --> filters over channels --> GRU over windows --> logits of each member --mean--> logits

An ensemble of small GRUs. EEG has many channels and few trials, and its noise is the same in most of them;
so the first layer is fixed: it makes the noise of the training trials white (`measure`, see
`sequence.whitening`), and leaves with the network. Each member has weights of its own, in one layer
(`sequence.ensemble`). Training mixes pairs of trials and adds noise (Zhang et al. 2018, arXiv 1710.09412).

series: float32 [B, T, C], in any unit; logits: float32 [B, classes], the mean of all members;
label: int32 [B].
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.data.kinds import Kind
from dimaging_tf.data.labels import check_classes, class_settings
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.evaluation import metrics
from dimaging_tf.sequence.ensemble import BlockDiagonal, BlockNormal
from dimaging_tf.sequence.whitening import whitening
from dimaging_tf.training.steps import descend, step_uniform


@dataclass(frozen=True)
class Config:
    """Half a second of 28 channels at 100 steps a second; left or right hand."""

    shape: tuple[int, int] = (50, 28)  # steps and channels of a series
    classes: int = 2
    names: tuple[str, ...] = ()  # of the classes, in the order of their numbers; () where unknown
    window: int = 0  # steps of which the mean is taken; 0: a 25th of the series
    baseline: int = 5  # first windows, whose mean is subtracted from the others; 0: none is
    late: int = 4  # last windows, in which the noise is measured
    members: int = 8  # networks, whose logits are averaged
    filters: int = 2  # combinations of channels that each member reads
    units: int = 4  # of each member's GRU
    noise: float = 0.5  # standard deviation that training adds to the whitened series
    decay: float = 3e-3  # penalty on the squares of the weights
    smoothing: float = 0.1  # share of a label that training spreads over all classes
    seed: int = 0  # of the pairs that are mixed

    def __post_init__(self):
        numbers = (self.late, self.members, self.filters, self.units)
        if min(numbers) < 1 or self.classes < 2 or min(self.baseline, self.window) < 0:
            raise ValueError(
                "eeg: late, members, filters and units are at least 1, classes 2, baseline and window 0. "
                f"Received: {numbers}, {self.classes}, {self.baseline}, {self.window}"
            )
        if not (0 <= self.noise <= 1 and 0 <= self.smoothing < 1 and 0 <= self.decay < math.inf):
            raise ValueError(
                "eeg: noise is in [0, 1], smoothing in [0, 1), decay finite and at least 0. Received: "
                f"{self.noise}, {self.smoothing}, {self.decay}"
            )
        if self.windows < self.late:
            raise ValueError(
                f"eeg: {self.baseline} windows of baseline and {self.late} late ones need "
                f"{(self.baseline + self.late) * self.steps} steps, in windows of {self.steps}. Received: "
                f"{self.shape[0]}. Choose a smaller window (--set window=1) or no baseline"
            )
        if self.names and len(self.names) != self.classes:
            raise ValueError(
                f"eeg: names must be as many as the {self.classes} classes, or none. "
                f"Received: {len(self.names)}"
            )

    @property
    def steps(self) -> int:
        """Steps of a window."""
        return self.window or max(1, self.shape[0] // 25)

    @property
    def windows(self) -> int:
        """Windows that the recurrent layer reads."""
        return self.shape[0] // self.steps - self.baseline


def build_front(config: Config, series: Any) -> Any:
    """Write the fixed part: whitened windows [B, windows, C], without the baseline."""
    channels = config.shape[1]
    x = layers.Dense(
        channels, use_bias=False, kernel_initializer="identity", trainable=False, name="whitening"
    )(series)
    x = layers.AveragePooling1D(config.steps)(x)
    if not config.baseline:
        return x
    first = layers.Cropping1D((0, config.windows))(x)
    rest = layers.Cropping1D((config.baseline, 0))(x)
    return layers.Subtract(name="without_baseline")(
        [rest, layers.GlobalAveragePooling1D(keepdims=True)(first)]
    )


def build_members(config: Config) -> keras.Model:
    """Build series -> logits of every member [B, members, classes]."""
    m = config.members
    series = keras.Input(config.shape, name="series")
    x = build_front(config, series)
    x = layers.GaussianNoise(config.noise)(x) if config.noise else x
    # Small filters: their direction is then what the gradient says, the difference of white means.
    small = keras.initializers.RandomNormal(stddev=0.05)
    x = layers.Dense(m * config.filters, use_bias=False, kernel_initializer=small, name="filters")(
        x
    )
    x = layers.GRU(
        m * config.units,
        kernel_initializer=BlockNormal(m, 3),
        recurrent_initializer=BlockNormal(m, 3),
        kernel_constraint=BlockDiagonal(m, 3),
        recurrent_constraint=BlockDiagonal(m, 3),
        unroll=config.windows <= 32,  # faster than a loop, as long as the graph is short
        name="members",
    )(x)
    x = layers.Dense(
        m * config.classes,
        kernel_initializer=BlockNormal(m),
        kernel_constraint=BlockDiagonal(m),
        name="answers",
    )(x)
    return keras.Model(series, layers.Reshape((m, config.classes))(x), name="members")


@keras.saving.register_keras_serializable("dimaging")
class EEG(DeployableModel):
    """`adapt(series, label)`, `compile(SGD)` and `fit(series, label)`: label int [N], 0 to classes - 1."""

    config_class = Config
    registry_name = "eeg"
    kinds: tuple[Kind, ...] = ("series",)
    ranges = {"series": None, "logits": None}
    figure_of_merit = FigureOfMerit("accuracy", "%", True, {"fp16": 0.5, "int8": 1.0})

    def __init__(self, config: Config | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        self.members = build_members(self.config)
        series = self.members.input
        logits = layers.GlobalAveragePooling1D(name="mean")(self.members.output)
        self.network = keras.Model(series, {"logits": logits}, name="eeg")
        self.trackers = {name: keras.metrics.Mean(name) for name in ("loss", "accuracy")}

    @classmethod
    def settings_for(cls, dataset):
        """As many classes as the data names or numbers, and their names."""
        return class_settings(dataset)

    def check_data(self, dataset):
        """DataError unless every series has one label, 0 to classes - 1, and each class two trials."""
        mend = (
            "Put the recordings of each class into a folder of their own: DATA/CLASS/NAME.csv, or give an "
            ".npz: x float32 [N, T, C], label [N]"
        )
        check_classes("eeg", dataset, self.config.classes, "a series", mend)
        if len(np.unique(dataset.train.label)) < 2:
            raise DataError(
                f"eeg: all training series of {dataset.name} have one label; expected two classes at least"
            )

    def measure(self, x, label):
        """Measure the noise of training series [N, T, C], label int [N], and set the whitening layer."""
        if label is None:
            raise ValueError("eeg: measure needs the labels of the series. Received: label=None")
        front = keras.Model(self.members.input, build_front(self.config, self.members.input))
        pooled = np.asarray(front(np.asarray(x)))
        matrix = whitening(pooled, label, pooled[:, -self.config.late :].mean(1))
        self.members.get_layer("whitening").set_weights([matrix])

    def call(self, series, training=False):
        """Logits [B, classes] of series [B, T, C]."""
        return self.network(series, training=training)["logits"]

    def graphs(self):
        """{"eeg": series -> logits}."""
        return {"eeg": self.network}

    def train_step(self, data):
        """One step of every member on mixed pairs of the batch, which comes shuffled; accuracy is on them."""
        x, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        share = step_uniform(tf.shape(x)[:1], self.config.seed, self.optimizer.iterations)
        share = tf.sin(share * np.float32(np.pi / 2)) ** 2  # Beta(1/2, 1/2): mostly near 0 or 1
        other = tf.roll(tf.range(tf.shape(x)[0]), 1, 0)
        mixed = share[:, None, None] * x + (1 - share[:, None, None]) * tf.gather(x, other)
        smooth = self.config.smoothing
        one_hot = (
            tf.one_hot(label, self.config.classes) * (1 - smooth) + smooth / self.config.classes
        )
        wanted = share[:, None] * one_hot + (1 - share[:, None]) * tf.gather(one_hot, other)

        def loss_of():
            logits = self.members(mixed, training=True)
            loss = _cross_entropy(wanted, logits)
            matrices = [w for w in self.members.trainable_variables if len(w.shape) > 1]
            penalty = tf.add_n([tf.reduce_sum(tf.square(w)) for w in matrices])
            # Every member is a network of its own, so its share of the mean counts as one whole.
            return self.config.members * loss + self.config.decay * penalty, (loss, logits)

        loss, logits = descend(self, loss_of)
        right = tf.equal(tf.argmax(tf.reduce_mean(logits, 1), -1), tf.argmax(wanted, -1))
        return self.track({"loss": loss, "accuracy": tf.cast(right, tf.float32)})

    def test_step(self, data):
        """Cross-entropy and accuracy of the mean of all members."""
        x, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        logits = self(x)
        loss = _cross_entropy(tf.one_hot(label, self.config.classes), logits[:, None])
        right = tf.equal(tf.argmax(logits, -1), tf.cast(label, tf.int64))
        return self.track({"loss": loss, "accuracy": tf.cast(right, tf.float32)})

    def transform(self, x, label, seed):
        """(series, label)."""
        return x, label

    def examples(self, x, label=None, seed=0):
        """The series themselves."""
        return {"eeg": {"series": x}}

    def score(self, run, x, label=None, seed=0):
        """Accuracy in percent; ValueError without labels."""
        if label is None:
            raise ValueError("eeg: the accuracy needs labels. Received: label=None")
        return metrics.accuracy(run("eeg", series=x)["logits"], label)

    def picture(self, x, label=None, seed=0):
        """A series is no picture."""
        return None


def _cross_entropy(wanted: Any, logits: Any) -> Any:
    """Return the mean cross-entropy of logits [B, members, classes] with odds [B, classes]."""
    log_odds = tf.nn.log_softmax(logits)
    return -tf.reduce_mean(tf.reduce_sum(wanted[:, None] * log_odds, -1))
