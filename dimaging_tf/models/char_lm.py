"""Character language model, a network that writes (lecture: "recurrent networks"; Graves, arXiv 1308.0850).

    "the ca" --one token each--> LSTM --> [dropout -> LSTM] ... --> dropout --> dense --> p(next | all before)
                                  | ^
                                  +-+ h, c: all that it remembers; carried from batch to batch

Trained on one long text, read as `batch` streams side by side, with truncated back-propagation through time.
It writes by drawing from p and reading what it has drawn.

tokens: int32 [B, T]; logits: float32 [B, T, V], of the token after each; h1, c1, ...: float32 [B, units].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from dimaging_tf.layers.lstm import SlideLSTM
from dimaging_tf.sequence.base import LanguageModel


@dataclass(frozen=True)
class Config:
    """One layer of 256 units: 350,000 weights, two minutes of one core for readable English."""

    shape: tuple[int] = (64,)  # tokens of a row, through which the gradient goes back
    vocabulary: tuple[str, ...] = ("\n", *map(chr, range(32, 127)))  # what the tokens stand for
    units: int = 256  # of each recurrent layer
    layers: int = 1
    dropout: float = 0.1  # share of the outputs of each recurrent layer
    recurrent_dropout: float = 0.0  # share of recurrent weights that a step leaves out; long runs
    candidate: str = "tanh"  # "tanh", or "sigmoid" as on the slide
    compute: str = (
        "float32"  # "mixed_bfloat16": faster training where the processor has AVX512-BF16
    )

    def __post_init__(self):
        shares = (self.dropout, self.recurrent_dropout)
        if min(self.units, self.layers) < 1 or not all(0 <= share < 1 for share in shares):
            raise ValueError(
                "char_lm: units and layers are at least 1, dropout and recurrent_dropout are in [0, 1). "
                f"Received: {self.units}, {self.layers}, {self.dropout}, {self.recurrent_dropout}"
            )
        if len(set(self.vocabulary)) != len(self.vocabulary) or len(self.vocabulary) < 2:
            raise ValueError(
                f"char_lm: the vocabulary has 2 or more texts that differ. Received: {self.vocabulary}"
            )


def build_layers(config: Config) -> list[layers.Layer]:
    """Create the recurrent layers, dropout behind each, and the dense one."""
    chain: list[layers.Layer] = []
    for i in range(config.layers):
        lstm = SlideLSTM(
            config.units,
            candidate=config.candidate,
            compute=config.compute,
            recurrent_dropout=config.recurrent_dropout,
            tokens=None if i else len(config.vocabulary),
            return_state=True,
            name=f"lstm{i + 1}",
        )
        chain += [lstm, layers.Dropout(config.dropout)]
    return [*chain, layers.Dense(len(config.vocabulary), name="next")]


def connect(chain: Sequence[layers.Layer], steps: int | None, name: str) -> keras.Model:
    """Tokens [B, steps] and the states -> {"logits", and the states after them}."""
    tokens = keras.Input((steps,), dtype="int32", name="tokens")
    x, inputs, states = tokens, [tokens], {}
    for layer in chain:
        if not isinstance(layer, SlideLSTM):
            x = layer(x)
            continue
        names = [f"{kind}{len(inputs) // 2 + 1}" for kind in "hc"]
        before = [keras.Input((layer.units,), name=name) for name in names]
        x, *after = layer(x, initial_state=before)
        inputs += before
        states |= {f"{name}_out": value for name, value in zip(names, after, strict=True)}
    return keras.Model(inputs, {"logits": x, **states}, name=name)


@keras.saving.register_keras_serializable("dimaging")
class CharLM(LanguageModel):
    """`compile(optimizer)` and `fit(rows)`; see `sequence.base.LanguageModel`."""

    config_class = Config
    registry_name = "char_lm"

    def __init__(self, config: Config | None = None, **kwargs: Any):
        super().__init__(config, **kwargs)
        chain = build_layers(self.config)
        self.reader = connect(chain, None, "reader")
        self.one_step = connect(chain, 1, "step")
