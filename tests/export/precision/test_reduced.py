"""fp16 and int8: right within a stated noise, in the form with fast kernels, safe on AVX2."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from dimaging_export.convert.to_onnx import convert
from dimaging_export.errors import ExportError
from dimaging_export.graph.passes import count
from dimaging_export.precision.image_bytes import from_bytes, to_bytes, wrap
from dimaging_export.precision.reduced import change_precision, float_nodes
from dimaging_export.precision.weight_storage import RECURRENT
from keras import layers as L
from onnx import numpy_helper

MAP = (16, 16, 3)


def conv(filters, x, **more):
    return L.Conv2D(filters, 3, padding="same", activation="relu", **more)(x)


NETS = {
    "conv": (MAP, lambda x: conv(4, conv(8, x))),
    "pool": (MAP, lambda x: conv(4, L.MaxPooling2D()(conv(8, x)))),
    "up_conv": (MAP, lambda x: conv(4, L.Conv2DTranspose(8, 3, 2, padding="same")(conv(8, x)))),
    "up_nearest": (MAP, lambda x: conv(4, L.UpSampling2D()(conv(8, x)))),
    "skip": (MAP, lambda x: conv(4, L.Concatenate()([x, conv(8, x)]))),
    "residual": (MAP, lambda x: conv(4, L.Add()([conv(8, x), conv(8, x)]))),
    "depthwise": (MAP, lambda x: conv(4, L.DepthwiseConv2D(3, activation="relu")(conv(8, x)))),
    "padded": (
        MAP,
        lambda x: conv(4, L.DepthwiseConv2D(3, 2)(L.ZeroPadding2D(((0, 1), (2, 1)))(conv(8, x)))),
    ),
    "leaky": (MAP, lambda x: conv(4, L.LeakyReLU()(L.Conv2D(8, 3)(x)))),
    "classifier": (MAP, lambda x: L.Dense(4)(L.GlobalAveragePooling2D()(conv(8, x)))),
    "flat": (MAP, lambda x: L.Dense(4)(L.Flatten()(conv(8, x)))),
    "dense": ((20,), lambda x: L.Dense(4)(L.Dense(16, "relu")(x))),
    "tokens": ((6, 20), lambda x: L.Dense(4)(L.Dense(16, "relu")(x))),
}


def build(net):
    shape, layers = NETS[net]
    keras.utils.set_random_seed(0)
    x = keras.Input(shape, name="x")
    return convert(keras.Model(x, {"y": layers(x)}))


def images(net, n=16):
    return np.random.default_rng(0).random((n, *NETS[net][0]), np.float32)


def feeds(net):
    return [{"x": x[None]} for x in images(net)]


def sqnr(found, expected):
    return 10 * np.log10(np.square(expected).sum() / np.square(found - expected).sum())


@pytest.mark.parametrize(("precision", "decibels"), [("fp16", 50), ("int8", 25)])
@pytest.mark.parametrize("net", NETS)
def test_signal_to_noise(net, precision, decibels, run):
    model, x = build(net), images(net)
    smaller = change_precision(model, precision, feeds(net))
    found, expected = (run(m, x=x)["y"] for m in (smaller, model))
    assert found.dtype == np.float32
    assert sqnr(found, expected) > decibels
    assert len(smaller.SerializeToString()) < len(model.SerializeToString()) or precision == "int8"


@pytest.mark.parametrize("net", NETS)
def test_int8_weights_have_seven_bits(net):
    model = change_precision(build(net), "int8", feeds(net))
    weights = [numpy_helper.to_array(t) for t in model.graph.initializer]
    weights = [w for w in weights if w.dtype == np.int8 and w.ndim > 1]
    assert weights
    assert all(np.abs(w.astype(int)).max() <= 64 for w in weights)


def test_int8_runs_in_int8_kernels(small_unet, tmp_path):
    keras.utils.set_random_seed(0)
    model = convert(small_unet(), [(1, 32, 32, 1)])
    image = np.random.default_rng(0).random((16, 1, 32, 32, 1), np.float32)
    smaller = change_precision(model, "int8", [{"image": x} for x in image])
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(smaller.SerializeToString(), options)
    nodes = count(onnx.load(tmp_path / "optimised.onnx"))
    # Of 6 convolutions the first and the last are float32, the 2 transposed ones are int8. Of
    # each shuffle's 3 Transposes the one that moves data is left; others lead in and out of int8.
    assert nodes["QLinearConv"] == 6
    assert nodes["Conv"] == 2
    assert "ConvTranspose" not in nodes
    assert nodes["Transpose"] <= 6


def kept(model, tail=1):
    return {n.name for n in model.graph.node if n.name in float_nodes(model, tail)}


def test_first_and_last_layers_stay_float(small_unet):
    model = convert(small_unet(), [(1, 16, 16, 1)])
    convs = [node.name for node in model.graph.node if node.op_type == "Conv"]
    ops = {node.name: node.op_type for node in model.graph.node}
    names = kept(model)
    assert names & set(convs) == {convs[0], convs[-1]}
    assert {ops[name] for name in names} == {"Conv", "Sigmoid", "Reshape"}
    assert kept(model, 2) & set(convs) == {convs[0], convs[-2], convs[-1]}
    wide = convert(small_unet(8), [(1, 16, 16, 8)])
    assert sum(name.endswith("/Conv") for name in kept(wide)) == 1


def test_what_is_only_concatenated_has_the_scale_of_the_concatenation():
    x = keras.Input((16, 16, 8), name="x")
    skip, deep = conv(8, x), L.Conv2D(8, 3, padding="same")(x)  # deep goes below zero
    y = conv(4, conv(8, L.Concatenate()([skip, deep])))
    model = convert(keras.Model(x, {"y": y}))
    image = np.random.default_rng(0).random((4, 1, 16, 16, 8), np.float32)
    smaller = change_precision(model, "int8", [{"x": one} for one in image])
    maker = {name: node for node in smaller.graph.node for name in node.output}
    concat = next(node for node in smaller.graph.node if node.op_type == "Concat")
    after = next(node for node in smaller.graph.node if concat.output[0] in node.input)
    shared = [list(maker[name].input[1:]) == list(after.input[1:]) for name in concat.input]
    assert shared == [False, True]  # the quantiser lets the first one's range be its ReLU


def test_something_becomes_int8_after_all():
    x = keras.Input(MAP, name="x")
    one = keras.Model(x, {"y": L.Conv2D(2, 3)(x)})
    assert not kept(convert(one))
    two = convert(keras.Model(x, {"y": L.Conv2D(2, 3, name="b")(L.Conv2D(2, 3, name="a")(x))}))
    assert kept(two) == kept(two, 3)
    assert {name for name in kept(two) if "Conv" in name} == {"b/Conv"}


def test_dense_graphs_have_a_scale_a_row():
    nodes = count(change_precision(build("dense"), "int8", []))
    assert (nodes["QuantizeLinear"], nodes["DequantizeLinear"], nodes["ReduceMax"]) == (2, 4, 2)


@pytest.mark.parametrize("layer", [L.LSTM, L.GRU, L.SimpleRNN])
@pytest.mark.parametrize("around", ["dense", "convolution", "nothing"])
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_weights_are_bytes_and_the_operator_stays(layer, around, directions, run):
    keras.utils.set_random_seed(0)
    x = y = keras.Input((20, 8), name="x")
    if around == "convolution":
        y = L.Conv1D(8, 3)(L.Conv1D(8, 3)(y))
    y = (L.Bidirectional(layer(64)) if directions == 2 else layer(64))(y)
    model = keras.Model(x, {"y": L.Dense(3)(y) if around == "dense" else y})
    series = np.random.default_rng(0).standard_normal((40, 20, 8)).astype(np.float32)
    whole = convert(model)
    file = change_precision(whole, "int8", [{"x": one[None]} for one in series])
    assert {node.domain for node in file.graph.node} <= {"", "ai.onnx"}
    assert set(RECURRENT) & set(count(file))
    assert len(file.SerializeToString()) < 0.51 * len(whole.SerializeToString())
    found, expected = run(file, x=series)["y"], model(series)["y"].numpy()
    assert 10 * np.log10(np.mean(expected**2) / np.mean((found - expected) ** 2)) > 25


def test_the_float_graph_is_not_touched():
    model = build("up_conv")
    before = model.SerializeToString()
    for precision in ("fp16", "int8"):
        change_precision(model, precision, feeds("up_conv"))
    assert model.SerializeToString() == before


def test_int8_without_images_or_work():
    with pytest.raises(ExportError, match="needs real inputs"):
        change_precision(build("conv"), "int8", [])
    x = keras.Input((4,), name="x")
    nothing = convert(keras.Model(x, {"y": L.ReLU()(x)}))
    with pytest.raises(ExportError, match="no convolution or matrix product"):
        change_precision(nothing, "int8", [{"x": np.ones((1, 4), np.float32)}])


def test_a_misspelt_precision():
    with pytest.raises(ExportError, match="did you mean 'int8'"):
        change_precision(build("dense"), "in8", [])


def test_bytes_change_the_scale_and_nothing_else(run):
    x = keras.Input((4, 4, 3), name="image")
    model = convert(keras.Model(x, {"same": L.Rescaling(1.0)(x)}))
    wrapped = wrap(model, frozenset({"image", "same"}))
    image = np.arange(0, 256, dtype=np.uint8)[None, :, None, None].repeat(3, 3)
    image = image.reshape(16, 4, 4, 3)
    np.testing.assert_array_equal(run(wrapped, image=image)["same"], image)
    factors = [t for t in wrapped.graph.initializer if t.name in ("uint8/scale", "uint8/levels")]
    assert all(len(t.dims) == 4 for t in factors)  # a plain number is slow: see uint8.py
    np.testing.assert_array_equal(to_bytes(from_bytes(image)), image)


@pytest.mark.parametrize("limits", [(0, 255), (-1, 1), (0, 2)], ids=str)
def test_bytes_are_black_to_white_of_the_range(limits, run):
    """A model that divides by 255 itself takes 0 to 255, and so must its file of bytes."""
    x = keras.Input((4, 4, 3), name="image")
    model = convert(keras.Model(x, {"same": L.Rescaling(1.0)(x)}))
    image = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3) * 5
    found = run(wrap(model, {"image": limits}), image=image)["same"]
    expected = limits[0] + image * ((limits[1] - limits[0]) / 255)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(from_bytes(image, limits), found)
    np.testing.assert_array_equal(to_bytes(found, limits), image)


def test_bytes_saturate_and_round_half_up():
    levels = np.array([-0.1, 0.0, 0.4 / 255, 0.5 / 255, 1.0, 1.3], np.float32)
    np.testing.assert_array_equal(to_bytes(levels), [0, 0, 0, 1, 255, 255])


def test_the_quantiser_says_nothing_of_vectors_that_have_no_second_axis(caplog):
    keras.utils.set_random_seed(0)
    x = keras.Input(MAP, name="x")
    made = convert(keras.Model(x, conv(4, L.GroupNormalization(4)(conv(8, x)))))
    change_precision(made, "int8", feeds("conv"))
    assert not caplog.records
