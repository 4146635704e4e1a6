"""Mixed roads: a layer without an emitter is converted alone, and every other one keeps its emitter."""

import keras
import numpy as np
import pytest
from dimaging_export import export
from dimaging_export.convert.to_onnx import DIRECT, MIXED, convert
from dimaging_export.errors import ExportError
from dimaging_export.graph.passes import count
from dimaging_export.precision.reduced import change_precision
from dimaging_export.prove.runners import onnx_graph
from keras import layers as L

RNG = np.random.default_rng(0)


class Wave(keras.layers.Layer):
    """A layer without an emitter: it has weights and a constant, as many do."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones")

    def call(self, x):
        return keras.ops.sin(x * self.scale) + keras.ops.convert_to_tensor([1.0])


class Noisy(keras.layers.Layer):
    """Draws its noise inside: no converter can."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed = keras.random.SeedGenerator(0)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed)


def image_net(middle):
    x = keras.Input((16, 16, 3), name="x")
    y = L.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = L.Conv2D(8, 3, padding="same", activation="relu")(middle(y))
    return keras.Model(x, {"y": L.Conv2D(2, 3, padding="same")(y)})


def block(layer):
    i = keras.Input((None, None, 8))
    return keras.Model(i, layer(i), name="block")


def recurrent():
    x = keras.Input((3, 6, 6, 2), name="x")
    return keras.Model(x, {"y": L.Conv2D(2, 1)(L.ConvLSTM2D(4, 3, name="cell")(x))})


def vectors(layer):
    x = keras.Input((6,), name="x")
    return keras.Model(x, {"y": L.Dense(3)(layer(L.Dense(6)(x)))})


ROWS = {
    "one layer": (lambda: image_net(Wave(name="wave")), "wave (Wave)"),
    "inside a model": (lambda: image_net(block(Wave(name="wave"))), "block/wave (Wave)"),
    "a function": (lambda: image_net(L.Lambda(lambda x: x * 2, name="f")), "f (Lambda)"),
    "of two tensors": (
        lambda: image_net(lambda y: keras.ops.arctan2(y, L.ReLU()(y))), "arctan2",
    ),
    "a loop": (recurrent, "cell (ConvLSTM2D)"),
    "vectors": (lambda: vectors(Wave(name="wave")), "wave (Wave)"),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_one_layer_takes_the_other_road(row, run, randomised):
    make, who = ROWS[row]
    model = randomised(make())
    made = convert(model)
    assert made.producer_name.startswith(MIXED)
    assert who in made.producer_name
    assert made.producer_name.count("(") == 1
    for batch in (1, 2, 5):
        x = RNG.random((batch, *model.inputs[0].shape[1:]), np.float32)
        wanted = np.asarray(model(x)["y"])
        np.testing.assert_allclose(run(made, x=x)["y"], wanted, atol=1e-5 * np.abs(wanted).max())


def test_the_others_keep_their_layout(run):
    assert convert(image_net(L.ReLU())).producer_name == DIRECT
    nodes = count(convert(image_net(Wave())))
    assert (nodes["Conv"], nodes["Transpose"]) == (3, 4)


def test_a_shared_layer_has_its_weights_once(run):
    wave = Wave(name="wave")
    made = convert(image_net(lambda y: wave(L.Conv2D(8, 1)(wave(y)))))
    assert made.producer_name.count("wave (Wave)") == 2
    assert (
        sum(tuple(t.dims) == (1, 1, 1, 8) or tuple(t.dims) == (8,) for t in made.graph.initializer)
        < 6
    )


def test_the_others_become_int8(run):
    model = image_net(Wave())
    feeds = [{"x": RNG.random((1, 16, 16, 3), np.float32)} for _ in range(8)]
    made = convert(model)
    smaller = change_precision(made, "int8", feeds)
    assert count(smaller)["QuantizeLinear"] > 0
    found, wanted = (run(m, **feeds[0])["y"] for m in (smaller, made))
    noise, signal = np.square(found - wanted).sum(), np.square(wanted - wanted.mean()).sum()
    assert 10 * np.log10(signal / noise) > 25


def test_the_card_says_which(tmp_path):
    folder = export(image_net(Wave(name="wave")), tmp_path / "bundle")
    assert "which tf2onnx converted:\n\n* model: wave (Wave)" in (folder / "CARD.md").read_text()


def test_what_neither_road_knows_is_refused_with_both_reasons():
    words = r"'odd' \(Noisy\) has no emitter.* and .*Stateless.* random numbers.*noise as an input"
    with pytest.raises(ExportError, match=words):
        convert(vectors(Noisy(name="odd")))


def test_what_keras_says_of_a_call_is_said():
    words = keras.Input((4,), dtype="int32", name="words")
    shares = L.Softmax(axis=1, name="shares")(L.Dense(1)(L.Embedding(9, 3, mask_zero=True)(words)))
    with pytest.raises(ExportError, match="'shares' .* convert it: The `mask` must be broadcast"):
        convert(keras.Model(words, shares))


def test_a_layer_that_predicts_another_shape_than_it_says():
    x = keras.Input((12, 12, 3), name="x")
    model = keras.Model(x, L.Conv2D(2, 3)(L.RandomCrop(8, 8, name="crop")(x)))
    with pytest.raises(ExportError, match=r"'crop' .*says that it gives .* 8, 8, 3.*12, 12, 3"):
        convert(model)


def test_text_is_refused():
    x = keras.Input((1,), dtype="string", name="words")
    with pytest.raises(ExportError, match="input 'words' .* holds string; a file takes numbers"):
        convert(keras.Model(x, L.StringLookup(vocabulary=["a", "b"])(x)))


def test_a_mask_as_an_input_is_0_and_1():
    def masked(dtype):
        x, counts = keras.Input((4, 3), name="x"), keras.Input((4,), dtype=dtype, name="counts")
        mask = counts if dtype == "bool" else keras.ops.cast(counts, "bool")
        return keras.Model({"x": x, "counts": counts}, {"y": L.LSTM(2)(x, mask=mask)})

    with pytest.raises(
        ExportError, match=r"'counts' .* holds bool; .* keras\.ops\.cast\(mask, 'bool'\)"
    ):
        convert(masked("bool"))
    model = masked("int32")
    given = {
        "x": np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32),
        "counts": np.array(
            [[0, 0, 1, 1], [1, 1, 0, 0], [1, 0, 1, 1]], np.int32
        ),  # left, right, a hole
    }
    found = onnx_graph(convert(model))(given)["y"]
    np.testing.assert_allclose(found, model(given)["y"], atol=1e-6)
