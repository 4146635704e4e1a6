"""The one place where a functional Keras graph is converted to ONNX.

    direct    the graph is walked and written layer by layer (emit/): it takes a second at most, the
              channels are first inside, with one Transpose at either end
    auto      the same, and a layer outside our table is converted by tf2onnx, alone (one_layer.py)
    tf2onnx   the whole graph: slower, and wrong in ways that it does not report

Every file passes the same check (graph/check.py) before anybody sees it. The batch is free, and called
"batch", unless a shape says otherwise; a free height and width are called so.
"""

from collections.abc import Sequence
from typing import Any

import keras
import onnx
from dimaging_edge.common.errors import near
from onnx import TensorProto, helper

from dimaging_export.emit import emit_model
from dimaging_export.emit.builder import ONNX_TYPES, Builder
from dimaging_export.emit.table import as_type
from dimaging_export.emit.values import Value, last_value
from dimaging_export.errors import ExportError, Unsupported
from dimaging_export.graph import weights
from dimaging_export.graph.check import nodes_of, verify
from dimaging_export.graph.interface import Interface, interface_of, refuse_kept_states
from dimaging_export.graph.passes import clean
from dimaging_export.graph.trace import Shape, Trace, trace

OPSET = 18
"""Opset of every file: the newest that tf2onnx writes, and old enough for every runtime in `targets`."""

DIRECT = "dimaging direct"
"""`producer_name` of a file that was written layer by layer."""

MIXED = "dimaging direct, and tf2onnx for "
"""Beginning of the `producer_name` of a file with layers that took the other road; their names follow."""

CONVERTERS = ("auto", "direct", "tf2onnx")
"""What `converter` may be."""


def convert(
    graph: keras.Model, shapes: Sequence[Shape] | None = None, converter: str = "auto"
) -> onnx.ModelProto:
    """Convert a functional model; `producer_name` of the result says which converter wrote it.

    shapes: one per input in Keras' order, None where free; by default the model's own. converter:
    "direct" takes emitters alone and "tf2onnx" none; "auto" takes tf2onnx for the layers without one.
    Raises ExportError that names the layer or op which cannot be converted.
    """
    if converter not in CONVERTERS:
        raise ExportError(f"unknown converter {converter!r}; {near(converter, CONVERTERS)}")
    refuse_kept_states(graph)
    _refuse_too_large(graph, converter)
    walk = trace(graph, shapes)
    interface = interface_of(graph, walk)
    _refuse_types(graph)
    try:
        if converter == "tf2onnx":
            from dimaging_export.convert.with_tf2onnx import tf2onnx_model

            return _finish(tf2onnx_model(graph, interface, OPSET), interface)
        return _finish(_direct(graph, walk, interface, converter == "auto"), interface)
    except Unsupported as error:
        mend = "; converter='auto' hands it to tf2onnx" if converter == "direct" else ""
        raise ExportError(f"{error}{mend}") from None
    except ExportError as error:
        raise ExportError(f"graph {graph.name!r}: {error}") from error


def _direct(graph: keras.Model, walk: Trace, interface: Interface, mixed: bool) -> onnx.ModelProto:
    builder = Builder()
    if mixed:
        builder.other_road = _other_road
    values = [last_value(name, shape) for name, shape in interface.inputs]
    results = emit_model(builder, walk, values)
    taken, names = {name for name, _ in interface.inputs}, {}
    for (name, _), value, kept in zip(interface.outputs, results, walk.outputs, strict=True):
        value = value if value.dtype == kept.dtype else as_type(builder, value, kept.dtype)
        tensor = builder.last(value)
        if tensor in taken:  # an input, or one tensor under two names
            tensor = builder.node("Identity", tensor)
        taken.add(tensor)
        names[tensor] = name
    ins, outs = (
        [
            helper.make_tensor_value_info(name, ONNX_TYPES[tensor.dtype], None)
            for (name, _), tensor in zip(named, tensors, strict=True)
        ]
        for named, tensors in ((interface.inputs, walk.inputs), (interface.outputs, walk.outputs))
    )
    proto = helper.make_graph(builder.nodes, graph.name, ins, outs, builder.initializers)
    for node in nodes_of(proto):
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    opset = helper.make_opsetid("", OPSET)
    producer = MIXED + ", ".join(builder.converted) if builder.converted else DIRECT
    return helper.make_model(proto, opset_imports=[opset], producer_name=producer)


def _other_road(*args: Any) -> list[Value]:
    """Write one call by tf2onnx, which is loaded for the first layer that needs it."""
    from dimaging_export.convert.one_layer import with_opset

    return with_opset(OPSET)(*args)


def _refuse_too_large(graph: keras.Model, converter: str) -> None:
    """Raise ExportError for weights that no single ONNX file can hold, where nothing else may hold them."""
    size = weights.size_of(graph.weights)
    if not weights.make_room(size):
        raise ExportError(
            f"{weights.too_large(f'graph {graph.name!r}', size)}. Make the model smaller, or cut it into "
            "several graphs"
        )
    if converter == "tf2onnx" and size >= weights.LARGEST_FILE:
        raise ExportError(
            f"{weights.too_large(f'graph {graph.name!r}', size)}, and tf2onnx writes no other. Leave "
            "converter at 'auto'"
        )


def _refuse_types(graph: keras.Model) -> None:
    """Raise ExportError for an input whose type no bundle takes, such as text and bool."""
    for tensor in graph.inputs:
        if tensor.dtype not in ONNX_TYPES:
            raise ExportError(
                f"input {tensor.name!r} of graph {graph.name!r} holds {tensor.dtype}; a file takes numbers. "
                "Look words up outside the model, as tokens: keras.Input((T,), dtype='int32')"
            )
        if (
            tensor.dtype == "bool"
        ):  # neither a bundle's JSON nor a phone's engine has others than numbers
            raise ExportError(
                f"input {tensor.name!r} of graph {graph.name!r} holds bool; a bundle takes numbers. Take "
                "a mask as 0 and 1, keras.Input((T,), dtype='int32'), and make it one inside: "
                "keras.ops.cast(mask, 'bool')"
            )


def _finish(model: onnx.ModelProto, interface: Interface) -> onnx.ModelProto:
    """Write the interface into the file, sweep it and check it; raises ExportError for an unknown input."""
    graph = model.graph
    known = {name for name, _ in interface.inputs}
    if extra := sorted({tensor.name for tensor in graph.input} - known):
        raise ExportError(
            f"the converted graph has inputs that the model has not: {', '.join(extra)}. A layer "
            "holds a constant that became one; hold it as a weight: add_weight(trainable=False)"
        )
    types = {t.name: t.type.tensor_type.elem_type for t in (*graph.input, *graph.output)}
    for side, tensors in ((graph.input, interface.inputs), (graph.output, interface.outputs)):
        del side[:]
        for name, shape in tensors:
            dtype = types.get(name, TensorProto.FLOAT)
            side.append(helper.make_tensor_value_info(name, dtype, interface.named(name, shape)))
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import))
    clean(model)
    verify(model)
    return model
