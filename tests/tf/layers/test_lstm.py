"""The LSTM of the slide: its four equations in numpy, keras.layers.LSTM, gradients."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from dimaging_tf.layers.lstm import SlideLSTM

B, T, C, H = 3, 11, 5, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


SQUASH = {"tanh": np.tanh, "sigmoid": sigmoid}


def by_hand(layer, x, h=None, s=None):
    """The docstring's equations, step by step in float64."""
    u, w, b = (np.asarray(v, np.float64) for v in layer.get_weights())
    if layer.tokens:
        x = np.eye(layer.tokens)[x]
    h = np.zeros((len(x), layer.units)) if h is None else h
    s, every = np.zeros_like(h) if s is None else s, []
    for step in np.moveaxis(x, 1, 0):
        g, f, new, q = np.split(b + step @ u + h @ w, 4, -1)
        s = sigmoid(f) * s + sigmoid(g) * SQUASH[layer.candidate](new)
        h = np.tanh(s) * sigmoid(q)
        every.append(h)
    return np.stack(every, 1), h, s


def layer_of(candidate, tokens=None, **more):
    layer = SlideLSTM(H, candidate=candidate, tokens=tokens, return_state=True, **more)
    layer.build((None, None) if tokens else (None, None, C))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.uniform(-1, 1, w.shape) for w in layer.get_weights()])
    return layer


def inputs(tokens, batch=B) -> Any:
    rng = np.random.default_rng(0)
    if tokens:
        return rng.integers(0, tokens, (batch, T)).astype(np.int32)
    return rng.uniform(-1, 1, (batch, T, C)).astype(np.float32)


def states():
    return list(np.random.default_rng(7).uniform(-1, 1, (2, B, H)).astype(np.float32))


@pytest.mark.parametrize("candidate", SQUASH)
@pytest.mark.parametrize("tokens", [None, 6])
@pytest.mark.parametrize("given", [False, True], ids=["from_zeros", "from_a_state"])
def test_it_is_the_four_equations(candidate, tokens, given):
    layer, x = layer_of(candidate, tokens), inputs(tokens)
    start = states() if given else None
    found = layer(x, initial_state=start)
    expected = by_hand(layer, x, *(start or ()))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_with_tanh_it_is_the_layer_of_keras():
    layer, x = layer_of("tanh"), inputs(None)
    theirs = L.LSTM(H, return_sequences=True, return_state=True)
    theirs.build(x.shape)
    theirs.set_weights(layer.get_weights())
    for one, other in zip(layer(x), theirs(x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("tokens", [None, 6])
def test_gradients_are_those_of_keras(tokens):
    layer, x = layer_of("tanh", tokens), inputs(tokens)
    theirs = L.LSTM(H, return_sequences=True, return_state=True)
    series = tf.constant(np.eye(tokens, dtype=np.float32)[x] if tokens else x)
    theirs.build(series.shape)
    theirs.set_weights(layer.get_weights())
    weights = np.random.default_rng(1).normal(size=(B, T, H)).astype(np.float32)

    def gradients(layer, x, start):
        with tf.GradientTape() as tape:
            tape.watch(start)
            every, h, s = layer(x, initial_state=start)
            loss = tf.reduce_sum(every * weights) + tf.reduce_sum(h * s)
        return tape.gradient(loss, [w.value for w in layer.weights] + start)

    start = [tf.constant(state) for state in states()]
    ours, expected = gradients(layer, x, start), gradients(theirs, series, start)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(one), other, atol=2e-5)


@pytest.mark.parametrize("candidate", SQUASH)
def test_gradients_are_the_differences(candidate):
    layer, x = layer_of(candidate), tf.constant(inputs(None))
    weights, direction = np.random.default_rng(2).normal(size=(2, B, T, H))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x)[0] * weights)
    gradient = np.asarray(tape.gradient(loss, x))
    direction = direction[..., :1] * np.ones(C)
    ends = [np.sum(by_hand(layer, x + sign * 1e-4 * direction)[0] * weights) for sign in (1, -1)]
    assert np.sum(gradient * direction) == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-3)


def test_it_reloads_and_trains(tmp_path):
    x = keras.Input((T,), dtype="int32")
    y = L.Dense(6)(SlideLSTM(H, tokens=6, candidate="sigmoid", return_sequences=False)(x))
    model = keras.Model(x, y)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    tokens = inputs(6, 40)
    past = model.fit(tokens, tokens[:, 0], epochs=3, verbose=0).history["loss"]
    assert past[-1] < past[0]
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(model(tokens), again(tokens))


def test_a_training_step_leaves_out_recurrent_weights_and_no_other_ones():
    keras.utils.set_random_seed(0)
    layer, whole = layer_of("tanh", recurrent_dropout=0.5), layer_of("tanh")
    x = inputs(None)
    again = SlideLSTM.from_config(layer.get_config())
    assert again.recurrent_dropout == 0.5
    np.testing.assert_array_equal(layer(x)[0], whole(x)[0])  # all of them where nothing is learned
    one, two = (np.asarray(layer(x, training=True)[0]) for _ in range(2))
    # The first step begins from zeros, on which no recurrent weight has a say.
    np.testing.assert_array_equal(one[:, 0], np.asarray(whole(x)[0])[:, 0])
    assert np.abs(one - two)[:, 1:].max() > 0.01
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=True)[0])
    gradient = np.asarray(tape.gradient(loss, layer.recurrent_kernel))
    assert 0.2 < (gradient == 0).mean() < 0.8  # what is left out does not learn


def test_the_forget_gate_starts_open():
    layer = SlideLSTM(2, forget_bias=3.0)
    layer.build((None, None, 1))
    np.testing.assert_array_equal(layer.bias, [0, 0, 3, 3, 0, 0, 0, 0])


def test_a_share_outside_its_range_is_refused():
    with pytest.raises(ValueError, match=r"recurrent_dropout is in \[0, 1\). Received: 1"):
        SlideLSTM(4, recurrent_dropout=1.0)


def test_another_candidate_is_refused():
    with pytest.raises(ValueError, match="candidate is 'tanh' or 'sigmoid'. Received: 'relu'"):
        SlideLSTM(2, candidate="relu")
