"""The gradient graph of a classifier: the margin, whole networks against TensorFlow, and what is refused."""

import dimaging_export.gradient.build as build
import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from dimaging_export.convert.to_onnx import convert
from dimaging_export.errors import ExportError
from dimaging_export.gradient.build import gradient_model
from dimaging_export.precision.image_bytes import wrap
from dimaging_export.precision.reduced import change_precision
from keras import layers as L
from onnx import TensorProto, helper, numpy_helper

from dimaging_tf.models.classifier import Classifier, Config

CLASSES = 5
RNG = np.random.default_rng(0)


def wong():
    return Classifier(Config((9, 10, 1), CLASSES, channels=(4, 8), units=16)).network


def zoo():
    """Every layer that a classifier is likely to hold."""
    image = keras.Input((11, 12, 3), name="image")
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(image)))
    skip = x = L.MaxPooling2D()(x)
    x = L.BatchNormalization()(L.SeparableConv2D(8, 3, padding="same")(x))
    x = L.LeakyReLU(0.1)(L.Add()([x, skip]))
    x = L.Activation("relu")(L.DepthwiseConv2D(3, strides=2, padding="same")(x))
    left = L.Conv2D(4, 1, activation="elu")(x)
    right = L.Conv2D(4, 3, padding="same", activation="swish")(x)
    x = L.AveragePooling2D(2, padding="same")(L.Concatenate()([left, right]))
    x = L.LayerNormalization()(L.Conv2D(8, 2, activation="tanh", padding="same")(x))
    x = L.Dropout(0.5)(L.GlobalAveragePooling2D()(x))
    return keras.Model(image, {"logits": L.Dense(CLASSES)(x)}, name="zoo")


def dense():
    image = keras.Input((4, 4, 1), name="image")
    x = L.Dense(12, activation="gelu")(L.Rescaling(2.0, -1.0)(L.Flatten()(image)))
    return keras.Model(image, {"logits": L.Dense(CLASSES)(x)}, name="dense")


def attention():
    """A patch embedding, and one head of attention written out."""
    image = keras.Input((8, 8, 3), name="image")
    x = L.Reshape((16, 8))(L.Conv2D(8, 2, 2)(image))
    x = L.LayerNormalization()(x)
    mixed = L.Softmax()(L.Dot((2, 2))([L.Dense(8)(x), L.Dense(8)(x)]))
    x = L.Add()([x, L.Dot((2, 1))([mixed, L.Dense(8)(x)])])
    return keras.Model(image, {"logits": L.Dense(CLASSES)(L.GlobalAveragePooling1D()(x))})


def reference(network, image, label):
    """Keras with all weights and arithmetic in float64: gradient, margin and logits."""
    wide = keras.models.clone_model(
        network,
        clone_function=lambda x: type(x).from_config({**x.get_config(), "dtype": "float64"}),
    )
    wide.set_weights(network.get_weights())
    x = tf.constant(image, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = wide(x, training=False)["logits"]
        own = tf.one_hot(label, CLASSES, dtype=tf.float64)
        others = tf.reduce_logsumexp(logits - 1e9 * own, -1)
        margin = others - tf.reduce_sum(logits * own, -1)
    return {
        "gradient": np.asarray(tape.gradient(margin, x)), "margin": margin.numpy(), "logits": logits.numpy(),
    }  # fmt: skip


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("make", [wong, zoo, dense])
def test_whole_networks_equal_tensorflow_in_float64(make, batch, randomised, run):
    network = randomised(make())
    image = RNG.random((batch, *network.input_shape[1:]), np.float32)
    label = RNG.integers(0, CLASSES, batch)
    found = run(gradient_model(convert(network)), image=image, label=label)
    expected = reference(network, image, label)
    assert list(found) == ["gradient", "margin", "logits"]
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=2e-5 * np.abs(value).max())


def test_a_network_that_only_tf2onnx_converts(randomised, run):
    network = randomised(attention())
    image, label = RNG.random((3, 8, 8, 3), np.float32), np.array([0, 2, 4])
    found = run(gradient_model(convert(network)), image=image, label=label)
    expected = reference(network, image, label)["gradient"]
    np.testing.assert_allclose(found["gradient"], expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("make", [zoo, attention])
def test_the_maps_of_a_gradient_declare_their_sizes(make, randomised, run):
    """Else onnxruntime could not show that a map and its mask are equal, and would leave its fast layout."""
    network = randomised(make())
    graph = gradient_model(convert(network))
    declared = {
        info.name: [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim]
        for info in graph.graph.value_info
    }
    assert len(declared) >= 10
    assert all(name.startswith("gradient/") for name in declared)
    graph.graph.output.extend(graph.graph.value_info)
    found = run(
        graph, image=np.zeros((3, *network.input_shape[1:]), np.float32), label=np.zeros(3, int)
    )
    for name, sizes in declared.items():
        assert sizes[0] == "batch"
        assert found[name].shape == (3, *sizes[1:])


def linear_file(
    weights, *, output="logits", opset=18, dtype=TensorProto.FLOAT, tail=(), shape=("batch", 3)
):
    """image [batch, 3] -> image @ weights, and what `tail` makes of it."""
    nodes = [
        helper.make_node("MatMul", ["image", "w"], ["z" if tail else output], name="product"),
        *tail,
    ]
    graph = helper.make_graph(
        nodes, "linear",
        [helper.make_tensor_value_info("image", dtype, list(shape))],
        [helper.make_tensor_value_info(output, dtype, ["batch", weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


WEIGHTS = RNG.standard_normal((3, 4)).astype(np.float32)


def closed_form(image, label, scale=1.0):
    """Margin and gradient of the linear classifier image @ WEIGHTS * scale, in float64."""
    w = WEIGHTS.astype(np.float64) * scale
    z = image @ w
    others = np.where(np.arange(4) == label[:, None], -np.inf, z)
    top = others.max(-1, keepdims=True)
    powers = np.exp(others - top)
    own = np.take_along_axis(z, label[:, None], -1)
    margin = (top + np.log(powers.sum(-1, keepdims=True)) - own)[:, 0]
    slope = powers / powers.sum(-1, keepdims=True) - np.eye(4)[label]
    return margin, slope @ w.T


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-4])
def test_the_margin_of_a_linear_classifier_and_no_scale_hides_it(run, scale):
    image, label = RNG.standard_normal((6, 3)).astype(np.float32), np.array([0, 1, 2, 3, 0, 1])
    found = run(gradient_model(linear_file(WEIGHTS * np.float32(scale))), image=image, label=label)
    margin, gradient = closed_form(image.astype(np.float64), label, scale)
    np.testing.assert_allclose(found["margin"], margin, rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(found["gradient"], gradient, rtol=1e-3, atol=1e-5 * scale)


def test_any_other_loss_through_the_direction(run):
    image, label = RNG.standard_normal((2, 3)).astype(np.float32), np.array([0, 1])
    graph = gradient_model(linear_file(WEIGHTS))
    for direction in (RNG.standard_normal((2, 4)), np.eye(4)[[2]]):
        found = run(graph, image=image, label=label, direction=direction.astype(np.float32))
        expected = np.broadcast_to(direction @ WEIGHTS.T, (2, 3))
        np.testing.assert_allclose(found["gradient"], expected, rtol=1e-5)


TAILS = {
    "softmax": [helper.make_node("Softmax", ["z"], ["logits"], name="p")],
    "softmax behind an identity": [
        helper.make_node("Softmax", ["z"], ["p"], name="p"), helper.make_node("Identity", ["p"], ["logits"]),
    ],
    "log-softmax": [helper.make_node("LogSoftmax", ["z"], ["logits"], name="p")],
}  # fmt: skip


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_a_softmax_at_the_end_is_left_off(run, tail):
    image, label = RNG.standard_normal((2, 3)).astype(np.float32), np.array([0, 1])
    expected = run(gradient_model(linear_file(WEIGHTS)), image=image, label=label)
    found = run(gradient_model(linear_file(WEIGHTS, tail=tail)), image=image, label=label)
    for name in ("gradient", "margin"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [13, 17])
def test_older_files_are_raised(run, opset):
    image, label = RNG.standard_normal((2, 3)).astype(np.float32), np.array([0, 1])
    found = run(gradient_model(linear_file(WEIGHTS, opset=opset)), image=image, label=label)
    np.testing.assert_allclose(
        found["gradient"], closed_form(image, label)[1], rtol=1e-4, atol=1e-5
    )


def test_the_file_in_front_of_the_gradient_stays_as_it_is(randomised, run):
    """Int8: a second reader of a float tensor would keep onnxruntime from its integer kernels."""
    network = randomised(wong())
    images = RNG.random((32, 9, 10, 1), np.float32)
    small = change_precision(convert(network), "int8", [{"image": x[None]} for x in images])
    label = np.zeros(32, np.int64)
    found = run(gradient_model(small), image=images, label=label)
    np.testing.assert_array_equal(found["logits"], run(small, image=images)["logits"])


@pytest.mark.parametrize("make", [wong, zoo, dense])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_straight_through_gradients_point_where_the_float_ones_do(make, precision, randomised, run):
    network = randomised(make())
    image = RNG.random((32, *network.input_shape[1:]), np.float32)
    label = RNG.integers(0, CLASSES, 32)
    base = convert(network)
    small = change_precision(base, precision, [{"image": x[None]} for x in image])
    a, b = (run(gradient_model(m), image=image, label=label)["gradient"] for m in (base, small))
    a, b = a.reshape(32, -1).astype(np.float64), b.reshape(32, -1).astype(np.float64)
    cosine = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    assert np.median(cosine) > (0.999 if precision == "fp16" else 0.9)


def test_an_image_of_bytes_gets_the_gradient_of_a_grey_level(randomised, run):
    network = randomised(wong())
    base = convert(network)
    image = RNG.integers(0, 256, (2, 9, 10, 1)).astype(np.float32)
    label = np.array([1, 2])
    found = run(gradient_model(wrap(base, frozenset({"image"}))), image=image, label=label)
    expected = run(gradient_model(base), image=image * np.float32(1 / 255), label=label)
    np.testing.assert_allclose(found["gradient"] * 255, expected["gradient"], rtol=1e-3, atol=1e-5)


def test_a_file_of_batch_one(randomised, run):
    network = randomised(wong())
    graph = gradient_model(convert(network, [(1, 9, 10, 1)]))
    image = RNG.random((1, 9, 10, 1), np.float32)
    expected = reference(network, image, np.array([3]))["gradient"]
    found = run(graph, image=image, label=np.array([3]))["gradient"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_names_of_the_file_do_not_collide(run):
    """Its input is called "x", and tensors inside are called as the new ones are."""
    nodes = [
        helper.make_node("Neg", ["x"], ["image"], name="a"),
        helper.make_node("Neg", ["image"], ["gradient"], name="b"),
        helper.make_node("MatMul", ["gradient", "label"], ["margin"], name="c"),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("margin", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(WEIGHTS, "label")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    image, label = RNG.standard_normal((2, 3)).astype(np.float32), np.array([0, 1])
    found = run(gradient_model(model), image=image, label=label)
    np.testing.assert_allclose(
        found["gradient"], closed_form(image, label)[1], rtol=1e-4, atol=1e-5
    )


def two_inputs():
    model = linear_file(WEIGHTS)
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, ["batch", 1]))
    return model


def two_outputs():
    model = linear_file(WEIGHTS, output="scores")
    model.graph.node.append(helper.make_node("Neg", ["image"], ["negative"]))
    model.graph.output.append(
        helper.make_tensor_value_info("negative", TensorProto.FLOAT, ["batch", 3])
    )
    return model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (two_inputs, "takes one image; this graph has 2 inputs: image, age"),
        (two_outputs, "no output 'logits'; known: scores, negative. Say which holds the logits: logits="),
        (lambda: linear_file(WEIGHTS, shape=("batch", "n")), "every size but the batch fixed"),
        (lambda: linear_file(WEIGHTS[:, :1]), "at least 2 classes"),
        (lambda: linear_file(WEIGHTS.astype(np.float64), dtype=TensorProto.DOUBLE), "is DOUBLE; a gradient needs"),
        (lambda: linear_file(WEIGHTS, tail=[helper.make_node("Sigmoid", ["z"], ["logits"], name="p")]),
         "comes out of a Sigmoid: probabilities"),
        (lambda: linear_file(WEIGHTS, tail=[helper.make_node("Sin", ["z"], ["logits"], name="wave")]),
         "op 'Sin' (node 'wave') has no rule"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_refused(model, words):
    with pytest.raises(ExportError) as error:
        gradient_model(model())
    assert words in str(error.value)


def test_the_output_can_be_named(run):
    found = gradient_model(two_outputs(), logits="scores")
    assert [tensor.name for tensor in found.graph.output] == ["gradient", "margin", "logits"]
    assert [tensor.name for tensor in found.graph.input] == ["image", "label", "direction"]
    onnx.checker.check_model(found, full_check=True)
    assert found.graph.name == build.GRADIENT
