"""Rows of graphs: several inputs and outputs, models inside models, shared layers, functions of keras.ops."""

import keras
import numpy as np
from helpers.layer_table.row import Row, chain, joined, refused
from keras import layers as L
from keras import ops

VECTOR, SERIES, MAP = (6,), (5, 6), (6, 8, 3)


def wide_and_deep(wide, deep):
    y = L.Dense(4, activation="relu")(L.Dense(8, activation="relu")(deep))
    return L.Dense(1, activation="sigmoid")(L.Concatenate()([wide, y]))


def recommender(user, item):
    u, i = (L.Flatten()(L.Embedding(10, 4)(x)) for x in (user, item))
    return L.Dot(axes=1)([u, i]) + L.Flatten()(L.Embedding(10, 1)(user))


def image_and_words(image, words):
    a = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(image))
    b = L.LSTM(4)(L.Embedding(10, 4)(words))
    return {"answer": L.Dense(5, activation="softmax")(L.Concatenate()([a, b])), "a": a}


def table_of_columns(age, city, colour):
    y = [L.Normalization(mean=3.0, variance=4.0)(age), L.Flatten()(L.Embedding(10, 2)(city))]
    y.append(L.Flatten()(L.Embedding(10, 3)(colour)))
    return L.Dense(1)(L.Dense(4, activation="relu")(L.Concatenate()(y)))


def inside(shape=VECTOR, name="inner"):
    x = keras.Input(shape)
    return keras.Model(x, L.Dense(6, activation="relu")(L.Dense(4)(x)), name=name)


def twice_inside(x):
    inner = inside()
    middle_in = keras.Input(VECTOR)
    middle = keras.Model(middle_in, inner(middle_in) + middle_in, name="middle")
    return middle(middle(inner(x)))


def two_outputs_inside(x):
    i = keras.Input(VECTOR)
    a, b = keras.Model(i, [L.Dense(3)(i), L.Dense(2)(i)])(x)
    return L.Concatenate()([b, a])


def dict_inside(x):
    i = keras.Input(VECTOR)
    out = keras.Model(i, {"b": L.Dense(3)(i), "a": L.Dense(2)(i)})(x)
    return L.Concatenate()([out["a"], out["b"]])


def shared_conv(x):
    conv = L.Conv2D(3, 3, padding="same", activation="relu")
    norm = L.BatchNormalization()
    return norm(conv(norm(conv(x))))


def shared_of_two_sizes(small, large):
    conv = L.Conv2D(4, 3, padding="same")
    return {"a": L.GlobalAveragePooling2D()(conv(small)), "b": conv(large)}


def shared_lstm(a, b):
    lstm = L.Bidirectional(L.LSTM(3))
    return L.Dense(1, activation="sigmoid")(ops.absolute(lstm(a) - lstm(b)))


class Own(keras.Model):
    """A model of one's own, inside a functional one."""

    def __init__(self, **more):
        super().__init__(**more)
        self.first, self.second = L.Dense(5, activation="relu"), L.Dense(4)

    def call(self, x):
        return self.second(self.first(x)) * 2.0


class Two(keras.layers.Layer):
    """A layer of two inputs and two outputs."""

    def call(self, a, b, factor=1.0):
        return a + factor * b, ops.minimum(a, b)


ROWS = [
    Row("wide and deep", lambda: joined({"wide": (4,), "deep": (6,)}, wide_and_deep)),
    Row("recommender: Dot of two embeddings", lambda: joined({"user": (1,), "item": (1,)}, recommender, {"user": "int32", "item": "int32"})),
    Row("image and words", lambda: joined({"image": MAP, "words": (5,)}, image_and_words, {"words": "int32"})),
    Row("table of columns", lambda: joined({"age": (1,), "city": (1,), "colour": (1,)}, table_of_columns, {"city": "int32", "colour": "int32"})),
    Row("three inputs of any size", lambda: joined({"a": (None, None, 3), "b": (None, None, 3), "c": (4,)}, lambda a, b, c: L.Concatenate()([L.GlobalMaxPooling2D()(L.Conv2D(2, 3)(a)), L.GlobalAveragePooling2D()(b), c]))),
    Row("two heads", lambda: joined({"x": VECTOR}, lambda x: {"class": L.Dense(3, activation="softmax")(L.Dense(4)(x)), "value": L.Dense(1)(x)})),
    Row("outputs as a list", lambda: keras.Model(x := keras.Input(VECTOR, name="x"), [L.Dense(3, name="a")(x), L.Dense(2, name="b")(x)])),
    Row("inputs as a dict", lambda: keras.Model({"b": (b := keras.Input((3,), name="b")), "a": (a := keras.Input(VECTOR, name="a"))}, {"y": L.Dense(2)(L.Concatenate()([a, b]))})),
    Row("one tensor under two names", lambda: joined({"x": VECTOR}, lambda x: {"a": (y := L.Dense(3)(x)), "b": y, "same": x})),
    Row("an input that nobody reads", lambda: joined({"x": VECTOR, "unused": (2,)}, lambda x, unused: L.Dense(2)(x))),
    Row("a model inside", lambda: chain(VECTOR, inside(), L.Dense(2))),
    Row("models inside models, used twice", lambda: chain(VECTOR, twice_inside)),
    Row("a model of two outputs inside", lambda: chain(VECTOR, two_outputs_inside)),
    Row("a model with a dict of outputs inside", lambda: chain(VECTOR, dict_inside)),
    Row("whole numbers into a model of floats inside", lambda: chain(VECTOR, inside(), dtype="uint8")),
    Row("a Sequential inside", lambda: chain(MAP, keras.Sequential([L.Conv2D(3, 3), L.BatchNormalization(), L.ReLU()]), L.Flatten(), L.Dense(2))),
    Row("a Sequential without Input, built", lambda: (m := keras.Sequential([L.Dense(4, activation="relu"), L.Dense(2)]), m.build((None, 6)))[0]),
    Row("a Sequential with Input", lambda: keras.Sequential([keras.Input(MAP, name="image"), L.Conv2D(2, 3), L.Flatten(), L.Dense(3)])),
    Row("a model of one's own inside", lambda: chain(VECTOR, L.Dense(6), Own()), "Own"),
    refused("a Sequential that was never built", lambda: keras.Sequential([L.Dense(4)]), "was never built, .* begin it with keras.Input"),
    refused("a model of one's own", lambda: Own(), "'own.*' is a subclassed model without graphs"),
    Row("a layer of two inputs and outputs", lambda: joined({"a": VECTOR, "b": VECTOR}, lambda a, b: dict(zip("yz", Two(name="two")(a, b, factor=0.5), strict=True))), "Two"),
    Row("a convolution shared along the net", lambda: chain(MAP, shared_conv)),
    Row("a convolution shared by two sizes", lambda: joined({"small": (6, 6, 3), "large": (9, 7, 3)}, shared_of_two_sizes)),
    Row("an LSTM shared by two inputs", lambda: joined({"a": SERIES, "b": SERIES}, shared_lstm)),
    Row("Lambda", lambda: chain(VECTOR, L.Dense(4), L.Lambda(lambda x: x**2 - 1.0), L.Dense(2)), "Lambda"),
    Row("an activation of one's own", lambda: chain(VECTOR, L.Dense(4, activation=lambda x: x * ops.tanh(x)), L.Dense(2)), "Dense"),
    Row("gelu, exact and approximate", lambda: chain(VECTOR, L.Dense(4, activation="gelu"), ops.gelu, lambda x: ops.gelu(x, approximate=False))),
    Row("gelu inside a layer without emitter", lambda: chain(VECTOR, L.Lambda(lambda x: ops.gelu(x, approximate=False))), "Lambda"),
    Row("gelu in an unknown wrapper", lambda: chain(VECTOR, L.SpectralNormalization(L.Dense(4, activation="gelu"))), "SpectralNormalization"),
    Row("pieces of tensors", lambda: joined({"x": SERIES}, lambda x: {"a": x[:, 0], "b": x[:, -1, :3], "c": x[:, ::2, None], "d": x[..., 1:-1], "e": x[:, ::-1]})),
    Row("means and extremes along axes", lambda: joined({"x": SERIES}, lambda x: {"a": ops.mean(x, 1), "b": ops.max(x, (1, 2)), "c": ops.sum(x, -1, keepdims=True), "d": ops.min(x, 1), "e": ops.prod(x, -1)})),
    Row("variance and norm", lambda: joined({"x": SERIES}, lambda x: {"a": ops.var(x, -1), "b": ops.std(x, 1)}), "Var Std"),
    Row("the largest class", lambda: joined({"x": VECTOR}, lambda x: {"y": ops.argmax(L.Dense(4)(x), -1), "least": ops.argmin(x, 1)})),
    Row("the three largest", lambda: joined({"x": VECTOR}, lambda x: dict(zip(("y", "which"), ops.top_k(x, 3), strict=True))), "TopK"),
    Row("split and stack", lambda: chain(VECTOR, lambda x: ops.stack(ops.split(x, 2, axis=1), axis=1)), "Split"),
    Row("axes added and dropped", lambda: chain(VECTOR, lambda x: ops.expand_dims(x, 1), L.Dense(3), lambda x: ops.squeeze(x, 1))),
    Row("whole numbers divided", lambda: joined({"x": VECTOR}, lambda x: {"a": (i := ops.cast(x * 9, "int32")) // 4, "b": i % 4, "c": i // -3, "d": 7 % (i * i + 1), "e": i // (i * i + 1)}), "Multiply Add"),
    Row("arithmetic with constants", lambda: chain(VECTOR, lambda x: (1.0 - x) * np.arange(6, dtype="float32") / 2.0 + np.float32(0.5), lambda x: ops.power(ops.clip(x, 0.1, 0.9), 1.5))),
    Row("smooth functions", lambda: chain(VECTOR, lambda x: ops.sin(x) * ops.cos(x) + ops.exp(-ops.square(x)) + ops.silu(x) + ops.relu6(x))),
    Row("logarithms of positive numbers", lambda: chain(VECTOR, lambda x: ops.log(x + 1e-3) + ops.sqrt(x) + ops.log1p(x)), "Log1p", low=0.0),
    Row("a choice by condition", lambda: chain(VECTOR, lambda x: ops.where(x > 0, x, x * 0.1)), "Greater Where"),
    Row("softmax along other axes", lambda: joined({"x": SERIES}, lambda x: {"a": L.Softmax(axis=1)(x), "b": ops.log_softmax(x, -1), "c": L.Softmax(axis=(1, 2))(x)}), "Softmax"),
    Row("normalised vectors", lambda: chain(SERIES, L.UnitNormalization(), L.LayerNormalization(), L.RMSNormalization())),
    Row("layer norm over two axes", lambda: chain(SERIES, L.LayerNormalization(axis=(1, 2))), "LayerNormalization"),
    Row("batch norm of another axis", lambda: chain(SERIES, L.BatchNormalization(axis=1)), "BatchNormalization"),
    Row("Dot of sequences, of length 1", lambda: joined({"a": SERIES, "b": (4, 6)}, lambda a, b: L.Dot(axes=2, normalize=True)([a, b]))),
    Row("channels first", lambda: chain((3, 6, 8), L.Permute((2, 3, 1)), L.Conv2D(2, 3), L.Permute((3, 1, 2)))),
    refused("bool input", lambda: joined({"x": VECTOR, "use": VECTOR}, lambda x, use: L.Dense(2)(x * ops.cast(use, "float32")), {"use": "bool"}), "input 'use' .* holds bool; .* keras.ops.cast"),
    Row("whole numbers out", lambda: chain(VECTOR, lambda x: ops.cast(ops.round(x * 10), "int32")), "Round"),
    Row("numbers of numpy, which are float64", lambda: joined({"x": SERIES}, lambda x: {"a": L.Dense(2)(ops.softmax(x / np.sqrt(8.0))), "b": x * np.linspace(0, 1, 5)[:1], "c": L.Dense(2)(ops.arctan2(x / np.sqrt(8.0), x))}), "Arctan2"),
    Row("float64 inside", lambda: chain(VECTOR, lambda x: ops.cast(ops.cast(x, "float64") * 3.0, "float32"), L.Dense(2)), "Cast Multiply Cast"),
]  # fmt: skip
