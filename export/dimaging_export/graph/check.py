"""The check that every file must pass, whoever wrote it: ops of the standard, valid types and shapes."""

from collections.abc import Iterator

import onnx
from onnx import checker, defs, shape_inference

from dimaging_export.errors import ExportError
from dimaging_export.graph.weights import outline


def verify(model: onnx.ModelProto) -> None:
    """Raise ExportError that names the op and node which a runtime would refuse or not know."""
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    for node in nodes_of(model.graph):
        at = f"op {node.op_type!r} (node {node.name!r})"
        mend = "Replace the Keras layer it comes from, or write an emitter in dimaging_export/emit"
        if node.domain not in ("", "ai.onnx"):
            raise ExportError(
                f"{at} of the domain {node.domain!r} is outside the ONNX standard. {mend}"
            )
        if "Random" in node.op_type:
            raise ExportError(
                f"{at} draws random numbers, and a file computes its outputs from its inputs alone. Give the "
                "noise as an input, keras.Input(shape, name='noise'), or export the part that predicts"
            )
        if not _in_opset(node.op_type, opset):
            raise ExportError(
                f"{at} is not in ONNX opset {opset}: the converter did not know what to do with "
                f"it and said nothing. {mend}"
            )
    try:
        checker.check_model(
            outline(model), full_check=True
        )  # the full one infers every shape, strictly
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise ExportError(f"graph {model.graph.name!r} is not valid ONNX: {error}") from error


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graph, and those of loops and branches inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs_of(attribute.g)


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield every node, those of loops and branches included."""
    for part in graphs_of(graph):
        yield from part.node


def _in_opset(op: str, opset: int) -> bool:
    try:
        return not defs.get_schema(op, opset, "").deprecated
    except defs.SchemaError:
        return False
