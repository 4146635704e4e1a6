"""Weights that float16 holds exactly take half the bytes, and the answers stay the same bits."""

import numpy as np
import onnxruntime
import pytest
from dimaging_export.graph import weights
from dimaging_export.graph.check import verify
from dimaging_export.precision.weight_storage import LEAST_IN_HALF, store_in_half
from onnx import TensorProto, helper, numpy_helper


def branching(weight: np.ndarray):
    """X [1, n] @ weight, inside the branch of an If and outside of it."""
    n, m = weight.shape
    product = helper.make_node("MatMul", ["x", "inner"], ["inside"])
    inner = numpy_helper.from_array(weight, "inner")
    inside = helper.make_tensor_value_info("inside", TensorProto.FLOAT, [1, m])
    branch = helper.make_graph([product], "branch", [], [inside], [inner])
    zero = helper.make_node("Mul", ["whole", "zero"], ["nothing"])
    nothing = helper.make_tensor_value_info("nothing", TensorProto.FLOAT, [1, m])
    other = helper.make_graph([zero], "other", [], [nothing])
    nodes = [
        helper.make_node("MatMul", ["x", "outer"], ["whole"]),
        helper.make_node("If", ["yes"], ["part"], then_branch=branch, else_branch=other),
        helper.make_node("Add", ["whole", "part"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(weight, "outer"),
        numpy_helper.from_array(np.zeros((), np.float32), "zero"),
    ]
    ins = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, n]),
        helper.make_tensor_value_info("yes", TensorProto.BOOL, []),
    ]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, m])
    graph = helper.make_graph(nodes, "branching", ins, [out], constants)
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def answer(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return [session.run(None, {"x": x, "yes": np.array(yes)})[0] for yes in (True, False)]


@pytest.mark.parametrize(
    ("scale", "dtype", "halved"),
    [(1.0, np.float16, True), (1.0, np.float32, False), (1e30, np.float32, False)],
)
def test_only_exact_weights_are_halved(scale, dtype, halved):
    rng = np.random.default_rng(0)
    weight = (scale * rng.normal(size=(64, 32))).astype(dtype).astype(np.float32)
    model = branching(weight)
    x = rng.normal(size=(1, 64)).astype(np.float32)
    before, size = answer(model, x), model.ByteSize()
    store_in_half(model.graph)
    verify(model)
    assert model.ByteSize() < 0.55 * size if halved else model.ByteSize() == size
    for found, expected in zip(answer(model, x), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_small_tensors_stay():
    model = branching(np.ones((LEAST_IN_HALF // 8 - 1, 8), np.float32))
    size = model.ByteSize()
    store_in_half(model.graph)
    assert model.ByteSize() == size


def test_a_branch_of_a_large_model_keeps_its_own_weights(tmp_path):
    """Only the graph itself reads weights beside the file; a place in a branch would be a dead one."""
    weight = np.random.default_rng(0).normal(size=(64, 16)).astype(np.float16).astype(np.float32)
    x = np.ones((1, 64), np.float32)
    with weights.room():
        weights.make_room(weights.LARGEST_FILE)
        model = branching(weight)
        store_in_half(model.graph)
        weights.save(model, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx.data").stat().st_size == 2 * weight.size
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    found = [session.run(None, {"x": x, "yes": np.array(yes)})[0] for yes in (True, False)]
    for one, expected in zip(found, answer(branching(weight), x), strict=True):
        np.testing.assert_array_equal(one, expected)
