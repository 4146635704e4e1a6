"""What is done to a finished graph: sweep, count, measure its work, write on it what it is."""

from collections import Counter
from collections.abc import Mapping

import onnx
from onnx import helper, numpy_helper

from dimaging_export.verify import nodes_of


def clean(model: onnx.ModelProto) -> None:
    """Drop identities, nodes and constants that nobody reads, and stale shapes; in place."""
    graph = model.graph
    outputs = {tensor.name for tensor in graph.output}
    alias: dict[str, str] = {}
    for node in list(graph.node):
        node.input[:] = [alias.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.output[0] not in outputs:
            alias[node.output[0]] = node.input[0]
            graph.node.remove(node)
    needed = set(outputs)
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(name for inner in _with_inner(node) for name in inner.input)
    for tensor in list(graph.initializer):
        if tensor.name not in needed:
            graph.initializer.remove(tensor)
    graph.ClearField("value_info")
    used = {node.domain for node in nodes_of(graph)} | {""}
    for entry in list(model.opset_import):
        if entry.domain not in used:
            model.opset_import.remove(entry)


def count(model: onnx.ModelProto) -> dict[str, int]:
    """Op type -> number of nodes, most frequent first."""
    return dict(Counter(node.op_type for node in nodes_of(model.graph)).most_common())


def annotate(model: onnx.ModelProto, facts: Mapping[str, str]) -> None:
    """Write `metadata_props` under `dimaging.`; the file says what it is without its folder."""
    helper.set_model_props(model, {f"dimaging.{key}": value for key, value in facts.items()})
    model.graph.name = facts.get("graph", model.graph.name)
    model.doc_string = facts.get("summary", "")


def initializers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Constants by name."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def array(tensor: onnx.TensorProto):
    """The constant as a numpy array."""
    return numpy_helper.to_array(tensor)


def _with_inner(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    inner = [n for a in node.attribute if a.HasField("g") for n in nodes_of(a.g)]
    return [node, *inner]
