"""The conversion as a whole: names, shapes, layout, what is folded, what is refused with words."""

import keras
import numpy as np
import onnx
import pytest
from dimaging_export.convert.to_onnx import DIRECT, OPSET, convert
from dimaging_export.emit import emits, table
from dimaging_export.errors import ExportError
from dimaging_export.graph.check import verify
from dimaging_export.graph.passes import clean, count, macs, with_shapes
from keras import layers as L
from onnx import helper

from dimaging_tf.layers.padding import CropLike, PadToMultiple
from dimaging_tf.models.denoiser import Config, Denoiser


def shape_of(tensor):
    return [d.dim_param or d.dim_value for d in tensor.type.tensor_type.shape.dim]


@pytest.mark.parametrize(("channels", "outputs", "transposes"), [(1, 1, 0), (3, 1, 1), (3, 2, 2)])
@pytest.mark.parametrize("shape", [None, [(1, 16, 24, 0)]], ids=["free", "static"])
def test_a_unet_has_one_transpose_at_either_end_at_most(
    small_unet, channels, outputs, transposes, shape
):
    shapes = shape and [(*shape[0][:3], channels)]
    nodes = count(convert(small_unet(channels, outputs), shapes))
    assert nodes.get("Transpose", 0) == transposes
    assert "BatchNormalization" not in nodes
    assert nodes["Conv"] == 6


@pytest.mark.parametrize("shape", [None, [(1, 16, 16, 3)]], ids=["free", "static"])
def test_a_residual_network_reads_its_input_in_one_layout(shape):
    denoiser = Denoiser(Config((None, None, 3), depth=1, width=4)).graphs()["denoiser"]
    assert count(convert(denoiser, shape))["Transpose"] == 2


def test_names_and_free_dimensions(small_unet):
    model = convert(small_unet(3, 2))
    assert model.producer_name == DIRECT
    assert model.opset_import[0].version == OPSET
    assert [t.name for t in model.graph.input] == ["image"]
    assert [t.name for t in model.graph.output] == ["mask"]
    assert shape_of(model.graph.input[0]) == ["batch", "height", "width", 3]
    assert shape_of(model.graph.output[0]) == ["batch", "height", "width", 2]


def test_an_output_of_another_size_gets_a_name_of_its_own():
    image = keras.Input((None, None, 3), name="image")
    model = convert(keras.Model(image, {"half": L.MaxPooling2D()(image)}))
    assert shape_of(model.graph.output[0]) == ["batch", "half_height", "half_width", 3]


def test_static_shapes(small_unet):
    model = convert(small_unet(), [(1, 32, 16, 1)])
    assert shape_of(model.graph.input[0]) == [1, 32, 16, 1]
    assert shape_of(model.graph.output[0]) == [1, 32, 16, 1]


def test_layers_give_the_names_where_the_model_has_no_dict():
    x = keras.Input((4,), name="code")
    model = convert(keras.Model(x, [L.Dense(2, name="left")(x), L.Dense(3, name="right")(x)]))
    assert [t.name for t in model.graph.output] == ["left", "right"]


def test_one_tensor_under_two_names_and_an_input_handed_through(run):
    x = keras.Input((4,), name="x")
    y = L.Dense(2)(x)
    model = convert(keras.Model(x, {"a": y, "b": y, "same": L.Dropout(0.5)(x)}))
    found = run(model, x=np.ones((2, 4), np.float32))
    np.testing.assert_array_equal(found["a"], found["b"])
    np.testing.assert_array_equal(found["same"], np.ones((2, 4)))


def test_shared_weights_are_stored_once(run):
    x = keras.Input((8, 8, 3), name="x")
    shared = L.Conv2D(3, 3, padding="same")
    model = convert(keras.Model(x, {"y": shared(shared(x))}))
    assert count(model) == {"Conv": 2, "Transpose": 2}
    assert sorted(len(t.dims) for t in model.graph.initializer) == [1, 4]


def test_the_walk_leaves_the_model_as_it_was(small_unet):
    model = small_unet()
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    convert(model)
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes


@pytest.mark.parametrize("shape", [None, (3, 11, 13, 2)], ids=["free", "static"])
def test_padding_to_a_multiple_and_back(run, shape):
    image = keras.Input((None, None, 2), name="image")
    x = L.Conv2D(2, 3, 2, padding="same")(PadToMultiple(4)(image))
    x = CropLike()(L.Conv2DTranspose(3, 2, 2)(x), image)
    model = keras.Model(image, {"y": x})
    onnx_model = convert(model, shape and [shape], "direct")
    for size in [shape[1:3]] if shape else [(1, 1), (5, 9), (8, 4)]:
        image = np.random.default_rng(0).random((3, *size, 2), np.float32)
        expected = model(image)["y"]
        np.testing.assert_allclose(run(onnx_model, image=image)["y"], expected, atol=1e-6)
    if not shape:
        assert {"Pad": 1, "Mod": 1, "Slice": 1}.items() <= count(onnx_model).items()


def test_padding_costs_nothing_where_the_size_fits():
    image = keras.Input((8, 8, 2), name="image")
    y = CropLike()(L.Conv2D(2, 1)(PadToMultiple(4)(image)), image)
    assert count(convert(keras.Model(image, {"y": y}))) == {"Transpose": 2, "Conv": 1}


def test_macs_are_those_counted_by_hand():
    x = keras.Input((8, 8, 3), name="x")
    y = L.Conv2DTranspose(2, 2, 2)(L.Conv2D(4, 3, padding="same")(x))
    y = L.Dense(5)(L.Flatten()(y))
    model = convert(keras.Model(x, {"y": y}))
    by_hand = 8 * 8 * 4 * 3 * 9 + 8 * 8 * 4 * 2 * 4 + (16 * 16 * 2) * 5
    assert macs(with_shapes(model, {"x": (1, 8, 8, 3)})) == by_hand
    assert macs(model) is None


class Mystery(keras.layers.Layer):
    """A layer that we do not know; it holds a constant, as many do."""

    def call(self, x):
        return x * keras.ops.convert_to_tensor([1.0, 2.0, 3.0, 4.0])


def unknown(layer):
    x = keras.Input((4,), name="x")
    return keras.Model(x, {"y": L.Dense(2)(layer(x))})


def test_an_unknown_layer_joins_the_table_by_one_function(run):
    @emits(Mystery)
    def mystery(b, layer, x):
        factors = b.constant(np.array([1.0, 2.0, 3.0, 4.0]))
        return b.map(x, lambda source: b.node("Mul", source, factors))

    model = unknown(Mystery())
    try:
        onnx_model = convert(model, converter="direct")
    finally:
        del table._LAYERS[Mystery]
    x = np.random.default_rng(0).random((3, 4), np.float32)
    np.testing.assert_allclose(run(onnx_model, x=x)["y"], model(x)["y"], atol=1e-6)


def test_the_direct_road_names_the_layer_it_does_not_know():
    with pytest.raises(ExportError, match=r"'odd' \(Mystery\) has no emitter.*converter='auto'"):
        convert(unknown(Mystery(name="odd")), converter="direct")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (L.Lambda(lambda x: x * 2), "Lambda"),
        (L.AdaptiveAveragePooling1D(2), "AdaptiveAveragePooling1D"),
        (L.Dense(2, activation=lambda x: x), "activation '<lambda>'"),
        (L.Dense(2, dtype="mixed_float16"), "computes in float16"),
        (L.BatchNormalization(axis=1), "axis 1"),
    ],
)
def test_refusals_of_the_direct_road(layer, words):
    x = keras.Input((5, 4), name="x")
    with pytest.raises(ExportError, match=words):
        convert(keras.Model(x, {"y": layer(x)}), converter="direct")


def test_dropout_in_training_mode_is_not_dropped():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, {"y": L.Dropout(0.5)(x, training=True)})
    with pytest.raises(ExportError, match="training=True"):
        convert(model, converter="direct")


def test_two_tensors_of_one_name():
    x = keras.Input((4,), name="x")
    with pytest.raises(ExportError, match="calls two tensors 'x'"):
        convert(keras.Model(x, {"x": L.Dense(4)(x)}))


def test_a_misspelt_converter():
    with pytest.raises(ExportError, match="did you mean 'direct'"):
        convert(unknown(L.ReLU()), converter="dircet")


def a_model(node, **more):
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["batch"]) for n in "xy")
    graph = helper.make_graph([node], "g", [x], [y], **more)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("Erfc", ["x"], ["y"], name="n"), "'Erfc'.*not in ONNX opset"),
        (helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft"), "outside the ONNX"),
        (helper.make_node("Relu", ["z"], ["y"]), "not valid ONNX"),
        (helper.make_node("And", ["x", "x"], ["y"]), "not valid ONNX"),
    ],
)
def test_verify_refuses(node, words):
    with pytest.raises(ExportError, match=words):
        verify(a_model(node))


def test_cleaning_keeps_what_a_loop_body_reads():
    inner = helper.make_node("Add", ["copy", "copy"], ["out"])
    body = helper.make_graph([inner], "body", [], [helper.make_tensor_value_info("out", 1, None)])
    branch = helper.make_node("If", ["flag"], ["y"], then_branch=body, else_branch=body)
    model = a_model(helper.make_node("Identity", ["x"], ["copy"]))
    model.graph.node.append(branch)
    model.graph.initializer.append(helper.make_tensor("flag", onnx.TensorProto.BOOL, [], [True]))
    model.graph.initializer.append(helper.make_tensor("dead", onnx.TensorProto.FLOAT, [], [1.0]))
    clean(model)
    assert [node.op_type for node in model.graph.node] == ["Identity", "If"]
    assert [tensor.name for tensor in model.graph.initializer] == ["flag"]
