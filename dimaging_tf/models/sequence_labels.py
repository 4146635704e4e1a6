"""A label for every step of a series (lecture: "many to many", "bidirectional", "past outputs").

    causal         x_1 .. x_t --LSTM--> y_t                            the past of what was measured
    bidirectional  x_1 .. x_T --LSTM both ways--> y_t                  all that was measured
    conditional    x_1 .. x_t, y_1 .. y_(t-1) --LSTM--> y_t            and what was said before
    joint          x_1 .. x_T, y_1 .. y_(t-1) --LSTM both ways--> y_t  both: the product is p(y | x)

The last two generate: what they say is fed back, so a sequence hangs together, also where nothing was
measured ("fine line between hallucination and trustworthy output"). On the simulated cell cycle the optimum
of each of the four is known exactly (`dimaging_tf.data.markov`).

series: float32 [B, T, C], in any unit with `standardise`, which `dimaging train` sets; past: int32 [B, T],
the label of the step before + 1, 0 at the first step; logits: float32 [B, T, classes].
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_tf.data.kinds import Kind
from dimaging_tf.data.labels import check_classes, class_settings
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.sequence.standardising import standardising

KINDS = ("causal", "bidirectional", "conditional", "joint")


@dataclass(frozen=True)
class Config:
    """Four phases of a cell cycle, 60 frames, one measurement each."""

    shape: tuple[int, int] = (60, 1)  # steps and channels of a series
    classes: int = 4
    names: tuple[str, ...] = ()  # of the classes, in the order of their numbers; () where unknown
    kind: str = "joint"  # one of KINDS
    units: int = 32  # of each recurrent layer, in each direction
    standardise: bool = False  # whether a fixed first layer gives each channel mean 0 and spread 1

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(
                f"sequence_labels: kind must be one of {', '.join(KINDS)}. Received: {self.kind!r}"
            )
        if self.classes < 2 or self.units < 1:
            raise ValueError(
                "sequence_labels: classes are at least 2 and units at least 1. "
                f"Received: {self.classes}, {self.units}"
            )

    @property
    def fed_back(self) -> bool:
        """Whether the labels before a step are told."""
        return self.kind in ("conditional", "joint")


def build_network(config: Config) -> keras.Model:
    """Series, and the past of a kind that is told it -> {"logits"}."""
    series = keras.Input(config.shape, name="series")
    inputs, x = {"series": series}, series
    if config.standardise:
        fixed: Any = {"kernel_initializer": "identity", "trainable": False}
        x = layers.Dense(config.shape[-1], name="standardised", **fixed)(x)
    if config.kind in ("bidirectional", "joint"):
        x = layers.Bidirectional(layers.LSTM(config.units, return_sequences=True))(x)
    if config.fed_back:
        past = keras.Input(config.shape[:1], dtype="int32", name="past")
        inputs["past"] = past
        x = layers.Concatenate()([x, layers.Embedding(config.classes + 1, config.classes)(past)])
    if config.kind in ("causal", "conditional"):
        x = layers.LSTM(config.units, return_sequences=True)(x)
    x = layers.Dense(config.units, activation="tanh")(x)
    return keras.Model(inputs, {"logits": layers.Dense(config.classes)(x)}, name="labels")


@keras.saving.register_keras_serializable("dimaging")
class SequenceLabels(DeployableModel):
    """`compile(optimizer, **objective())` and `fit(*transform(series, label, None))`."""

    config_class = Config
    registry_name = "sequence_labels"
    mixed_precision = True
    kinds: tuple[Kind, ...] = ("series",)
    figure_of_merit = FigureOfMerit("nats a sequence", "nats", False, {"fp16": 0.1, "int8": 1.0})

    def __init__(self, config: Config | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        self.network = build_network(self.config)

    @property
    def ranges(self):
        """The past counts classes from 1."""
        return {"series": None, "past": (0.0, float(self.config.classes)), "logits": None}

    @classmethod
    def settings_for(cls, dataset):
        """As many classes as the data names or numbers, and their names; any unit, which is standardised."""
        return {"standardise": True, **class_settings(dataset, "step")}

    def check_data(self, dataset):
        """Every step has one label, 0 to classes - 1."""
        mend = "Put them into a column 'label' of each CSV file, or into an .npz: x [N, T, C], label [N, T]"
        check_classes("sequence_labels", dataset, self.config.classes, "a step", mend, "step")

    def measure(self, x, label):
        """Set the fixed first layer, where there is one, by these series."""
        if self.config.standardise:
            self.network.get_layer("standardised").set_weights(standardising(x))

    def call(self, inputs, training=False):
        """{"series", and "past" where it is told} -> logits [B, T, classes]."""
        return self.network(inputs, training=training)["logits"]

    def graphs(self):
        """{"labels": series (and past) -> logits}."""
        return {"labels": self.network}

    def objective(self):
        """Cross-entropy of every step, with the accuracy as metric."""
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return {"loss": loss, "metrics": [keras.metrics.SparseCategoricalAccuracy("accuracy")]}

    def transform(self, x, label, seed):
        """({"series", "past"}, label): the true past is told in training."""
        inputs = {"series": x}
        if self.config.fed_back:
            inputs["past"] = keras.ops.pad(label[:, :-1] + 1, [(0, 0), (1, 0)])
        return inputs, label

    def _inputs(self, x: np.ndarray, label: np.ndarray | None) -> dict[str, np.ndarray]:
        if not self.config.fed_back:
            return {"series": x}
        told = np.zeros(x.shape[:2], np.int32)
        if label is not None:
            told[:, 1:] = label[:, :-1] + 1
        return {"series": x, "past": told}

    def examples(self, x, label=None, seed=0):
        """The series, and the true past."""
        return {"labels": self._inputs(x, label)}

    def score(self, run, x, label=None, seed=0):
        """Nats of all labels of a series; ValueError without labels."""
        if label is None:
            raise ValueError("sequence_labels: nats need labels. Received: label=None")
        logits = run("labels", **self._inputs(x, label))["logits"].astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        own = np.take_along_axis(logits, label[..., None], -1)[..., 0]
        return float((np.log(np.exp(logits).sum(-1)) - own).sum(-1).mean())

    def label(self, x: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Say a label for every step of series [B, T, C]: (labels [B, T], probabilities [B, T, classes]).

        A kind that is not told the past says the likeliest label of each step; one that is draws it, and is
        told what it has said.
        """
        if not self.config.fed_back:
            odds = _softmax(self.run("labels", series=x)["logits"])
            return odds.argmax(-1), odds
        rng = np.random.default_rng(seed)
        said, odds = np.zeros(x.shape[:2], np.int32), np.zeros((*x.shape[:2], self.config.classes))
        for t in range(x.shape[1]):
            logits = self.run("labels", **self._inputs(x, said))["logits"][:, t]
            odds[:, t] = _softmax(logits)
            said[:, t] = (logits + rng.gumbel(size=logits.shape)).argmax(-1)
        return said, odds

    def picture(self, x, label=None, seed=0):
        """A series is no picture."""
        return None


def _softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)
