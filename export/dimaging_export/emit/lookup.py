"""Emitters that turn numbers into classes: Discretization, IntegerLookup, and whole numbers divided."""

from typing import Any

import keras
import numpy as np
from keras import layers
from onnx import TensorProto

from dimaging_export.emit.builder import ONNX_TYPES, Builder
from dimaging_export.emit.table import FLOATS, WHOLE, as_type, emits, emits_operation, unsupported
from dimaging_export.emit.tensor_ops import shape_said_by
from dimaging_export.emit.values import Value, last_value
from dimaging_export.errors import ExportError

_DIVIDED = ("int32", "int64")
"""Types of whole numbers that every runtime divides."""


@emits(layers.Discretization, reads=(*FLOATS, *WHOLE))
def discretization(b: Builder, layer: Any, x: Value) -> Value:
    """Write how many boundaries a number has reached, which is its bin."""
    if layer.bin_boundaries is None:
        raise unsupported(layer, "was not adapted to any data, and has no boundaries")
    name = b.last(as_type(b, x, "float32") if x.dtype in WHOLE else x)
    reached = _compared(b, "GreaterOrEqual", name, np.asarray(layer.bin_boundaries, np.float32))
    reached = b.node("Cast", reached, to=TensorProto.INT64)
    bins = b.node("ReduceSum", reached, b.constant([-1], "axes"), keepdims=0)
    return _encoded(b, layer, x, bins, len(layer.bin_boundaries) + 1)


@emits(layers.IntegerLookup, reads=WHOLE)
def integer_lookup(b: Builder, layer: Any, x: Value) -> Value:
    """Write the place of a number in the vocabulary; one that is not in it has the place of all others."""
    if layer.num_oov_indices != 1 or layer.invert or layer.output_mode == "tf_idf":
        raise ExportError(
            f"layer {layer.name!r} (IntegerLookup) has num_oov_indices={layer.num_oov_indices}, invert="
            f"{layer.invert}, output_mode={layer.output_mode!r}; a file holds lookups with one place for all "
            "unknown numbers: num_oov_indices=1, invert=False, and other than 'tf_idf'"
        )
    known = list(layer.get_vocabulary(include_special_tokens=False))
    masked = layer.mask_token is not None and layer.output_mode == "int"
    unknown = int(masked)
    steps = np.arange(len(known)) + 1  # from the place of the unknown
    if masked:
        known, steps = [*known, layer.mask_token], np.append(steps, -1)
    name = b.last(as_type(b, x, "int64"))
    same = _compared(b, "Equal", name, np.array(known, np.int64))
    steps = b.node("Where", same, b.constant(steps, "steps"), b.constant(0))
    places = b.node("ReduceSum", steps, b.constant([-1], "axes"), keepdims=0)
    places = b.node("Add", places, b.constant(unknown))
    return _encoded(b, layer, x, places, layer.vocabulary_size())


def _compared(b: Builder, op: str, name: str, with_each: np.ndarray) -> str:
    """Write the comparison of every number with all of a row: [...] -> [..., row]."""
    wide = b.node("Unsqueeze", name, b.constant([-1], "axes"))
    return b.node(op, wide, b.exact_constant(with_each, "row"))


def _encoded(b: Builder, layer: Any, x: Value, places: str, count: int) -> Value:
    """Write whole numbers as the layer gives them out: as they are, or as vectors of `count` classes."""
    said = layer.compute_output_spec(keras.KerasTensor(x.shape, dtype=x.dtype))
    shape, dtype = tuple(said.shape), said.dtype
    if layer.output_mode == "int":
        return last_value(b.node("Cast", places, to=ONNX_TYPES[dtype]), shape)
    hot = b.node("Cast", _compared(b, "Equal", places, np.arange(count)), to=TensorProto.FLOAT)
    if layer.output_mode == "one_hot":
        if x.rank > 1 and x.shape[-1] == 1:
            hot = b.node("Squeeze", hot, b.constant([-2], "axes"))
    elif x.rank == 2:
        kind = {"multi_hot": "ReduceMax", "count": "ReduceSum"}[layer.output_mode]
        hot = b.node(kind, hot, b.constant([-2], "axes"), keepdims=0)
    else:
        raise unsupported(layer, f"gives {layer.output_mode!r} of other than one row an example")
    return last_value(b.node("Cast", hot, to=ONNX_TYPES[dtype]), shape)


@emits_operation("FloorDivide", "Mod", reads=_DIVIDED)
def floor_division(b: Builder, op: Any, x: Any, y: Any) -> Value:
    """Write x // y or x % y of whole numbers, rounded down below 0 too, as ONNX's Div does not."""
    kind = next(value.dtype for value in (x, y) if isinstance(value, Value))
    names = []
    for value in (x, y):
        if isinstance(value, Value):
            if value.dtype != kind:
                raise unsupported(op, "divides whole numbers of two types")
            names.append(b.last(value))
        elif np.asarray(value).dtype.kind in "iu":
            names.append(b.exact_constant(np.asarray(value, kind), "number"))
        else:
            raise unsupported(op, "divides whole numbers by others")
    shape, rest = shape_said_by(op, x, y), b.node("Mod", *names)
    if type(op).__name__ == "Mod":
        return last_value(rest, shape)
    return last_value(b.node("Div", b.node("Sub", names[0], rest), names[1]), shape)
