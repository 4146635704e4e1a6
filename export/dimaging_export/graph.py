"""What is done to a finished graph: sweep, count, measure its work, write on it what it is."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import onnx
from onnx import helper, shape_inference

from dimaging_export.errors import ExportError
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


def sort_nodes(model: onnx.ModelProto) -> None:
    """Put every node behind the ones it reads, in place; onnxruntime does not mind, the checker does."""
    graph = model.graph
    made = {name for node in graph.node for name in node.output}
    known: set[str] = set()
    waiting, ordered = list(graph.node), []
    while waiting:
        later = []
        for node in waiting:
            needs = {name for inner in _with_inner(node) for name in inner.input} & made
            if needs <= known:
                known.update(node.output)
                ordered.append(node)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise ExportError(f"graph {graph.name!r} reads in a circle at node {later[0].name!r}")
        waiting = later
    graph.ClearField("node")
    graph.node.extend(ordered)


def count(model: onnx.ModelProto) -> dict[str, int]:
    """Op type -> number of nodes, most frequent first."""
    return dict(Counter(node.op_type for node in nodes_of(model.graph)).most_common())


def annotate(model: onnx.ModelProto, facts: Mapping[str, str]) -> None:
    """Write `metadata_props` under `dimaging.`; the file says what it is without its folder."""
    helper.set_model_props(model, {f"dimaging.{key}": value for key, value in facts.items()})
    model.graph.name = facts.get("graph", model.graph.name)
    model.doc_string = facts.get("summary", "")


def with_shapes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """A copy with these input shapes, and outputs of whatever shape follows."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in (*copy.graph.input, *copy.graph.output):
        dims = tensor.type.tensor_type.shape.dim
        for axis, dim in enumerate(dims):
            if tensor.name in shapes:
                dim.dim_value = shapes[tensor.name][axis]
            elif dim.dim_param:
                dim.Clear()
    return copy


def macs(model: onnx.ModelProto) -> int | None:
    """Multiply-accumulates of one run at the model's static shapes; None where a shape is unknown."""
    known = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        tensor.name: [d.dim_value for d in tensor.type.tensor_type.shape.dim]
        for tensor in (*known.value_info, *known.input, *known.output)
    }
    shapes.update((tensor.name, list(tensor.dims)) for tensor in known.initializer)
    total = 0
    for node in nodes_of(model.graph):
        if node.op_type not in _WORK:
            continue
        data, weights = (shapes.get(name, [0]) for name in node.input[:2])
        result = shapes.get(node.output[0], [0])
        if not all([*data, *weights, *result]):
            return None
        total += _WORK[node.op_type](data, weights, result)
    return total


_WORK = {
    "Conv": lambda x, w, y: math.prod(y) * math.prod(w[1:]),
    "ConvTranspose": lambda x, w, y: math.prod(x) * math.prod(w[1:]),
    "Gemm": lambda x, w, y: math.prod(y) * x[-1],
    "MatMul": lambda x, w, y: math.prod(y) * x[-1],
}


def _with_inner(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    inner = [n for a in node.attribute if a.HasField("g") for n in nodes_of(a.g)]
    return [node, *inner]
