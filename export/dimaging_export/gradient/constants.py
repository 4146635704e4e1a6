"""Values of a graph that do not follow from its image: those that it stores, and what nodes make of them.

A kernel in float16 behind a Cast, a weight that is the product of a direction and a length, a bound of a
Clip that a Constant holds as a plain number: all of them are as constant as an initializer.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from dimaging_export.gradient.straight_through import dequantised
from dimaging_export.gradient.table import Node

_RANDOM = ("Random", "Bernoulli", "Multinomial", "Dropout")
"""Beginnings of the names of operators that may draw."""
_MOST = 2**26
"""Values that a computed constant may have: a quarter of a gigabyte in float32."""


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return tensor -> value of every initializer, and of all that nodes compute of constants alone."""
    graph = model.graph
    given = {tensor.name for tensor in graph.input}
    values = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.name not in given
    }
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type.startswith(_RANDOM):
            continue
        if all(name in values or not name for name in node.input) and not _has_graph(node):
            values.update(_computed(node, values, model))
    return values


def _computed(
    node: onnx.NodeProto, values: dict[str, np.ndarray], model: onnx.ModelProto
) -> dict[str, np.ndarray]:
    """Return output -> value of a node whose inputs are all known; {} where it cannot be computed here."""
    if node.op_type == "Constant" and node.attribute[0].name == "value":
        return {node.output[0]: numpy_helper.to_array(node.attribute[0].t)}
    if node.op_type == "DequantizeLinear":
        return {node.output[0]: dequantised(Node.of(node), values)}
    feed = {name: values[name] for name in node.input if name}
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in feed.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    alone = helper.make_model(
        helper.make_graph([node], "constant", inputs, outputs),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    try:
        found = ReferenceEvaluator(alone).run(None, feed)
    except (
        Exception
    ):  # of an operator that onnx's own evaluator lacks; it raises half a dozen types
        return {}
    arrays = dict(zip((tensor.name for tensor in outputs), found, strict=True))
    if not all(isinstance(a, np.ndarray | np.generic) and a.size <= _MOST for a in arrays.values()):
        return {}
    return {name: np.asarray(array) for name, array in arrays.items()}


def _has_graph(node: onnx.NodeProto) -> bool:
    return any(attribute.HasField("g") for attribute in node.attribute)
