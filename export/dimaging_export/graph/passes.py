"""Passes over a finished graph: they sweep, sort and count it, measure its work and say what it is."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx import helper, shape_inference

from dimaging_export.errors import ExportError
from dimaging_export.graph.check import nodes_of


def clean(model: onnx.ModelProto) -> None:
    """Drop identities, whatever nobody reads, old shapes and unused domains; in place."""
    graph = model.graph
    outputs = {tensor.name for tensor in graph.output}
    # A loop body may read any name of the graph around it, so such a name stays.
    fixed = outputs.union(*(_reads(node) - set(node.input) for node in graph.node))
    alias: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        node.input[:] = [alias.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.output[0] not in fixed:
            alias[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    needed, alive = set(outputs), []
    for node in reversed(kept):
        if not needed.isdisjoint(node.output):
            alive.append(node)
            needed |= _reads(node)
    _replace(graph.node, alive[::-1])
    _replace(graph.initializer, [t for t in graph.initializer if t.name in needed])
    graph.ClearField("value_info")
    used = {node.domain for node in nodes_of(graph)} | {""}
    _replace(model.opset_import, [entry for entry in model.opset_import if entry.domain in used])


def sort_nodes(model: onnx.ModelProto) -> None:
    """Put every node behind the ones that it reads, as the standard asks; in place.

    Raises ExportError where nodes read each other in a circle.
    """
    graph = model.graph
    made = {name for node in graph.node for name in node.output}
    known: set[str] = set()
    waiting, ordered = list(graph.node), []
    while waiting:
        later = []
        for node in waiting:
            if _reads(node) & made <= known:
                known.update(node.output)
                ordered.append(node)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise ExportError(
                f"graph {graph.name!r} reads in a circle at node {later[0].name!r}; expected every node to "
                "read inputs, constants and outputs of other nodes before it"
            )
        waiting = later
    _replace(graph.node, ordered)


def put_first(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Put nodes ahead of those of the graph; in place."""
    _replace(graph.node, [*nodes, *graph.node])


def count(model: onnx.ModelProto) -> dict[str, int]:
    """Return op type -> number of nodes, the most frequent first."""
    return dict(Counter(node.op_type for node in nodes_of(model.graph)).most_common())


def annotate(model: onnx.ModelProto, facts: Mapping[str, str]) -> None:
    """Write `metadata_props` under `dimaging.`, so that the file says what it is without its folder."""
    helper.set_model_props(model, {f"dimaging.{key}": value for key, value in facts.items()})


def introduce(model: onnx.ModelProto, graph: str, facts: Mapping[str, Any]) -> None:
    """Say what a file is in the fields that every viewer of ONNX files shows.

    facts: a bundle's model, precision, target, paper and version. The file's version is that of the package
    which wrote it, 102 for 0.1.2.
    """
    major, minor, patch = (int(number) for number in facts["version"].split(".")[:3])
    paper = f" ({facts['paper']})" if facts["paper"] else ""
    model.domain, model.model_version = "dimaging", (100 * major + minor) * 100 + patch
    model.doc_string = (
        f"{graph} of {facts['model']}{paper}, {facts['precision']} for {facts['target']}. Written by "
        f"dimaging {facts['version']} after a comparison with Keras; ranges and figures are in its metadata."
    )


def with_shapes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Return a copy with these input shapes, and outputs of whatever shape follows."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.input:
        dims = tensor.type.tensor_type.shape.dim
        for dim, size in zip(dims, shapes[tensor.name], strict=True):
            dim.dim_value = size
    for tensor in copy.graph.output:
        for dim in tensor.type.tensor_type.shape.dim:
            dim.Clear()
    return copy


def macs(model: onnx.ModelProto) -> int | None:
    """Count the multiply-accumulates of one run at the model's static shapes; None where one is unknown."""
    known = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        tensor.name: [d.dim_value for d in tensor.type.tensor_type.shape.dim]
        for tensor in (*known.value_info, *known.input, *known.output)
    }
    shapes.update((tensor.name, list(tensor.dims)) for tensor in known.initializer)
    total = 0
    for node in nodes_of(model.graph):
        if node.op_type in _WORK:
            x, w, y = (shapes.get(name, [0]) for name in (*node.input[:2], node.output[0]))
            if not all(
                shape and all(shape) for shape in (x, w, y)
            ):  # [] where not even the rank is known
                return None
            total += _WORK[node.op_type](x, w, y)
    return total


_WORK = {
    "Conv": lambda x, w, y: math.prod(y) * math.prod(w[1:]),
    "ConvTranspose": lambda x, w, y: math.prod(x) * math.prod(w[1:]),
    "Gemm": lambda x, w, y: math.prod(y) * x[-1],
    "GRU": lambda x, w, y: math.prod(x[:2]) * math.prod(w[:2]) * (x[2] + w[1] // 3),
    "LSTM": lambda x, w, y: math.prod(x[:2]) * math.prod(w[:2]) * (x[2] + w[1] // 4),
    "RNN": lambda x, w, y: math.prod(x[:2]) * math.prod(w[:2]) * (x[2] + w[1]),
    "MatMul": lambda x, w, y: math.prod(y) * x[-1],
}
"""Op -> its multiply-accumulates, from the shapes of its input, weights and output."""


def _reads(node: onnx.NodeProto) -> set[str]:
    """Return the names of the tensors that a node, or a graph inside it, reads."""
    inner = (a.g for a in node.attribute if a.HasField("g"))
    return set(node.input).union(*(n.input for graph in inner for n in nodes_of(graph)))


def _replace(field, items: list) -> None:
    del field[:]
    field.extend(items)
