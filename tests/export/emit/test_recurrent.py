"""Recurrent layers: each construct is one real ONNX operator, never a Loop, and computes what Keras computes.

A new construct gets a row: the operators it must consist of, and a function that builds the model.
"""

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_export import export
from dimaging_export.convert.to_onnx import DIRECT, convert
from dimaging_export.errors import ExportError
from dimaging_export.graph.passes import count, macs, with_shapes
from keras import layers as L

from dimaging_tf.layers.lstm import SlideLSTM

T, D, H = 7, 5, 4


def series(*layers, steps: int | None = T):
    x = keras.Input((steps, D), name="x")
    return keras.Model(x, {"y": keras.Sequential([keras.Input((steps, D)), *layers])(x)})


def chain(*layers, steps: int | None = T):
    x = y = keras.Input((steps, D), name="x")
    for layer in layers:
        y = layer(y)
    return keras.Model(x, {"y": y})


def words(*layers, mask=True, steps: int | None = T):
    x = keras.Input((steps,), dtype="int32", name="x")
    y = L.Embedding(9, D, mask_zero=mask)(x)
    for layer in layers:
        y = layer(y)
    return keras.Model(x, {"y": y})


def missing(*layers):
    return chain(L.Masking(0.0), *layers)


def lstm_with_state():
    x, h, c = (
        keras.Input((T, D), name="x"),
        keras.Input((H,), name="h"),
        keras.Input((H,), name="c"),
    )
    y, *states = L.LSTM(H, return_sequences=True, return_state=True)(x, initial_state=[h, c])
    return keras.Model([x, h, c], {"y": y, "h_out": states[0], "c_out": states[1]})


def slide_with_state(candidate, tokens=None):
    x = keras.Input((None,) if tokens else (None, D), name="x", dtype="int32" if tokens else None)
    states = [keras.Input((H,), name=name) for name in ("h", "s")]
    layer = SlideLSTM(H, candidate=candidate, tokens=tokens, return_state=True)
    y, h_out, s_out = layer(x, initial_state=states)
    return keras.Model([x, *states], {"y": y, "h_out": h_out, "s_out": s_out})


def one_state(layer):
    x, h = keras.Input((T, D), name="x"), keras.Input((H,), name="h")
    y, h_out = layer(x, initial_state=h)
    return keras.Model([x, h], {"y": y, "h_out": h_out})


def words_with_state():
    x, h = keras.Input((T,), dtype="int32", name="x"), keras.Input((H,), name="h")
    y, h_out = L.GRU(H, return_state=True)(L.Embedding(9, D, mask_zero=True)(x), initial_state=h)
    return keras.Model([x, h], {"y": y, "h_out": h_out})


def both_with_state():
    x = keras.Input((T, D), name="x")
    states = [keras.Input((H,), name=f"state_{i}") for i in range(4)]
    both = L.Bidirectional(L.LSTM(H, return_state=True))
    y, *out = both(x, initial_state=states)
    return keras.Model([x, *states], {"y": y, **{f"out_{i}": s for i, s in enumerate(out)}})


def apart(layer):
    """Both directions side by side, unmerged; then the states."""
    x = keras.Input((T, D), name="x")
    outputs = L.Bidirectional(layer, merge_mode=None)(x)
    return keras.Model(x, {f"out_{i}": y for i, y in enumerate(outputs)})


def both(one, other, **more):
    return L.Bidirectional(one(H, **more), backward_layer=other(H, go_backwards=True, **more))


def encoder_of_words():
    """A model that holds another, whose Embedding says which words count."""
    table = keras.Sequential([keras.Input((T,), dtype="int32"), L.Embedding(9, D, mask_zero=True)])
    return keras.Sequential([keras.Input((T,), dtype="int32"), table, L.GRU(3, **every)])


def encoder_decoder():
    x, start = keras.Input((T, D), name="x"), keras.Input((3, 2), name="start")
    _, *states = L.LSTM(H, return_state=True)(x)
    y = L.LSTM(H, return_sequences=True)(start, initial_state=states)
    return keras.Model([x, start], {"y": L.TimeDistributed(L.Dense(2))(y)})


def frames(*layers, steps: int | None = T):
    x = y = keras.Input((steps, 8, 6, 2), name="x")
    for layer in layers:
        y = layer(y)
    return keras.Model(x, {"y": y})


def cnn():
    image = keras.Input((8, 6, 2))
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(3, 3)(image)))
    return keras.Model(image, L.Dense(4)(L.Flatten()(y)))


def each_frame(*layers):
    return [L.TimeDistributed(layer) for layer in layers]


every = {"return_sequences": True}
# Functions, not models: a layer starts TensorFlow, whose devices other tests set before that.
ROWS = {
    # the seventeen constructs that tf2onnx was measured on
    "gru": ({"GRU": 1}, lambda: chain(L.GRU(H, **every))),
    "lstm": ({"LSTM": 1}, lambda: chain(L.LSTM(H, **every))),
    "simple_rnn": ({"RNN": 1}, lambda: chain(L.SimpleRNN(H, **every))),
    "both_lstm": ({"LSTM": 1}, lambda: chain(L.Bidirectional(L.LSTM(H, **every)))),
    "both_gru": ({"GRU": 1}, lambda: chain(L.Bidirectional(L.GRU(H)))),
    "lstm_state": ({"LSTM": 1}, lstm_with_state),
    "gru_state": ({"GRU": 1}, lambda: one_state(L.GRU(H, return_state=True, **every))),
    "words_lstm": ({"LSTM": 1}, lambda: words(L.LSTM(H))),
    "words_gru": ({"GRU": 1}, lambda: words(L.GRU(H))),
    "words_any_length": ({"LSTM": 1}, lambda: words(L.LSTM(H, **every), L.Dense(9), mask=False, steps=None)),
    "cnn_gru": ({"GRU": 1}, lambda: frames(*each_frame(L.Conv2D(2, 3), L.Flatten()), L.GRU(H))),
    "conv1d_gru": ({"GRU": 1}, lambda: chain(L.Conv1D(4, 3), L.GRU(H))),
    "repeat_gru": ({"GRU": 2}, lambda: chain(L.GRU(3), L.RepeatVector(6), L.GRU(H, **every))),
    "lstm_backwards": ({"LSTM": 1}, lambda: chain(L.LSTM(H, go_backwards=True))),
    "lstm_dropout": ({"LSTM": 1}, lambda: chain(L.LSTM(H, dropout=0.2, recurrent_dropout=0.2))),
    "mean_over_gru": ({"GRU": 1}, lambda: chain(L.GRU(H, **every), L.GlobalAveragePooling1D())),
    # and stateful=True, which is refused below
    "slide": ({"LSTM": 1}, lambda: slide_with_state("sigmoid")),
    "slide_tanh": ({"LSTM": 1}, lambda: slide_with_state("tanh")),
    "slide_tokens": ({"LSTM": 1, "Transpose": 2}, lambda: slide_with_state("sigmoid", tokens=9)),
    "slide_last": ({"LSTM": 1}, lambda: chain(SlideLSTM(H, return_sequences=False))),
    "simple_rnn_state": ({"RNN": 1}, lambda: one_state(L.SimpleRNN(H, return_state=True))),
    "both_state": ({"LSTM": 1}, both_with_state),
    "encoder_decoder": ({"LSTM": 2}, encoder_decoder),
    "stacked": ({"LSTM": 2, "Transpose": 1}, lambda: chain(L.LSTM(3, **every), L.LSTM(H))),
    "stacked_any_length": ({"GRU": 2}, lambda: chain(L.GRU(3, **every), L.Dropout(0.1), L.GRU(H, **every), steps=None)),
    "between": ({"GRU": 2, "Transpose": 1}, lambda: chain(L.GRU(3, **every), L.LayerNormalization(), L.Dense(3, "relu"), L.GRU(H))),
    "residual": ({"LSTM": 1}, lambda: keras.Model(x := keras.Input((T, D), name="x"), {"y": L.Add()([x, L.LSTM(D, **every)(x)])})),
    "normalised": ({"LSTM": 1}, lambda: chain(L.LSTM(H, **every), L.BatchNormalization(), L.ReLU())),
    "backwards_sequence": ({"GRU": 1}, lambda: chain(L.GRU(H, go_backwards=True, **every))),
    "no_bias": ({"LSTM": 1}, lambda: chain(L.LSTM(H, use_bias=False))),
    "reset_before": ({"GRU": 1}, lambda: chain(L.GRU(H, reset_after=False))),
    "unrolled": ({"LSTM": 1}, lambda: chain(L.LSTM(H, unroll=True))),
    "cells": ({"GRU": 1}, lambda: chain(L.RNN(L.GRUCell(H), **every))),
    "stacked_cells": ({"LSTM": 1, "GRU": 1, "Transpose": 1}, lambda: chain(L.RNN([L.LSTMCell(3), L.GRUCell(H)]))),
    "stacked_cells_masked": ({"GRU": 2}, lambda: words(L.RNN([L.GRUCell(3), L.GRUCell(H)], **every))),
    "nested": ({"LSTM": 1}, lambda: series(L.LSTM(H), L.Dense(2))),
    "both_sum": ({"GRU": 1}, lambda: chain(L.Bidirectional(L.GRU(H, **every), merge_mode="sum"))),
    "both_mul": ({"LSTM": 1}, lambda: chain(L.Bidirectional(L.LSTM(H), merge_mode="mul"))),
    "both_average": ({"RNN": 1}, lambda: chain(L.Bidirectional(L.SimpleRNN(H, **every), merge_mode="ave"))),
    "both_apart": ({"LSTM": 1}, lambda: apart(L.LSTM(H, **every))),
    "both_apart_last": ({"GRU": 1}, lambda: apart(L.GRU(H))),
    "both_apart_state": ({"GRU": 1}, lambda: apart(L.GRU(H, return_state=True, **every))),
    "both_kinds": ({"LSTM": 1, "GRU": 1}, lambda: chain(both(L.LSTM, L.GRU, **every))),
    "both_kinds_masked": ({"LSTM": 1, "GRU": 1, "TopK": 1}, lambda: words(both(L.LSTM, L.GRU))),
    "both_functions": ({"GRU": 2}, lambda: chain(L.Bidirectional(L.GRU(H), backward_layer=L.GRU(H, activation="relu", go_backwards=True), merge_mode="ave"))),
    "mask_of_a_model": ({"LSTM": 1}, lambda: chain(keras.Sequential([keras.Input((T, D)), L.Masking(0.0), L.Dense(3)]), L.LSTM(H))),
    "mask_of_a_models_model": ({"GRU": 2}, lambda: keras.Model(x := keras.Input((T,), dtype="int32", name="x"), {"y": L.GRU(H)(encoder_of_words()(x))})),
    "mask_nobody_reads": ({"GRU": 1, "TopK": 1}, lambda: keras.Model(x := keras.Input((T,), dtype="int32", name="x"), {"y": L.Dense(2)(encoder_of_words()(x))})),
    "words_sequence": ({"LSTM": 1}, lambda: words(L.LSTM(H, **every))),
    "words_zeros": ({"GRU": 1}, lambda: words(L.GRU(H, zero_output_for_mask=True, **every))),
    "words_backwards": ({"LSTM": 1}, lambda: words(L.LSTM(H, go_backwards=True, **every))),
    "words_backwards_last": ({"GRU": 1}, lambda: words(L.GRU(H, go_backwards=True))),
    "words_both": ({"GRU": 1}, lambda: words(L.Bidirectional(L.GRU(H, **every)))),
    "words_both_last": ({"LSTM": 1}, lambda: words(L.Bidirectional(L.LSTM(H)))),
    "words_state": ({"GRU": 1}, words_with_state),
    "words_stacked": ({"GRU": 2, "TopK": 1}, lambda: words(L.GRU(3, **every), L.GRU(H))),
    "words_mean": ({}, lambda: words(L.Dense(3), L.GlobalAveragePooling1D())),
    "words_normalised": ({"GRU": 1}, lambda: words(L.GRU(H, **every), L.BatchNormalization(), L.Dense(2))),
    "missing_steps": ({"LSTM": 1}, lambda: missing(L.LSTM(H))),
    "missing_steps_mean": ({"GRU": 1}, lambda: missing(L.GRU(H, **every), L.TimeDistributed(L.Dense(2)), L.GlobalAveragePooling1D(keepdims=True))),
    "frames_of_any_number": ({"GRU": 1}, lambda: frames(*each_frame(L.Conv2D(2, 3), L.GlobalMaxPooling2D()), L.GRU(H), steps=None)),
    "frames_model": ({"Conv": 1, "Gemm": 1}, lambda: frames(L.TimeDistributed(cnn()))),
    "frames_chain": ({"Conv": 2, "Transpose": 2}, lambda: frames(*each_frame(L.Conv2D(2, 3), L.ReLU(), L.MaxPooling2D(), L.Conv2D(2, 2)))),
    "conv_over_time": ({"Conv": 2, "Transpose": 2}, lambda: chain(L.Conv1D(4, 3, padding="causal"), L.BatchNormalization(), L.ReLU(), L.Dense(3), steps=None)),
    **{
        f"{name}_{kind}": ({op: 1}, lambda make=make, name=name: chain(make(name)))
        for name in "relu linear elu leaky_relu hard_sigmoid softsign softplus".split()
        for kind, op, make in (
            ("lstm", "LSTM", lambda f: L.LSTM(H, activation=f)),
            ("gru", "GRU", lambda f: L.GRU(H, activation=f, recurrent_activation="hard_sigmoid")),
            ("rnn", "RNN", lambda f: L.Bidirectional(L.SimpleRNN(H, activation=f))),
        )
    },
}  # fmt: skip
RECURRENT = {"Loop", "Scan", "If", "LSTM", "GRU", "RNN"}


def feeds(model, batch):
    """Values of every input; tokens are padded at the end, the start, in between, and all along."""
    rng = np.random.default_rng(batch)
    given = {}
    for tensor in model.inputs:
        shape = (batch, *(size or T for size in tensor.shape[1:]))
        if tensor.dtype == "int32":
            tokens = rng.integers(1, 9, shape)
            for row, hidden in enumerate(
                (slice(4, None), slice(0, 3), slice(1, None, 2), slice(0, None))
            ):
                tokens[row : row + 1, hidden] = 0
            given[tensor.name] = tokens.astype(np.int32)
        else:
            given[tensor.name] = rng.uniform(-1, 1, shape).astype(np.float32)
    return given


@pytest.fixture
def built(randomised):
    """built(row) -> a model whose weights show a mistake, small enough that it does not saturate."""
    return lambda row: randomised(ROWS[row][1](), seed=1)


@pytest.mark.parametrize("row", ROWS)
def test_is_one_operator_and_equals_keras(row, built, run):
    model = built(row)
    file = convert(model, converter="direct")
    nodes = count(file)
    expected = ROWS[row][0]
    assert {op: n for op, n in nodes.items() if op in RECURRENT | set(expected)} == expected
    for batch in (1, 2, 5):
        given = feeds(model, batch)
        if "missing" in row or row == "mask_of_a_model":
            given["x"][:, 1::3] = 0
        outputs = run(file, **given)
        for name, y in model(given if len(given) > 1 else given["x"]).items():
            if row == "words_mean":  # no step that counts: 0 / 0 on both sides
                y, outputs[name] = np.nan_to_num(y), np.nan_to_num(outputs[name])
            np.testing.assert_allclose(outputs[name], y, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("layer", [L.LSTM, L.GRU, L.SimpleRNN])
@pytest.mark.parametrize("road", ["direct", "tf2onnx", "auto"])
@pytest.mark.parametrize("wrap", [lambda x: x, L.Bidirectional], ids=["plain", "both"])
def test_a_kept_state_is_refused_in_words(layer, road, wrap):
    x = keras.Input(batch_shape=(2, T, D), name="x")
    y = wrap(layer(H, stateful=True, name="memory"))(x)
    with pytest.raises(ExportError, match=r"stateful=True.*Make the state an input and an output"):
        convert(keras.Model(x, y), converter=road)


def test_a_kept_state_inside_a_model_is_named():
    x = keras.Input(batch_shape=(2, T, D), name="x")
    inner = keras.Sequential(
        [keras.Input(batch_shape=(2, T, D)), L.LSTM(H, stateful=True, name="memory")]
    )
    with pytest.raises(ExportError, match="'memory'"):
        convert(keras.Model(x, inner(x)))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: chain(L.LSTM(H, activation="gelu")), "uses 'gelu', which ONNX's LSTM does not know"),
        (lambda: chain(L.GRU(H, activation=lambda x: x)), "uses '<lambda>'"),
        (lambda: chain(L.RNN([L.GRUCell(2), L.LSTMCell(H)], go_backwards=True)), "has stacked cells, with"),
        (lambda: chain(L.Bidirectional(L.RNN([L.GRUCell(2)]))), "has a cell StackedRNNCells"),
        (lambda: words(L.GRU(H, zero_output_for_mask=True)), "zero_output_for_mask without"),
        (lambda: chain(L.Bidirectional(L.GRU(H), backward_layer=L.GRU(2, go_backwards=True))), "layers of 4 and 2 units; give both"),
        (lambda: chain(L.Bidirectional(L.GRU(H, go_backwards=True), backward_layer=L.GRU(H))), "forward layer that runs backwards"),
        (lambda: words(L.LSTM(H, **every), L.Softmax()), "is masked"),
        (lambda: frames(L.ConvLSTM2D(2, 3)), "ConvLSTM2D"),
    ],
)  # fmt: skip
def test_what_no_operator_computes_is_named(make, reason):
    with pytest.raises(ExportError, match=reason):
        convert(make(), converter="direct")


@pytest.mark.parametrize(("layer", "gates"), [(L.LSTM, 4), (L.GRU, 3), (L.SimpleRNN, 1)])
@pytest.mark.parametrize("directions", [1, 2])
def test_the_work_of_an_operator(layer, gates, directions):
    wrap = L.Bidirectional if directions == 2 else lambda x: x
    file = convert(chain(wrap(layer(H))))
    assert macs(with_shapes(file, {"x": (3, T, D)})) == 3 * T * directions * gates * H * (D + H)


def test_a_users_own_model_becomes_a_bundle(tmp_path, randomised):
    model = randomised(
        chain(L.Conv1D(4, 3, padding="causal"), L.Bidirectional(L.LSTM(H)), L.Dense(2))
    )
    series = np.random.default_rng(0).standard_normal((12, T, D)).astype(np.float32)
    export(model, tmp_path / "b", data=series)
    bundle = open_bundle(tmp_path / "b")
    assert DIRECT in bundle.manifest.tools["converter"]
    found = bundle.run("model", x=series[:3])["y"]
    np.testing.assert_allclose(found, model(series[:3])["y"], atol=1e-5)
