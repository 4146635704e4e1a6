"""Rows of sequences: recurrent stacks, convolutions over time, and classifiers of words."""

import keras
from helpers.layer_table.row import Row, chain, joined, refused
from keras import layers as L
from keras import ops

SERIES, WORDS = (9, 3), (7,)


def tcn(x, rate):
    y = L.Conv1D(4, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
    y = L.SpatialDropout1D(0.2)(L.LayerNormalization()(y))
    y = L.Conv1D(4, 3, padding="causal", dilation_rate=rate, activation="relu")(y)
    return L.Add()([y, L.Conv1D(4, 1)(x)])


def wavenet(x):
    y = L.Conv1D(4, 2, padding="causal", dilation_rate=2, activation="tanh")(x)
    y = y * L.Conv1D(4, 2, padding="causal", dilation_rate=2, activation="sigmoid")(x)
    return {"skip": L.Conv1D(3, 1)(y), "y": x + L.Conv1D(3, 1)(y)}


def encoder_decoder(source, target):
    _, h, c = L.LSTM(4, return_state=True)(source)
    y = L.LSTM(4, return_sequences=True)(target, initial_state=[h, c])
    return L.Dense(5, activation="softmax")(y)


def words_to_words(source, target):
    _, h = L.GRU(4, return_state=True)(L.Embedding(10, 4, mask_zero=True)(source))
    y = L.GRU(4, return_sequences=True)(L.Embedding(10, 4)(target), initial_state=h)
    return L.Dense(10)(y)


def char_cnn(x):
    e = L.Embedding(10, 4)(x)
    y = [L.GlobalMaxPooling1D()(L.Conv1D(3, k, activation="relu")(e)) for k in (2, 3, 4)]
    return L.Dense(1, activation="sigmoid")(L.Dropout(0.5)(L.Concatenate()(y)))


def inception_time(x):
    b = L.Conv1D(2, 1, use_bias=False)(x)
    y = [L.Conv1D(2, k, padding="same", use_bias=False)(b) for k in (9, 5, 3)]
    y.append(L.Conv1D(2, 1)(L.MaxPooling1D(3, strides=1, padding="same")(x)))
    return L.Activation("relu")(L.BatchNormalization()(L.Concatenate(axis=2)(y)))


def resnet_1d(x):
    y = L.ReLU()(L.BatchNormalization()(L.Conv1D(6, 5, strides=2, padding="same")(x)))
    y = L.BatchNormalization()(L.Conv1D(6, 3, padding="same")(y))
    return L.GlobalAveragePooling1D()(y + L.AveragePooling1D(2, padding="same")(L.Conv1D(6, 1)(x)))


def n_beats(x):
    theta = L.Dense(6)(L.Dense(8, activation="relu")(L.Flatten()(x)))
    return {"back": L.Dense(27)(theta), "ahead": L.Dense(4, use_bias=False)(theta)}


def attention_over_lstm(x):
    h = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    weight = L.Softmax(axis=1)(L.Dense(1, activation="tanh")(h))
    return ops.sum(h * weight, axis=1)


class Cell(keras.layers.Layer):
    """A recurrent cell of one's own."""

    def __init__(self, units, **more):
        super().__init__(**more)
        self.units = self.state_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1] + self.units, self.units))

    def call(self, x, states):
        h = ops.tanh(ops.concatenate([x, states[0]], -1) @ self.kernel)
        return h, [h]


def seq(cell, **more):
    return cell(4, return_sequences=True, **more)


ROWS = [
    Row("LSTM", lambda: chain(SERIES, L.LSTM(4))),
    Row("LSTM stack", lambda: chain(SERIES, seq(L.LSTM), seq(L.LSTM), L.LSTM(4), L.Dense(2))),
    Row("LSTM stack of any length", lambda: chain((None, 3), seq(L.LSTM, dropout=0.2), L.LSTM(4, recurrent_dropout=0.1))),
    Row("GRU stack", lambda: chain(SERIES, seq(L.GRU), L.GRU(4), L.Dense(2))),
    Row("GRU of the older kind", lambda: chain(SERIES, L.GRU(4, reset_after=False))),
    Row("simple recurrent layer", lambda: chain(SERIES, L.SimpleRNN(4, activation="relu"))),
    Row("bidirectional LSTM tagger", lambda: chain(WORDS, L.Embedding(10, 4, mask_zero=True), L.Bidirectional(seq(L.LSTM)), L.TimeDistributed(L.Dense(3, activation="softmax")), dtype="int32")),
    Row("bidirectional, sum", lambda: chain(SERIES, L.Bidirectional(L.GRU(4), merge_mode="sum"))),
    Row("bidirectional, unmerged", lambda: joined({"x": SERIES}, lambda x: dict(zip("ab", L.Bidirectional(L.LSTM(4), merge_mode=None)(x), strict=True)))),
    Row("bidirectional, an LSTM and a GRU", lambda: chain(SERIES, L.Bidirectional(seq(L.LSTM), backward_layer=seq(L.GRU, go_backwards=True)))),
    Row("backwards", lambda: chain(SERIES, seq(L.LSTM, go_backwards=True))),
    Row("unrolled", lambda: chain(SERIES, seq(L.LSTM, unroll=True))),
    Row("states handed out", lambda: joined({"x": SERIES}, lambda x: dict(zip(("y", "h", "c"), L.LSTM(4, return_state=True)(x), strict=True)))),
    Row("states as inputs", lambda: joined({"x": SERIES, "h": (4,), "c": (4,)}, lambda x, h, c: L.LSTM(4)(x, initial_state=[h, c]))),
    Row("encoder and decoder of series", lambda: joined({"source": SERIES, "target": (5, 2)}, encoder_decoder)),
    Row("encoder and decoder of words", lambda: joined({"source": WORDS, "target": (5,)}, words_to_words, {"source": "int32", "target": "int32"})),
    Row("masked steps", lambda: chain(SERIES, L.Masking(0.0), L.LSTM(4))),
    Row("masked words, stack", lambda: chain(WORDS, L.Embedding(10, 4, mask_zero=True), seq(L.GRU), L.GRU(4), dtype="int32")),
    Row("a mask through a model inside", lambda: chain(WORDS, L.Embedding(10, 4, mask_zero=True), keras.Sequential([keras.Input((7, 4)), L.LSTM(3)]), dtype="int32")),
    Row("a mask out of a model inside", lambda: chain(WORDS, keras.Sequential([keras.Input(WORDS, dtype="int32"), L.Embedding(10, 4, mask_zero=True), seq(L.GRU)]), L.LSTM(3), dtype="int32")),
    Row("a mask through Concatenate", lambda: chain(WORDS, L.Embedding(10, 4, mask_zero=True), lambda x: L.LSTM(3)(L.Concatenate()([x, L.Dense(2)(x)])), dtype="int32"), "ZerosLike LogicalOr"),
    Row("a cell of one's own", lambda: chain(SERIES, L.RNN(Cell(4))), "RNN"),
    Row("stacked cells", lambda: chain(SERIES, L.RNN([L.LSTMCell(4), L.LSTMCell(3)]))),
    Row("a cell of Keras", lambda: chain(SERIES, L.RNN(L.GRUCell(4)))),
    Row("ConvLSTM", lambda: chain((3, 6, 6, 2), L.ConvLSTM2D(2, 3, padding="same"), L.Conv2D(2, 1)), "ConvLSTM2D"),
    Row("frames through a CNN, then an LSTM", lambda: chain((3, 8, 8, 2), L.TimeDistributed(L.Conv2D(3, 3, activation="relu")), L.TimeDistributed(L.MaxPooling2D()), L.TimeDistributed(L.Flatten()), L.LSTM(4))),
    Row("each frame through a model", lambda: chain((3, 8, 8, 2), L.TimeDistributed(keras.Sequential([keras.Input((8, 8, 2)), L.Conv2D(3, 3), L.GlobalAveragePooling2D()])), L.GRU(4))),
    Row("autoencoder of series", lambda: chain(SERIES, L.LSTM(4), L.RepeatVector(9), seq(L.LSTM), L.TimeDistributed(L.Dense(3)))),
    Row("attention over an LSTM", lambda: chain(SERIES, attention_over_lstm)),
    Row("TCN of dilated causal blocks", lambda: chain(SERIES, lambda x: tcn(tcn(x, 1), 2))),
    Row("WaveNet gate with a skip", lambda: joined({"x": SERIES}, wavenet)),
    Row("causal convolution of any length", lambda: chain((None, 3), L.Conv1D(4, 3, padding="causal"), L.GlobalMaxPooling1D())),
    Row("InceptionTime module", lambda: chain(SERIES, inception_time)),
    Row("ResNet of an ECG", lambda: chain((10, 2), resnet_1d)),
    Row("EEGNet: depthwise over channels, separable over time", lambda: chain((6, 16, 1), L.Conv2D(4, (1, 5), padding="same", use_bias=False), L.BatchNormalization(), L.DepthwiseConv2D((6, 1), depth_multiplier=2, use_bias=False), L.BatchNormalization(), L.Activation("elu"), L.AveragePooling2D((1, 4)), L.SeparableConv2D(4, (1, 3), padding="same", use_bias=False), L.Flatten(), L.Dense(2))),
    Row("depthwise and separable over time", lambda: chain(SERIES, L.DepthwiseConv1D(3, padding="same", depth_multiplier=2), L.SeparableConv1D(4, 3, strides=2, padding="same"))),
    Row("series up and down", lambda: chain((8, 3), L.ZeroPadding1D(1), L.Conv1D(4, 3, strides=2), L.UpSampling1D(2), L.Cropping1D((1, 0)), L.Conv1DTranspose(2, 4, 2, padding="same"))),
    Row("N-BEATS block", lambda: joined({"x": SERIES}, n_beats)),
    Row("fastText: mean of words", lambda: chain(WORDS, L.Embedding(10, 4), L.GlobalAveragePooling1D(), L.Dense(2), dtype="int32")),
    Row("fastText: mean of the words that count", lambda: chain(WORDS, L.Embedding(10, 4, mask_zero=True), L.GlobalAveragePooling1D(), L.Dense(2), dtype="int32")),
    Row("CNN of characters, three widths", lambda: chain(WORDS, char_cnn, dtype="int32")),
    Row("words of 8 bits", lambda: chain(WORDS, L.Embedding(10, 4), L.LSTM(3), dtype="uint8")),
    Row("words of 64 bits", lambda: chain(WORDS, L.Embedding(10, 4), L.Flatten(), dtype="int64")),
    Row("words under a float input", lambda: chain(WORDS, L.Embedding(10, 4), L.LSTM(3)), high=10, low=0.0),
    Row("next word, a GRU language model", lambda: chain((None,), L.Embedding(10, 4), seq(L.GRU), L.Dense(10), dtype="int32")),
    refused("a state kept from call to call", lambda: keras.Model(x := keras.Input(batch_shape=(1, 9, 3), name="x"), L.LSTM(4, stateful=True)(x)), "has stateful=True: it keeps its state"),
]  # fmt: skip
