"""Learned frame selection: a network that says which K of N frames it wants (lecture: "physical layers").

    movie [N frames] --mask--> K frames --CNN, the same for each--> features --dense--> p(class)
                        ^
                        +-- random while it learns; then searched for; then fixed, and the network fine-tuned

The mask is one for all movies: a microscope has to know it before the cell does anything. While the mask
is random the network learns to do with any K frames, so one network tells what each mask is worth, and
`select` tries them (method "search"). Method "straight_through" learns a score for each frame by gradient.
What is deployed takes K frames, not N: "classifier"; `frames.json` and `frames.png` say which.

movie: float32 [B, N, H, W, C] in [0, 1]; noise: float32 [B, N]; frames: float32 [B, K, H, W, C] in [0, 1];
logits: float32 [B, classes].
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dimaging_tf.data.kinds import Kind
from dimaging_tf.data.labels import check_classes, class_settings
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.physics import frame_selection as selection
from dimaging_tf.training.steps import descend

PACE = 10.0
"""How much faster than the network's weights the scores of frames move: they have to cross each other."""
COOL = 0.3
"""The temperature of straight-through masks at their last epoch; it is 1 at the first."""


@dataclass(frozen=True)
class Config:
    """Three of sixteen frames of 8 x 8 pixels, four classes."""

    shape: tuple[int, int, int, int] = (16, 8, 8, 1)  # frames, height, width, channels of a movie
    classes: int = 4
    names: tuple[str, ...] = ()  # of the classes, in the order of their numbers; () where unknown
    rate: float = 0.0  # frames a second of the movie; 0 where unknown
    keep: int = 3  # frames to take
    method: str = "search"  # or "straight_through"
    search_epochs: int = 4  # epochs of random masks before the choice; those after it fine-tune
    filters: int = 8  # of the first convolution, and half of those of the second
    features: int = 12  # of a frame
    units: int = 32  # of the hidden layer that sees all frames

    def __post_init__(self):
        frames = self.shape[0]
        if frames < 2:
            raise ValueError(
                "frame_selection: a movie of one frame leaves nothing to choose; give 2 frames or more. "
                f"Received: {frames}"
            )
        if not 1 <= self.keep < frames:
            raise ValueError(
                f"frame_selection: keep is 1 to {frames - 1} of the {frames} frames of a movie. "
                f"Received: {self.keep} (--set keep={min(max(self.keep, 1), frames - 1)})"
            )
        if not 0 <= self.rate < math.inf:
            raise ValueError(
                f"frame_selection: rate is finite and at least 0. Received: {self.rate}"
            )
        if self.method not in ("search", "straight_through"):
            raise ValueError(
                f"frame_selection: method is search or straight_through. Received: {self.method!r}"
            )
        least = min(self.search_epochs, self.filters, self.features, self.units)
        if least < 1 or self.classes < 2:
            raise ValueError(
                "frame_selection: search_epochs, filters, features and units are at least 1, classes at "
                f"least 2. Received: {self.search_epochs}, {self.filters}, {self.features}, {self.units}; "
                f"{self.classes}"
            )


def build_frame(config: Config) -> keras.Model:
    """Frames [B, H, W, C] -> features [B, F]."""
    frame = keras.Input(config.shape[1:], name="frame")
    x = layers.Conv2D(config.filters, 3, padding="same", activation="relu")(frame)
    x = layers.Conv2D(2 * config.filters, 3, 2, padding="same", activation="relu")(x)
    x = layers.Dense(config.features, activation="relu")(layers.Flatten()(x))
    return keras.Model(frame, x, name="frame")


def build_head(config: Config) -> keras.Model:
    """Features of all frames [B, F, N], zeros where a frame is not taken -> logits [B, classes]."""
    features = keras.Input((config.features, config.shape[0]), name="features")
    x = layers.Dense(config.units, activation="relu", name="hidden")(layers.Flatten()(features))
    return keras.Model(features, layers.Dense(config.classes, name="classes")(x), name="head")


def build_network(config: Config, frame: keras.Model, head: keras.Model) -> keras.Model:
    """K frames -> {"logits"}; the kernel [K, N] of the layer "mask" puts features to their frames."""
    frames = keras.Input((config.keep, *config.shape[1:]), name="frames")
    x = layers.Permute((2, 1))(layers.TimeDistributed(frame)(frames))
    place = layers.Dense(config.shape[0], use_bias=False, trainable=False, name="mask")
    return keras.Model({"frames": frames}, {"logits": head(place(x))}, name="classifier")


@keras.saving.register_keras_serializable("dimaging")
class FrameSelection(DeployableModel):
    """`compile(optimizer)`, `fit(..., callbacks=[SelectFrames(x, label)])`, or `select` between two fits."""

    config_class = Config
    registry_name = "frame_selection"
    kinds: tuple[Kind, ...] = ("movie",)
    figure_of_merit = FigureOfMerit("accuracy", "", True, {"fp16": 0.005, "int8": 0.02})

    def __init__(self, config: Config | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        c = self.config
        self.frame, self.head = build_frame(c), build_head(c)
        self.network = build_network(c, self.frame, self.head)
        by_gradient = c.method == "straight_through"
        self.scores = self.add_weight(
            shape=(c.shape[0],), initializer="zeros", trainable=by_gradient, name="scores"
        )
        self.chosen = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="chosen"
        )  # 1 when the mask is fixed
        self.temperature = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="temperature"
        )
        self.set_mask(selection.uniform_mask(c.shape[0], c.keep), fix=False)
        self.trackers = {name: keras.metrics.Mean(name) for name in ("loss", "accuracy")}

    @property
    def ranges(self):
        """Frames are images."""
        return {"frames": (0.0, 1.0), "logits": None}

    @classmethod
    def settings_for(cls, dataset):
        """The classes that the data names or numbers, and its rate."""
        rate = {"rate": float(dataset.rate)} if dataset.rate else {}
        return {**rate, **class_settings(dataset)}

    def check_data(self, dataset):
        """Every movie has one label, 0 to classes - 1, and as many frames as the model chooses from."""
        if dataset.shape != tuple(self.config.shape):
            raise DataError(
                f"frame_selection: it chooses from movies of {_size(self.config.shape)}; {dataset.name} "
                f"holds {_size(dataset.shape)}. Cut them with --length and --size, or train anew"
            )
        mend = "Put the movies of each class into a folder of its name, or x and label into an .npz"
        check_classes("frame_selection", dataset, self.config.classes, "a movie", mend)

    def callbacks(self, dataset, folder):
        """The choice after `search_epochs`, by the validation movies."""
        return [SelectFrames(dataset.valid.inputs(), dataset.valid.label, folder)]

    @property
    def mask(self) -> selection.Mask:
        """The frames that are taken, ascending; evenly spaced ones before the choice."""
        kernel = np.asarray(self.network.get_layer("mask").kernel)
        return tuple(int(frame) for frame in kernel.argmax(-1))

    def set_mask(self, mask: selection.Mask, fix: bool = True) -> None:
        """Take these frames from now on; fix: training no longer varies them.

        ValueError unless they are `keep` different frames of the movie, ascending.
        """
        frames, keep = self.config.shape[0], self.config.keep
        if len(mask) != keep or list(mask) != sorted({*mask} & set(range(frames))):
            raise ValueError(
                f"frame_selection: a mask is {keep} different frames of 0 to {frames - 1}, ascending. "
                f"Received: {mask}"
            )
        self.network.get_layer("mask").kernel.assign(np.eye(frames, dtype=np.float32)[list(mask)])
        self.chosen.assign(float(fix))

    def take(self, movie: np.ndarray) -> np.ndarray:
        """Return the chosen frames [B, K, H, W, C] of whole movies; ValueError for movies of another size."""
        if movie.shape[1:] != tuple(self.config.shape):
            raise ValueError(
                f"frame_selection: expected movies of {_size(self.config.shape)}, [B, N, H, W, C]. "
                f"Received: {list(movie.shape)}"
            )
        return movie[:, list(self.mask)]

    def judge(self, movie: Any, mask: Any, training: bool = False) -> Any:
        """Return the logits [B, classes] of whole movies of which a mask [B, N] hides frames."""
        frames, *size = self.config.shape
        seen = self.frame(tf.reshape(movie, [-1, *size]), training=training)
        seen = tf.reshape(seen, [-1, frames, self.config.features])
        return self.head(tf.transpose(seen * mask[..., None], [0, 2, 1]), training=training)

    def call(self, inputs, training=False):
        """Movies, or {"movie"} and anything else -> logits as the frames of the mask have them."""
        movie = inputs["movie"] if isinstance(inputs, dict) else inputs
        return self.judge(movie, self._fixed(movie), training)

    def _fixed(self, movie: Any) -> Any:
        kernel = tf.convert_to_tensor(self.network.get_layer("mask").kernel)
        return tf.reduce_sum(kernel, 0)[None] * tf.ones([tf.shape(movie)[0], 1])

    def _masks(self, inputs: Any) -> Any:
        """Return the masks of a batch: its own random ones, or the chosen one."""
        movie, noise, keep = inputs["movie"], inputs["noise"], self.config.keep
        if self.config.method == "search":
            varied = selection.random_masks(noise, keep)
        else:
            scores = PACE * tf.convert_to_tensor(self.scores)
            varied = selection.straight_through(scores, noise, keep, self.temperature)
        return tf.where(self.chosen > 0.5, self._fixed(movie), varied)

    def _loss(self, inputs: Any, label: Any, training: bool) -> tuple[Any, dict[str, Any]]:
        logits = self.judge(inputs["movie"], self._masks(inputs), training)
        cost = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits)
        right = tf.argmax(logits, -1, tf.int32) == tf.cast(label, tf.int32)
        return tf.reduce_mean(cost), {"loss": cost, "accuracy": tf.cast(right, tf.float32)}

    def train_step(self, data):
        """One step with masks of its own for every movie, or with the chosen one."""
        inputs, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.track(descend(self, lambda: self._loss(inputs, label, training=True)))

    def test_step(self, data):
        """The same without a step: before the choice, random masks are judged."""
        inputs, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.track(self._loss(inputs, label, training=False)[1])

    def transform(self, x, label, seed):
        """({"movie", "noise"}, label): Gumbel noise, whose largest entries draw the mask."""
        even = tf.random.stateless_uniform(tf.shape(x)[:2], tf.cast(seed, tf.int32), 1e-6, 1.0)
        return {"movie": x, "noise": -tf.math.log(-tf.math.log(even))}, label

    def select(self, x: np.ndarray, label: np.ndarray) -> selection.Mask:
        """Choose the frames by labelled movies [B, N, H, W, C], fix the mask, and return it.

        Method "search" takes the mask of the least cross-entropy of the network as it is, "straight_through"
        the frames of the highest scores. The movies should not be those that the network learned from.
        """
        if self.config.method == "search":
            mask = selection.search(self._cost_of(x, label), self.config.shape[0], self.config.keep)
        else:
            best = np.argsort(-np.asarray(self.scores), kind="stable")[: self.config.keep]
            mask = tuple(sorted(int(frame) for frame in best))
        self.set_mask(mask)
        return mask

    def _cost_of(self, x: np.ndarray, label: np.ndarray):
        """Return the cross-entropy as a function of the mask; what each frame adds is computed once."""
        frames, *size = self.config.shape
        seen = np.concatenate([
            np.asarray(self.frame(part.reshape(-1, *size), training=False))
            for part in np.array_split(x, max(1, len(x) // 100))
        ]).reshape(len(x), frames, -1)  # fmt: skip
        hidden, last = (self.head.get_layer(name) for name in ("hidden", "classes"))
        kernel = np.asarray(hidden.kernel).reshape(seen.shape[-1], frames, -1)
        adds = np.einsum("vnf,fnu->nvu", seen, kernel)
        bias, out, offset = (np.asarray(v) for v in (hidden.bias, last.kernel, last.bias))

        def cost(mask: selection.Mask) -> float:
            logits = np.maximum(adds[list(mask)].sum(0) + bias, 0) @ out + offset
            logits -= logits.max(-1, keepdims=True)
            own = np.take_along_axis(logits, label[:, None].astype(np.int64), -1)[:, 0]
            return float((np.log(np.exp(logits).sum(-1)) - own).mean())

        return cost

    def graphs(self):
        """{"classifier": K frames -> logits}."""
        return {"classifier": self.network}

    def files(self):
        """What a microscope has to do: `frames.json`, and a picture of it."""
        frames, rate = self.config.shape[0], self.config.rate or None
        return {
            "frames.json": selection.protocol(self.mask, frames, rate).encode(),
            "frames.png": selection.strip_png(self.mask, frames),
        }

    def examples(self, x, label=None, seed=0):
        """The chosen frames of real movies."""
        return {"classifier": {"frames": self.take(x)}}

    def score(self, run, x, label=None, seed=0):
        """Accuracy with the chosen frames; ValueError without labels."""
        if label is None:
            raise ValueError("frame_selection: accuracy needs labels. Received: label=None")
        return float((run("classifier", frames=self.take(x))["logits"].argmax(-1) == label).mean())

    def picture(self, x, label=None, seed=0):
        """A movie is no picture; see `show`."""
        return None

    def show(self, x: np.ndarray) -> np.ndarray:
        """Up to four movies, a row each: the frames that are taken as they are, the others nearly white."""
        shown = 0.15 * x[:4] + 0.85
        shown[:, list(self.mask)] = x[:4, list(self.mask)]
        return shown


class SelectFrames(keras.callbacks.Callback):
    """Chooses the frames of a `FrameSelection` after `search_epochs`, or at the end of a shorter training.

    x, label   movies [B, N, H, W, C] and their labels, to choose by
    folder     of the run: what was the best model before the choice is dropped, for it takes other frames
    """

    def __init__(self, x: np.ndarray, label: np.ndarray, folder: str | Path | None = None):
        super().__init__()
        self.x, self.label, self.folder = x, label, folder

    def on_epoch_begin(self, epoch, logs=None):
        """Cool the straight-through masks."""
        share = epoch / self.model.config.search_epochs
        self.model.temperature.assign(max(COOL, 1 - (1 - COOL) * share))

    def on_epoch_end(self, epoch, logs=None):
        """Choose after the last epoch of random masks, or of all."""
        enough = min(self.model.config.search_epochs, self.params["epochs"])
        if epoch + 1 >= enough or self.model.stop_training:
            self._select()

    def _select(self) -> None:
        if float(self.model.chosen) > 0.5:
            return
        self.model.select(self.x, self.label)
        if self.folder is not None:
            (Path(self.folder) / "best.keras").unlink(missing_ok=True)


def _size(shape: tuple) -> str:
    frames, height, width, channels = shape
    return f"{frames} frames of {height} x {width} x {channels}"
