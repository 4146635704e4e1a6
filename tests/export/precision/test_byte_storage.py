"""Kernels in bytes: small, near, and the same to the last bit."""

import numpy as np
import onnx
import onnxruntime
import pytest
from dimaging_export.precision.weight_storage import in_bytes, store_in_bytes
from onnx import TensorProto, helper, numpy_helper


def file_of(kernel: np.ndarray) -> onnx.ModelProto:
    """A convolution with a kernel [out, in, k, k]."""
    channels, inner = kernel.shape[:2]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [info("x", TensorProto.FLOAT, [1, inner, 8, 8])],
        [info("y", TensorProto.FLOAT, [1, channels, None, None])],
        [numpy_helper.from_array(kernel, "w")],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def answer(file: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        file.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"x": x})[0])


def rounded(kernel: np.ndarray) -> np.ndarray:
    """As the layers of Keras have it, [k, k, in, out], there and back."""
    return in_bytes(kernel.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("side", [1, 3])
def test_a_quarter_of_the_bytes_and_the_same_numbers(side: int, silent: bool) -> None:
    rng = np.random.default_rng(side)
    kernel = rng.normal(0, rng.uniform(0.001, 9, (48, 1, 1, 1)), (48, 40, side, side))
    kernel[3] *= not silent  # a channel of zeros
    kernel = kernel.astype(np.float32)
    near = rounded(kernel)
    assert np.all(np.abs(near - kernel).max((1, 2, 3)) <= np.abs(kernel).max((1, 2, 3)) / 250)
    before, after = file_of(near), file_of(near)
    store_in_bytes(after.graph)
    assert len(after.SerializeToString()) < 0.3 * len(before.SerializeToString()) + 800
    x = rng.normal(size=(1, 40, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(answer(before, x), answer(after, x))


def test_what_bytes_do_not_hold_stays_as_it_is() -> None:
    kernel = np.random.default_rng(0).normal(size=(32, 16, 3, 3)).astype(np.float32)
    file = file_of(kernel)
    before = file.SerializeToString()
    store_in_bytes(file.graph)
    assert file.SerializeToString() == before
