"""Models of text: the next token from all before it (lecture: "conditional on past outputs").

    log p(text) = sum_t log p(token_t | tokens before t)                        chain rule, in reading order

    tokens [B, T] --reader--> logits [B, T, V]         teacher-forced: every token is told the true past
       ^          h, c in and out    |
       +-- drawn, fed back ----------+                 writing: the past is what it has written itself

Text is one long stream for each row of a batch, and the state goes on from batch to batch, so that no
character is read twice. The first token of a stream is predicted from `start`.

tokens: int32 [B, T], entries of `Config.vocabulary`; h, c: float32 [B, units] of every recurrent layer.
"""

import json
import math
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from dimaging_tf.data.kinds import Kind
from dimaging_tf.deployable import DeployableModel, FigureOfMerit
from dimaging_tf.errors import DataError
from dimaging_tf.sequence.state import CarriedState, ForgetState
from dimaging_tf.sequence.writing import WriteSample, write_tokens
from dimaging_tf.training.steps import descend

VOCABULARY = "vocabulary.json"
"""The file of a bundle that says what each token stands for: a JSON list of texts."""


class LanguageModel(DeployableModel):
    """`compile(optimizer)` and `fit(rows)`, rows [N, T] in the order of `pipeline.batches(streams=True)`.

    Subclasses set `self.reader`: tokens [B, T] and h1, c1, h2, c2, ... -> {"logits", "h1_out", "c1_out", ...}
    with T free, and `self.one_step`, the same layers for T = 1.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("tokens",)
    reads_streams = True
    loss_units = {"loss": "nats/token", "bits": "bits/token"}
    figure_of_merit = FigureOfMerit(
        "bits a character", "bits", False, {"fp32": 1e-3, "integer": 0.02, "int8": 0.02}
    )
    reader: keras.Model
    one_step: keras.Model
    largest_output = 1.0
    """The largest output of a recurrent layer; of an integer-valued twin the number that stands for 1."""
    largest_weight = 0.0
    """The largest weight of a token that an integer-valued twin gives; 0: the model gives logits alone."""

    def __init__(self, config: Any = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        self.trackers = {name: keras.metrics.Mean(name) for name in ("loss", "bits")}
        self._carried: tuple[CarriedState, CarriedState] | None = None

    @property
    def states(self) -> list[str]:
        """Names of the state tensors: h1, c1, h2, ..."""
        return [str(tensor.name) for tensor in self.reader.inputs if tensor.name != "tokens"]

    @property
    def units(self) -> dict[str, int]:
        """State tensor -> how many numbers it holds for a row."""
        return {str(x.name): int(x.shape[-1]) for x in self.reader.inputs if x.name != "tokens"}

    @property
    def start(self) -> int:
        """The token before a text: a line break, where the vocabulary has one."""
        vocabulary = self.config.vocabulary
        return vocabulary.index("\n") if "\n" in vocabulary else 0

    @property
    def ranges(self):
        """Tokens count from 0; an output of an LSTM lies in [-1, 1]."""
        tokens = (0.0, float(len(self.config.vocabulary) - 1))
        known: dict[str, Any] = {name: tokens for name in ("tokens", "prime", "text")}
        known |= {"noise": None, "temperature": (0.0, 100.0), "logits": None}
        for name in self.states:
            top = self.largest_output
            known[name] = known[f"{name}_out"] = (-top, top) if name[0] == "h" else None
        if self.largest_weight:
            known["weights"] = (1.0, self.largest_weight)
        return known

    @property
    def training_state(self) -> CarriedState:
        """What goes from batch to batch in `fit`: the state, and the last token of each stream."""
        return self._states()[0]

    @property
    def validation_state(self) -> CarriedState:
        """The same in `evaluate`."""
        return self._states()[1]

    def _states(self) -> tuple[CarriedState, CarriedState]:
        if self._carried is None:
            with tf.init_scope():  # variables of their own, made while the first step is traced
                shapes: dict[str, Any] = {n: ((size,), "float32") for n, size in self.units.items()}
                shapes["past"] = ((), "int32")  # 0: none yet; else the last token + 1
                self._carried = CarriedState(shapes), CarriedState(shapes)
        return self._carried

    def zeros(self, batch: int) -> dict[str, np.ndarray]:
        """The state before a text, by name."""
        return {name: np.zeros((batch, size), np.float32) for name, size in self.units.items()}

    def call(self, tokens):
        """Logits of the token after each of these, from the zero state: [B, T] -> [B, T, V]."""
        batch = tf.shape(tokens)[0]
        zeros = {name: tf.zeros([batch, size]) for name, size in self.units.items()}
        return self.reader({"tokens": tokens, **zeros})["logits"]

    def _read(self, tokens: Any, state: CarriedState, training: bool) -> Any:
        """Mean nats a token of these rows, which go on where those of the batch before ended."""
        carried = state.take(tf.shape(tokens)[0])
        past = carried.pop("past")
        first = tf.where(past > 0, past - 1, self.start)
        before = tf.concat([first[:, None], tokens[:, :-1]], 1)
        found = self.reader({"tokens": before, **carried}, training=training)
        state.keep({name: found[f"{name}_out"] for name in carried} | {"past": tokens[:, -1] + 1})
        logits = found["logits"]
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tokens, logits=logits)
        return tf.reduce_mean(nats)

    def train_step(self, data):
        """One step on the mean nats a token; the gradient ends at the beginning of the rows."""
        tokens, _, _ = keras.utils.unpack_x_y_sample_weight(data)

        def loss_of():
            loss = self._read(tokens, self.training_state, True)
            return loss, loss

        return self._report(descend(self, loss_of))

    def test_step(self, data):
        """The same loss, without dropout."""
        tokens, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self._report(self._read(tokens, self.validation_state, False))

    def _report(self, loss: Any) -> dict[str, Any]:
        return self.track({"loss": loss, "bits": loss / math.log(2)})

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        """Keras's `fit`; every epoch begins from the zero state, at the beginning of all streams."""
        return super().fit(*args, callbacks=[ForgetState(), *(callbacks or [])], **kwargs)

    def evaluate(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        """Keras's `evaluate`, which begins from the zero state."""
        if not isinstance(
            callbacks, keras.callbacks.CallbackList
        ):  # that of a `fit` forgets already
            callbacks = [ForgetState(), *(callbacks or [])]
        return super().evaluate(*args, callbacks=callbacks, **kwargs)

    def graphs(self):
        """{"reader": any number of tokens; "step": one}, with the state as an input and an output."""
        return {"reader": self.reader, "step": self.one_step}

    def files(self):
        """What the tokens stand for."""
        return {VOCABULARY: json.dumps(self.config.vocabulary).encode()}

    def check_batch(self, dataset, batch):
        """DataError where there are not as many rows as streams."""
        if batch > len(dataset.train):
            raise DataError(
                f"{batch} streams need as many rows of text; {dataset.name} has {len(dataset.train)}. "
                f"Choose --batch {max(1, len(dataset.train) // 8)}, or a longer text"
            )

    def callbacks(self, dataset, folder):
        """Write a paragraph at the end of each epoch."""
        return [WriteSample(Path(folder))]

    def examples(self, x, label=None, seed=0):
        """Rows of text, and the states after them."""
        found = self.run("reader", tokens=x, **self.zeros(len(x)))
        states = {name: found[f"{name}_out"] for name in self.states}
        return {"reader": {"tokens": x, **states}, "step": {"tokens": x[:, :1], **states}}

    def score(self, run, x, label=None, seed=0):
        """Bits a character; each row begins from the zero state, so it is more than `fit` reports."""
        before = np.concatenate([np.full_like(x[:, :1], self.start), x[:, :-1]], 1)
        logits = run("reader", tokens=before, **self.zeros(len(x)))["logits"].astype(np.float64)
        top = logits.max(-1, keepdims=True)
        total = (top + np.log(np.exp(logits - top).sum(-1, keepdims=True)))[..., 0]
        own = np.take_along_axis(logits, x[..., None], -1)[..., 0]
        return float((total - own).mean() / math.log(2))

    def picture(self, x, label=None, seed=0):
        """A text is no picture: see `WriteSample`."""
        return None

    def write(self, prime: str, n: int = 500, *, temperature: float = 1.0, seed: int = 0) -> str:
        """Go on with a text for n tokens. ValueError for unknown characters, and for n < 1.

        temperature: 1 draws what the model believes, less is more careful, 0 takes the likeliest.
        """
        if n < 1 or not 0 <= temperature < math.inf:
            raise ValueError(
                f"write: n is at least 1, temperature at least 0. Received: {n}, {temperature}"
            )
        vocabulary = self.config.vocabulary
        number = {text: k for k, text in enumerate(vocabulary)}
        if unknown := sorted(set(prime) - set(number)):
            raise ValueError(
                f"the vocabulary has no {', '.join(map(repr, unknown))}; leave that out, or train on a text "
                "that has it"
            )
        tokens = [number[character] for character in prime] or [self.start]
        drawn = write_tokens(self.reader, tokens, n, temperature, seed)
        return "".join(vocabulary[k] for k in drawn)
