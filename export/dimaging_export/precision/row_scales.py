"""int8 of matrix products with a scale for every row, so that no answer depends on who shares its batch.

    x [.., K] -> r = largest |x| of the row -> x / r in [-1, 1] -> u8 -> product with s8 weights -> times r

The usual dynamic quantisation takes one scale for the whole batch, so that one large row makes the others
coarse (microsoft/onnxruntime#10111). Here the scale of the bytes is fixed, 1/126 of the row's own largest
value: 127 would look saturated to the gradient, which passes where no byte is at an end. onnxruntime runs the
two dequantised tensors and their MatMul as one product of whole numbers.
"""

from typing import Any

import numpy as np
import onnx
from onnx import helper

from dimaging_export.graph.weights import to_array, to_tensor

_SMALLEST = 1e-20
"""What a row of zeros is divided by."""
_HALF = 64
"""Weights lie between its negative and it: AVX2 without VNNI saturates the sums of full-range products."""


def quantize_products(model: onnx.ModelProto) -> list[str]:
    """Give every MatMul with constant weights [K, N] bytes and a scale a row, in place; returns their names.

    Products of two tensors, such as those of attention, stay float32: they have no weights to store.
    """
    graph = model.graph
    weights = {t.name: t for t in graph.initializer if len(t.dims) == 2}
    nodes, written, constants = [], [], _Constants(graph)
    for node in graph.node:
        weight = weights.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or weight.data_type != onnx.TensorProto.FLOAT:
            nodes.append(node)
            continue
        nodes += _product(node, to_array(weight), constants)
        written.append(node.name)
    del graph.node[:]
    graph.node.extend(nodes)
    return written


class _Constants:
    """Initializers of a graph, added once for each name."""

    def __init__(self, graph: onnx.GraphProto):
        self.graph, self.known = graph, {t.name for t in graph.initializer}

    def add(self, name: str, array: np.ndarray) -> str:
        if name not in self.known:
            self.graph.initializer.append(to_tensor(array, name))
            self.known.add(name)
        return name


def _product(
    node: onnx.NodeProto, weight: np.ndarray, constants: _Constants
) -> list[onnx.NodeProto]:
    """Return the nodes of one product; the weights of a shared one are stored once."""
    x, w, y, at = node.input[0], node.input[1], node.output[0], node.name
    scale = np.maximum(np.abs(weight).max(axis=0) / _HALF, np.finfo(np.float32).tiny)
    scale = scale.astype(np.float32)
    whole = np.clip(np.rint(weight / scale), -_HALF, _HALF).astype(np.int8)
    stored = constants.add(f"{w}/bytes", whole)
    scales = constants.add(f"{w}/scale", scale)
    zeros = constants.add(f"{w}/zero", np.zeros(scale.shape, np.int8))
    step = constants.add("row/step", np.array(1 / 126, np.float32))
    middle = constants.add("row/middle", np.array(128, np.uint8))
    last = constants.add("row/last", np.array([-1], np.int64))
    least = constants.add("row/least", np.array(_SMALLEST, np.float32))
    n = {part: f"{at}/{part}" for part in "abs top size unit byte real weight product".split()}
    return [
        _node("Abs", [x], n["abs"]),
        _node("ReduceMax", [n["abs"], last], n["top"], keepdims=1),
        _node("Max", [n["top"], least], n["size"]),
        _node("Div", [x, n["size"]], n["unit"]),
        _node("QuantizeLinear", [n["unit"], step, middle], n["byte"]),
        _node("DequantizeLinear", [n["byte"], step, middle], n["real"]),
        _node("DequantizeLinear", [stored, scales, zeros], n["weight"], axis=1),
        _node("MatMul", [n["real"], n["weight"]], n["product"]),
        helper.make_node("Mul", [n["product"], n["size"]], [y], name=at),
    ]


def _node(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, [output], name=output, **attributes)
