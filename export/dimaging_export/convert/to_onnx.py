"""The one place where a functional Keras graph is converted to ONNX.

    direct    the graph is walked and written layer by layer (emit/): it takes a second at most, the
              channels are first inside, with one Transpose at either end
    tf2onnx   for a graph with a layer outside our table: slower, and wrong in ways that it does
              not report

Either file passes the same check (graph/check.py) before anybody sees it. The batch is free, and called
"batch", unless a shape says otherwise; a free height and width are called so.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import onnx
from dimaging_edge.common.errors import near
from onnx import TensorProto, helper

from dimaging_export.emit import emit_model
from dimaging_export.emit.builder import Builder
from dimaging_export.emit.values import last_value
from dimaging_export.errors import ExportError, Unsupported
from dimaging_export.graph.check import verify
from dimaging_export.graph.interface import Interface, interface_of, refuse_kept_states
from dimaging_export.graph.passes import clean
from dimaging_export.graph.trace import Shape, Trace, trace
from dimaging_tf.layers.lstm import SlideLSTM

OPSET = 18
"""Opset of every file: the newest that tf2onnx writes, and old enough for every runtime in `targets`."""

DIRECT = "dimaging direct"
"""`producer_name` of a file that was written layer by layer."""

_TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}
"""Type of a Keras input -> that of ONNX."""

LARGEST_FILE = 2**31 - 2**20
"""Bytes of weights that one ONNX file can hold: protobuf ends at 2 GiB, and the graph needs some of it."""

CONVERTERS = ("auto", "direct", "tf2onnx")
"""What `converter` may be."""


def convert(
    graph: keras.Model, shapes: Sequence[Shape] | None = None, converter: str = "auto"
) -> onnx.ModelProto:
    """Convert a functional model; `producer_name` of the result says which converter wrote it.

    shapes: one per input in Keras' order, None where free; by default the model's own. converter:
    "direct" and "tf2onnx" insist on one of them; "auto" takes tf2onnx where a layer has no emitter.
    Raises ExportError that names the layer or op which cannot be converted.
    """
    if converter not in CONVERTERS:
        raise ExportError(f"unknown converter {converter!r}; {near(converter, CONVERTERS)}")
    refuse_kept_states(graph)
    _refuse_too_large(graph)
    walk = trace(graph, shapes)
    interface = interface_of(graph, walk)
    reason = ""
    if converter != "tf2onnx":
        try:
            return _finish(_direct(graph, walk, interface), interface)
        except Unsupported as error:
            if converter == "direct":
                raise ExportError(f"{error}; converter='auto' hands it to tf2onnx") from None
            reason = f"{error}, and "
    from dimaging_export.convert.with_tf2onnx import tf2onnx_model

    try:
        return _finish(tf2onnx_model(graph, interface, OPSET), interface)
    except ExportError as error:
        raise ExportError(f"graph {graph.name!r}: {reason}{error}") from error


def _direct(graph: keras.Model, walk: Trace, interface: Interface) -> onnx.ModelProto:
    _check_types(graph, walk)
    builder = Builder()
    values = [
        last_value(_as_tokens(builder, walk, name, tensor), shape)
        for (name, shape), tensor in zip(interface.inputs, walk.inputs, strict=True)
    ]
    results = emit_model(builder, walk, values)
    taken, names = {name for name, _ in interface.inputs}, {}
    for (name, _), value in zip(interface.outputs, results, strict=True):
        tensor = builder.last(value)
        if tensor in taken:  # an input, or one tensor under two names
            tensor = builder.node("Identity", tensor)
        taken.add(tensor)
        names[tensor] = name
    for node in builder.nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    inputs = [
        helper.make_tensor_value_info(name, _TYPES[tensor.dtype], None)
        for (name, _), tensor in zip(interface.inputs, graph.inputs, strict=True)
    ]
    proto = helper.make_graph(builder.nodes, graph.name, inputs, [], builder.initializers)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(proto, opset_imports=[opset], producer_name=DIRECT)


def _takes_tokens(op: Any) -> bool:
    return isinstance(op, keras.layers.Embedding | SlideLSTM) or type(op).__name__ == "NotEqual"


def _refuse_too_large(graph: keras.Model) -> None:
    """Raise ExportError for weights that no single ONNX file can hold."""
    size = sum(math.prod(w.shape) * np.dtype(w.dtype).itemsize for w in graph.weights)
    if size >= LARGEST_FILE:
        raise ExportError(
            f"the weights of graph {graph.name!r} take {size / 2**30:.2f} GiB; one ONNX file holds less "
            f"than {LARGEST_FILE / 2**30:.0f} GiB. Make the model smaller, or cut it into several graphs"
        )


def _as_tokens(builder: Builder, walk: Trace, name: str, tensor: keras.KerasTensor) -> str:
    """Return the tensor that layers read for an input: whole numbers for an Embedding behind a float input.

    keras.Input((T,)) without a dtype is float32, and Keras cuts the fraction off where it looks words up.
    """
    looked_up = any(isinstance(reader, keras.layers.Embedding) for reader in _readers(walk, tensor))
    if tensor.dtype != "float32" or not looked_up or not _only_words(walk, tensor):
        return name
    return builder.node("Cast", name, to=TensorProto.INT32)


def _only_words(walk: Trace, tensor: keras.KerasTensor) -> bool:
    """Return whether every layer that reads an input can look words up in a table."""
    return all(_takes_tokens(reader) for reader in _readers(walk, tensor))


def _readers(walk: Trace, tensor: keras.KerasTensor) -> list[Any]:
    """Return the layers and operations that read a tensor."""
    return [c.op for c in walk.calls if any(x is tensor for x in keras.tree.flatten(c.args))]


def _check_types(graph: keras.Model, walk: Trace) -> None:
    """Raise Unsupported for an input that is neither float32 nor int32 for words that are looked up."""
    for tensor, given in zip(walk.inputs, graph.inputs, strict=True):
        words = tensor.dtype == "int32" and _only_words(walk, tensor)
        if tensor.dtype != "float32" and not words:
            raise Unsupported(
                f"input {given.name!r} is {tensor.dtype}, emitters know float32, and int32 for an Embedding"
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
