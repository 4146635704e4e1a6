"""The road of a single layer that has no emitter: tf2onnx converts it alone, into the file of all the others.

The nodes and names of that small file get the prefix `<layer>/tf2onnx/`, its constants join those of the
file, and it reads and gives tensors as Keras sees them. So every other layer keeps its emitter, and what
follows (int8, folding, layouts) works for them as if this layer were one of the table.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import onnx
import tensorflow as tf
from onnx import compose, helper

from dimaging_export.convert.with_tf2onnx import convert_function
from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import as_type
from dimaging_export.emit.values import LAST, Value
from dimaging_export.errors import ExportError, first_line
from dimaging_export.graph import weights
from dimaging_export.graph.check import verify
from dimaging_export.graph.passes import clean
from dimaging_export.graph.trace import Call
from dimaging_export.graph.weights import size_of, to_array, too_large


def with_opset(opset: int) -> Callable[..., list[Value]]:
    """Return what a `Builder` takes as `other_road`: it writes one call by tf2onnx, in this opset."""

    def other_road(
        b: Builder, call: Call, value_of: Callable[[Any], Any], reason: str
    ) -> list[Value]:
        tensors, outputs = _tensors(call), keras.tree.flatten(call.output)
        values = [value_of(tensor) for tensor in tensors]
        kinds, made = _types(tensors, values, outputs)
        try:
            model = _converted(call, tensors, kinds, made, opset)
        except ExportError as error:
            raise ExportError(f"{reason}, and {error}") from error
        b.converted.append(f"{'/'.join(b.scope)} ({type(call.op).__name__})")
        read = [
            x if x.dtype == kind else as_type(b, x, kind)
            for x, kind in zip(values, kinds, strict=True)
        ]
        names = _spliced(b, model, [b.last(x) for x in read])
        return [
            Value(tuple(y.shape), {LAST: name}, dtype=kind)
            for name, y, kind in zip(names, outputs, made, strict=True)
        ]

    return other_road


def _types(tensors: list, values: list[Value], outputs: list) -> tuple[list[str], list[str]]:
    """Return the types that a call reads and gives: Keras', or float32 for float64 that the file has so."""
    short = [
        x.dtype == "float32" and tensor.dtype == "float64"
        for x, tensor in zip(values, tensors, strict=True)
    ]
    kinds = [
        "float32" if is_short else tensor.dtype
        for is_short, tensor in zip(short, tensors, strict=True)
    ]
    made = ["float32" if any(short) and y.dtype == "float64" else y.dtype for y in outputs]
    return kinds, made


def _tensors(call: Call) -> list[keras.KerasTensor]:
    """Return the tensors that a call reads, each once."""
    values = keras.tree.flatten((call.args, call.kwargs))
    return list({id(x): x for x in values if isinstance(x, keras.KerasTensor)}.values())


def _converted(
    call: Call, tensors: list[keras.KerasTensor], kinds: list[str], made: list[str], opset: int
) -> onnx.ModelProto:
    """Return a file of this call alone, checked; ExportError that says why there is none.

    kinds, made: types of the tensors that it reads and gives.
    """
    for tensor in (*tensors, *keras.tree.flatten(call.output)):
        if tensor.dtype == "string":
            raise ExportError("tf2onnx writes no strings")
    if (size := size_of(getattr(call.op, "weights", None) or ())) >= weights.LARGEST_FILE:
        raise ExportError(f"{too_large('the layer', size)}, and tf2onnx writes no other")
    signature = [
        tf.TensorSpec(tensor.shape, kind, name=f"input_{i}")
        for i, (tensor, kind) in enumerate(zip(tensors, kinds, strict=True))
    ]

    @tf.function(input_signature=signature, autograph=False)
    def run(*inputs):
        known = {id(tensor): x for tensor, x in zip(tensors, inputs, strict=True)}
        args, kwargs = keras.tree.map_structure(
            lambda x: known.get(id(x), x), (call.args, call.kwargs)
        )
        _set_masks(call.op, args, kwargs)
        outputs = keras.tree.flatten(call.op(*args, **kwargs))
        # Keras calls some outputs float32 that are bytes when it runs, as of a pooling of bytes.
        return [tf.identity(tf.cast(y, kind)) for y, kind in zip(outputs, made, strict=True)]

    ins = [f"in_{i}" for i in range(len(tensors))]
    outs = [f"out_{i}" for i in range(len(keras.tree.flatten(call.output)))]
    try:
        function = run.get_concrete_function()
        model = convert_function(function, ins, outs, opset)
    except Exception as error:  # whatever Keras, TensorFlow or tf2onnx stumble over
        raise ExportError(f"tf2onnx cannot convert it: {first_line(error)}") from error
    for tensor, found in zip(keras.tree.flatten(call.output), function.outputs, strict=True):
        if not found.shape.is_compatible_with(tensor.shape):
            raise ExportError(
                f"it says that it gives {list(tensor.shape)}, and predicts {found.shape.as_list()}"
            )
    _refuse_captured(model, ins)
    clean(model)
    verify(model)
    return model


def _set_masks(op: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Predict, and give each tensor the mask that Keras' graph gave it: some layers read it from there."""
    if not isinstance(op, keras.layers.Layer):
        return
    parameters = inspect.signature(op.call).parameters
    if "training" in parameters:
        kwargs["training"] = False
    bound = {**dict(zip(parameters, args, strict=False)), **kwargs}
    for name, mask in kwargs.items():
        tensor = bound.get(name.removesuffix("_mask")) if name.endswith("_mask") else None
        if mask is not None and tensor is not None:
            tensor._keras_mask = mask


def _refuse_captured(model: onnx.ModelProto, known: list[str]) -> None:
    if extra := sorted({tensor.name for tensor in model.graph.input} - set(known)):
        raise ExportError(
            f"the converted layer has inputs that it has not in Keras: {', '.join(extra)}. It holds a "
            "constant that became one; hold it as a weight: add_weight(trainable=False)"
        )


def _spliced(b: Builder, model: onnx.ModelProto, inputs: list[str]) -> list[str]:
    """Write the nodes of a small file into the builder's; returns the names of its outputs there."""
    prefix = b.name("tf2onnx") + "/"
    graph = compose.add_prefix_graph(model.graph, prefix)
    for tensor, source in zip(model.graph.input, inputs, strict=True):
        b.nodes.append(helper.make_node("Identity", [source], [prefix + tensor.name]))
    for tensor in graph.initializer:
        shared = b.exact_constant(to_array(tensor))
        b.nodes.append(helper.make_node("Identity", [shared], [tensor.name]))
    b.nodes.extend(graph.node)
    return [tensor.name for tensor in graph.output]
