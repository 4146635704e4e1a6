"""The half of a captioner that speaks: an LSTM that is told an image and the word before, word by word.

    past ──a vector each──> + ──LSTM──> logits of the next word
    features ──dense────────┘

features: float32 [B, F]; past: int32 [B, T]; logits: float32 [B, T, 1 + words]; h, c: float32 [B, units].
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from dimaging_edge.common.beam import State
from keras import layers

from dimaging_tf.layers.lstm import SlideLSTM


def build_speaker(
    config: Any, features: int, spread: float | None = None
) -> tuple[keras.Model, keras.Model]:
    """Build (reader, step) of shared layers: the logits after every word, and after one, with its state.

    config: names `words`, and the lengths `embedding` and `units`; dropout is a share. spread: the standard
    deviation of the words' vectors before training; None is Keras' own start, even between -.05 and .05.
    """
    size = len(config.words) + 1
    start = "uniform" if spread is None else keras.initializers.RandomNormal(0.0, spread)
    table = layers.Embedding(size, config.embedding, start, name="word")
    picture = layers.Dense(config.embedding, name="picture")
    as_step = layers.Reshape((1, config.embedding))
    cell = SlideLSTM(config.units, return_state=True, name="lstm")
    drop, head = layers.Dropout(config.dropout), layers.Dense(size, name="next")

    def connect(name: str, steps: int | None, states: tuple[str, ...]) -> keras.Model:
        given = keras.Input((features,), name="features")
        past = keras.Input((steps,), dtype="int32", name="past")
        before = [keras.Input((config.units,), name=state) for state in states]
        x = layers.Add()([table(past), as_step(picture(given))])
        x, *after = cell(drop(x), initial_state=before or None)
        found = {f"{s}_out": value for s, value in zip(states, after, strict=False)}
        return keras.Model([given, past, *before], {"logits": head(drop(x)), **found}, name=name)

    return connect("reader", None, ()), connect("step", 1, ("h", "c"))


def past_and_next(captions: Any) -> tuple[Any, Any]:
    """Turn captions [B, T], zeros in front, into the words before and at each of T + 1 places."""
    count = tf.reduce_sum(tf.cast(captions > 0, tf.int32), 1, keepdims=True)
    length = captions.shape[1]
    place = tf.range(length) + length - count
    moved = tf.gather(captions, tf.minimum(place, length - 1), batch_dims=1)
    words = tf.where(place < length, moved, 0)
    zero = tf.zeros_like(words[:, :1])
    return tf.concat([zero, words], 1), tf.concat([words, zero], 1)


def numpy_speaker(reader: keras.Model) -> Callable[[np.ndarray], Callable[..., Any]]:
    """Return features [F] -> the step that `beam_search` takes, in numpy: 0.1 ms a word."""
    word, picture, lstm, head = (reader.get_layer(n) for n in ("word", "picture", "lstm", "next"))
    kernel, recurrent, bias = (np.asarray(w) for w in lstm.get_weights())
    table = np.asarray(word.embeddings) @ kernel
    (look, look_bias), (out, out_bias) = picture.get_weights(), head.get_weights()

    def speak(features: np.ndarray) -> Callable[[np.ndarray, State], tuple[np.ndarray, State]]:
        told = (features @ look + look_bias) @ kernel + bias

        def step(words: np.ndarray, state: State) -> tuple[np.ndarray, State]:
            gates = table[words] + told + state["h"] @ recurrent
            i, f, new, o = np.split(gates, 4, -1)
            c = _sigmoid(f) * state["c"] + _sigmoid(i) * np.tanh(new)
            h = _sigmoid(o) * np.tanh(c)
            return h @ out + out_bias, {"h": h, "c": c}

        return step

    return speak


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))  # the same function, which cannot overflow
