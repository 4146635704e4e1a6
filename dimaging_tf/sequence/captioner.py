"""Models that say what an image shows (lecture: "image captioning"; Vinyals et al. 2015, arXiv 1411.4555).

    image ──encoder──> features ─────────────────────────┐
    the words before ──a vector each──> + <──dense───────┘──LSTM──> logits of the next word

    log p(caption | image) = sum_t log p(word_t | image, words before t)       chain rule, word by word

A caption of n words is the numbers of the words and a 0, which stands for "no word": the network is told 0
before the first word, and says 0 after the last. Captions of data have their zeros in front (see
`dimaging_tf.data.words`); `past_and_next` moves them behind.

image: float32 [B, H, W, C] in [0, 1]; features: float32 [B, F]; past: int32 [B, T], the word before each
place, 0 before the first; logits: float32 [B, T, 1 + words]; h, c: float32 [B, units].
"""

from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from dimaging_edge.common.beam import beam_search, log_softmax
from dimaging_edge.common.words import UNKNOWN

from dimaging_tf.data.words import decode
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.sequence.speaker import build_speaker, numpy_speaker, past_and_next
from dimaging_tf.training.steps import descend

WORDS = "words.txt"
"""The file of a bundle that holds the vocabulary: word k is in line k, counted from 1."""


class Captioner(DeployableModel):
    """`compile(optimizer)` and `fit(images, captions)`; `caption(images)` says what they show.

    Subclasses set `self.encoder`: image -> {"features"}, and hand it to `set_speaker`.
    """

    figure_of_merit = FigureOfMerit("nats a word", "nats", False, {"fp16": 0.01, "int8": 0.1})
    images: ClassVar[str] = "an image"
    """What the model looks at, for messages."""
    encoder: keras.Model
    reader: keras.Model
    one_step: keras.Model

    def __init__(self, config: Any = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        self.trackers = {name: keras.metrics.Mean(name) for name in ("loss", "right")}

    def set_speaker(self, spread: float | None = None) -> None:
        """Build the recurrent half behind `self.encoder`; spread: of the words' vectors before training."""
        features = self.encoder.output["features"].shape[-1]
        self.reader, self.one_step = build_speaker(self.config, features, spread)

    @property
    def ranges(self):
        """Images lie in [0, 1], words count from 0, and an output of an LSTM lies in [-1, 1]."""
        words = (0.0, float(len(self.config.words)))
        return {
            "image": (0.0, 1.0), "features": None, "past": words, "captions": words, "logits": None,
            "scores": None, "beam": (1.0, 100.0), "h": (-1.0, 1.0), "h_out": (-1.0, 1.0), "c": None,
            "c_out": None,
        }  # fmt: skip

    @property
    def never(self) -> tuple[int, ...]:
        """Numbers of words that are never said: the one that stands for all rare words."""
        return tuple(k for k, word in enumerate(self.config.words, 1) if word == UNKNOWN)

    # ---- training --------------------------------------------------------------------------------

    def look(self, x: Any, training: bool) -> Any:
        """Return the images that the encoder sees of examples x; a physical layer overrides it."""
        return x

    def call(self, x, training=False):
        """Return the features of examples, [B, F]."""
        return self.encoder(self.look(x, training), training=training)["features"]

    def rows(self, data: Any, training: bool) -> tuple[Any, Any, Any]:
        """Return (nats, words, words foretold) of each caption, [B]; its end counts as a word."""
        x, captions, _ = keras.utils.unpack_x_y_sample_weight(data)
        past, following = past_and_next(captions)
        features = self(x, training=training)
        logits = self.reader({"features": features, "past": past}, training=training)["logits"]
        # Zeros behind the one that ends a caption do not count.
        counts = tf.concat([tf.ones_like(past[:, :1], tf.bool), past[:, 1:] > 0], 1)
        counted = tf.cast(counts, tf.float32)
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=following, logits=logits)
        right = tf.cast(tf.argmax(logits, -1, tf.int32) == following, tf.float32)
        nats, words, right = (
            tf.reduce_sum(v, 1) for v in (nats * counted, counted, right * counted)
        )
        return nats, words, right

    def _terms(self, data: Any, training: bool) -> tuple[Any, dict[str, Any]]:
        """Return the nats a word; and to report, the same and the share of words that are foretold."""
        nats, words, right = (tf.reduce_sum(v) for v in self.rows(data, training))
        return nats / words, {"loss": nats / words, "right": right / words}

    def train_step(self, data):
        """Take one step on the mean nats a word."""
        return self.track(descend(self, lambda: self._terms(data, True)))

    def test_step(self, data):
        """Report the same without dropout."""
        return self.track(self._terms(data, False)[1])

    # ---- data ------------------------------------------------------------------------------------

    def transform(self, x, label, seed):
        """Return (x, a caption each): where an example has several [B, K, T], one of them at random."""
        if len(label.shape) == 2:
            return x, label
        known = tf.reduce_sum(tf.cast(tf.reduce_any(label > 0, -1), tf.int32), -1)
        share = tf.random.stateless_uniform(tf.shape(known), seed)
        chosen = tf.cast(share * tf.cast(known, tf.float32), tf.int32)
        return x, tf.gather(label, tf.minimum(chosen, known - 1), batch_dims=1)

    def check_data(self, dataset):
        """DataError where the data has no captions, or another vocabulary than the model's."""
        if dataset.train.label_kind != "caption" or not dataset.words:
            raise DataError(
                f"{self.registry_name}: it learns from captions, and {dataset.name} has none: --data shapes, "
                "avatar_captions, or a folder with a captions.csv (columns image, caption)"
            )
        length = dataset.train.label.shape[-1]
        if (tuple(dataset.words), length) != (tuple(self.config.words), self.config.length):
            raise DataError(
                f"the captions of {dataset.name} have {len(dataset.words)} words, at most {length} in a "
                f"caption; the model knows {len(self.config.words)} others, at most {self.config.length}: "
                "train it on this data from the start"
            )

    def graphs(self):
        """{"encoder": image -> features; "reader": the words before -> logits; "step": one word}."""
        return {"encoder": self.encoder, "reader": self.reader, "step": self.one_step}

    def files(self):
        """The vocabulary."""
        return {WORDS: "".join(f"{word}\n" for word in self.config.words).encode()}

    def examples(self, x, label=None, seed=0):
        """Images, their features, and the words before each place of their captions."""
        image = np.asarray(self.look(x, False), np.float32)
        features = self.run("encoder", image=image)["features"]
        past = _told(label, len(x))[0]
        zeros = np.zeros((len(x), self.config.units), np.float32)
        one = {"features": features, "past": past[:, :1], "h": zeros, "c": zeros}
        after = self.run("step", **one)
        step = {**one, "past": past[:, 1:2], "h": after["h_out"], "c": after["c_out"]}
        return {
            "encoder": {"image": image}, "reader": {"features": features, "past": past}, "step": step,
        }  # fmt: skip

    def score(self, run, x, label=None, seed=0):
        """Return the nats a word of the captions, the first of each image; ValueError without captions."""
        if label is None:
            raise ValueError(f"{self.registry_name}: nats need captions. Received: label=None")
        features = run("encoder", image=np.asarray(self.look(x, False), np.float32))["features"]
        past, following = _told(label, len(x))
        logits = run("reader", features=features, past=past)["logits"].astype(np.float64)
        own = np.take_along_axis(log_softmax(logits), following[..., None], -1)[..., 0]
        counted = np.concatenate([np.ones_like(past[:, :1]), past[:, 1:]], 1) > 0
        return float(-own[counted].mean())

    def picture(self, x, label=None, seed=0):
        """Return one or two rows of four images that the encoder sees; `sentences` go below them."""
        seen = np.asarray(self.look(self.shown(x), False), np.float32)
        return seen.reshape(-1, min(4, len(seen)), *seen.shape[1:])

    def sentences(self, x):
        """Return what it says of the images of `picture`, by a beam of 3."""
        return self.caption(self.shown(x))

    def shown(self, x: np.ndarray) -> np.ndarray:
        """Return the first eight examples, or four of fewer: those of `picture`."""
        return x[:8] if len(x) >= 8 else x[:4]

    def callbacks(self, dataset, folder):
        """Write what it says of eight validation images at the end of each epoch."""
        from dimaging_tf.sequence.caption_samples import WriteCaptions

        return [WriteCaptions(folder, dataset)]

    def caption_numbers(self, x: np.ndarray, beam: int = 3) -> np.ndarray:
        """Return the likeliest caption of each example as int32 [N, length], zeros behind the words.

        ValueError for a beam below 1.
        """
        if beam < 1:
            raise ValueError(f"{self.registry_name}: a beam is at least 1. Received: {beam}")
        speak = numpy_speaker(self.reader)
        state = {s: np.zeros((beam, self.config.units), np.float32) for s in ("h", "c")}
        length = self.config.length
        rows = (speak(features) for features in self.predict_features(x))
        return np.stack([beam_search(row, state, beam, length, self.never)[0][0] for row in rows])

    def predict_features(self, x: np.ndarray) -> np.ndarray:
        """Return the features of examples, some at a time: [N, F]."""
        parts = np.array_split(x, max(1, len(x) // 64))
        return np.concatenate([np.asarray(self(part, training=False)) for part in parts])

    def caption(self, x: np.ndarray, beam: int = 3) -> list[str]:
        """Say what images [N, H, W, C] show, a sentence each; beam: how many beginnings are kept."""
        return decode(self.caption_numbers(x, beam), self.config.words)


def _told(label: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `past_and_next` of the first caption of each example; of no captions, an empty one each."""
    captions = np.zeros((count, 2), np.int32) if label is None else np.asarray(label, np.int32)
    captions = captions[:, 0] if captions.ndim == 3 else captions
    past, following = past_and_next(captions)
    return np.asarray(past), np.asarray(following)
