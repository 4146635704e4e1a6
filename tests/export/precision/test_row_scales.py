"""int8 of matrix products: an answer does not depend on the rows beside it in the batch."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from dimaging_export.convert.to_onnx import convert
from dimaging_export.graph.passes import count
from dimaging_export.precision.reduced import change_precision
from keras import layers as L


def attended(x):
    return L.Dense(8)(L.Flatten()(x + L.MultiHeadAttention(2, 4)(x, x)))


def shared(x):
    dense = L.Dense(20, activation="relu")
    return L.Dense(3)(dense(dense(x)))


NETS = {
    "dense": ((20,), lambda x: L.Dense(3)(L.Dense(64, activation="relu")(x))),
    "shared": ((20,), shared),
    "attention": ((7, 8), attended),
    "each step": ((7, 8), lambda x: L.Dense(3)(L.Dense(16)(x))),
}


def rows(shape):
    """Eight rows: one is a thousand times as large as the others, and one holds zeros."""
    x = np.random.default_rng(0).standard_normal((8, *shape)).astype(np.float32)
    x[0] *= 1000
    x[3] = 0
    return x


@pytest.mark.parametrize("net", NETS)
def test_a_row_alone_is_the_row_in_a_batch(net, run):
    keras.utils.set_random_seed(0)
    shape, make = NETS[net]
    x = keras.Input(shape, name="x")
    model = keras.Model(x, {"y": make(x)})
    small, given = change_precision(convert(model), "int8", []), rows(shape)
    together = run(small, x=given)["y"]
    alone = np.concatenate([run(small, x=row[None])["y"] for row in given])
    np.testing.assert_array_equal(together, alone)
    wanted = np.asarray(model(given)["y"])
    noise, signal = np.square(together - wanted)[1:].sum(), np.square(wanted)[1:].sum()
    assert 10 * np.log10(signal / noise) > 30


def test_onnxruntime_multiplies_whole_numbers(tmp_path):
    keras.utils.set_random_seed(0)
    x = keras.Input((20,), name="x")
    model = keras.Model(x, {"y": L.Dense(3)(L.Dense(64, activation="relu")(x))})
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    small = change_precision(convert(model), "int8", [])
    onnxruntime.InferenceSession(
        small.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    nodes = count(onnx.load(tmp_path / "optimised.onnx"))
    assert nodes["MatMulIntegerToFloat"] == 2
