"""The sub-pixel form of a transposed convolution gives the same numbers, whatever its geometry."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from dimaging_export.precision.subpixel import rewrite
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper


def transposed(kernel, stride, pads, output_padding, size=None, bias=True, **attributes):
    channels = (2, 3)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(*channels, *kernel)).astype(np.float32)
    constants = [numpy_helper.from_array(weights, "w")]
    if bias:
        constants.append(
            numpy_helper.from_array(rng.normal(size=channels[1]).astype(np.float32), "b")
        )
    node = helper.make_node(
        "ConvTranspose", ["x", *(c.name for c in constants)], ["y"], name="up", kernel_shape=kernel,
        strides=stride, pads=pads, output_padding=output_padding, **attributes,
    )  # fmt: skip
    x, y = (
        helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", c, *shape])
        for n, c, shape in (("x", channels[0], size or "hw"), ("y", channels[1], "ij"))
    )
    graph = helper.make_graph([node], "g", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model, x):
    return ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]


def same(kernel, stride, pads, output_padding, size):
    x = np.random.default_rng(1).normal(size=(2, 2, *size)).astype(np.float32)
    for known in (None, size):
        model = transposed(kernel, stride, pads, output_padding, known)
        expected = run(model, x)
        assert rewrite(model) == 1
        ops = [node.op_type for node in model.graph.node]
        assert "ConvTranspose" not in ops
        assert "Shape" not in ops  # it would have the int8 tensor turned back into float32
        onnx.checker.check_model(model, full_check=True)
        np.testing.assert_allclose(run(model, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("k", range(1, 8))
@pytest.mark.parametrize("s", [2, 3, 4])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_keras_kernel(k, s, padding):
    # The pads are those that Keras' "valid" and "same" give (see emit/window.py).
    cut = max(k - s, 0) if padding == "same" else 0
    pads = [cut // 2, cut // 2, cut - cut // 2, cut - cut // 2]
    same((k, k), (s, s), pads, [max(s - k, 0)] * 2, (3, 4))


@st.composite
def geometries(draw):
    kernel, stride = (tuple(draw(st.integers(1, high)) for _ in "yx") for high in (6, 4))
    size = tuple(draw(st.integers(2, 5)) for _ in "yx")
    if stride == (1, 1):
        stride = (2, 1)
    # No more is cut on either side than leaves a row of each border phase.
    pads = [draw(st.integers(0, (k - 1) // 2)) for k in (*kernel, *kernel)]
    missing = [draw(st.integers(0, s - 1)) for s in stride]
    return kernel, stride, pads, missing, size


@settings(max_examples=150, deadline=None, derandomize=True)
@given(geometries())
def test_any_geometry(geometry):
    same(*geometry)


def test_without_bias():
    model = transposed((2, 2), (2, 2), [0] * 4, [0, 0], bias=False)
    x = np.ones((1, 2, 3, 3), np.float32)
    expected = run(model, x)
    assert rewrite(model) == 1
    np.testing.assert_allclose(run(model, x), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("stride", "attributes", "keep"),
    [((1, 1), {}, ()), ((2, 2), {"dilations": [2, 2]}, ()), ((2, 2), {}, ("up",))],
    ids=["stride 1", "dilated", "kept by name"],
)
def test_left_alone(stride, attributes, keep):
    model = transposed((3, 3), stride, [0] * 4, [0, 0], **attributes)
    assert rewrite(model, frozenset(keep)) == 0
    assert [node.op_type for node in model.graph.node] == ["ConvTranspose"]
