"""Emitters of `keras.ops` that cut, join, reorder or reduce tensors, as a functional graph holds them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import ANY, FLOATS, WHOLE, emits_operation, unsupported
from dimaging_export.emit.values import FIRST, Value, axis_of, last_value
from dimaging_export.graph.trace import Shape

_FAR = np.iinfo(np.int64).max
"""An index beyond the end of every axis."""
_REDUCTIONS = {
    "Mean": "ReduceMean", "Sum": "ReduceSum", "Max": "ReduceMax", "Min": "ReduceMin", "Prod": "ReduceProd",
}  # fmt: skip
"""Operation of `keras.ops` -> op."""
_TYPES = {
    "float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL, "uint8": TensorProto.UINT8,
}  # fmt: skip
"""Type of Keras -> that of ONNX, for keras.ops.cast."""


def shape_said_by(op: Any, *args: Any, **keywords: Any) -> Shape:
    """Return the shape that Keras itself infers for an operation of these values."""
    specs = keras.tree.map_structure(
        lambda x: keras.KerasTensor(x.shape, dtype=x.dtype) if isinstance(x, Value) else x, args
    )
    return tuple(op.compute_output_spec(*specs, **keywords).shape)


@emits_operation("GetItem", reads=ANY)
def get_item(b: Builder, op: Any, x: Value, key: Any) -> Value:
    """Write x[key]: a Slice of the axes that are cut, then the axes that vanish and those that are new."""
    keys = list(key) if isinstance(key, tuple | list) else [key]
    if any(not (k is None or k is Ellipsis or isinstance(k, int | slice)) for k in keys):
        raise unsupported(op, "takes an index that is a tensor")
    given = sum(k is not None and k is not Ellipsis for k in keys)
    place = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys[place : place + 1] = [slice(None)] * (x.rank - given)
    cuts, gone, new, axis, seen = [], [], [], 0, 0
    for k in keys:
        if k is None:
            new.append(seen)
            seen += 1
            continue
        if isinstance(k, slice):
            seen += 1
            step = k.step or 1
            start = k.start if k.start is not None else (0 if step > 0 else _FAR)
            end = k.stop if k.stop is not None else (_FAR if step > 0 else -_FAR)
            if k != slice(None):
                cuts.append((start, end, axis, step))
        else:
            cuts.append((k, k + 1 if k != -1 else _FAR, axis, 1))
            gone.append(axis)
        axis += 1
    name = b.last(x)
    if cuts:
        name = b.node("Slice", name, *(b.constant(list(part)) for part in zip(*cuts, strict=True)))
    if gone:
        name = b.node("Squeeze", name, b.constant(gone))
    if new:
        name = b.node("Unsqueeze", name, b.constant(new))
    return last_value(name, shape_said_by(op, x, key))


@emits_operation("Reshape", reads=ANY)
def reshape(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.reshape, in which one size may be free."""
    sizes = [-1 if size is None else size for size in np.atleast_1d(op.newshape).tolist()]
    if sizes.count(-1) > 1:
        raise unsupported(op, f"has more than one free dimension: {op.newshape}")
    name = b.node("Reshape", b.last(x), b.constant(sizes, "shape"))
    return last_value(name, shape_said_by(op, x))


@emits_operation("Transpose", reads=ANY)
def transpose(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.transpose."""
    order = list(op.axes) if op.axes is not None else list(range(x.rank))[::-1]
    perm = [axis % x.rank for axis in order]
    return last_value(b.node("Transpose", b.last(x), perm=perm), shape_said_by(op, x))


@emits_operation("ExpandDims", reads=ANY)
def expand_dims(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.expand_dims."""
    axes = b.constant(np.atleast_1d(np.asarray(op.axis)), "axes")
    return last_value(b.node("Unsqueeze", b.last(x), axes), shape_said_by(op, x))


@emits_operation("Squeeze", reads=ANY)
def squeeze(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.squeeze of the axes that it names, or of all that are 1."""
    named = op.axis if op.axis is not None else [i for i, size in enumerate(x.shape) if size == 1]
    axes = b.constant(np.atleast_1d(np.asarray(named)), "axes")
    return last_value(b.node("Squeeze", b.last(x), axes), shape_said_by(op, x))


@emits_operation(*_REDUCTIONS)
def reduction(b: Builder, op: Any, x: Value) -> Value:
    """Write a mean, sum, product or extreme along axes; over all of an image it reads either layout."""
    axes = range(x.rank) if op.axis is None else np.atleast_1d(op.axis).tolist()
    axes = sorted(axis % x.rank for axis in axes)
    inside = axes == list(range(1, x.rank - 1)) and x.layout == FIRST
    layout = x.working if op.keepdims or inside else "last"
    found = b.constant([axis_of(axis, x.rank, layout) for axis in axes], "axes")
    kind = _REDUCTIONS[type(op).__name__]
    name = b.node(kind, b.form(x, layout), found, keepdims=int(op.keepdims))
    return Value(shape_said_by(op, x), {layout if op.keepdims else "last": name})


@emits_operation("Argmax", "Argmin")
def arg_extreme(b: Builder, op: Any, x: Value) -> Value:
    """Write the place of the largest or smallest value along an axis, int32; of equal ones the first."""
    if op.axis is None:
        raise unsupported(op, "looks along all axes at once")
    kind = "ArgMax" if type(op).__name__ == "Argmax" else "ArgMin"
    name = b.node(kind, b.last(x), axis=op.axis % x.rank, keepdims=int(op.keepdims))
    return last_value(b.node("Cast", name, to=TensorProto.INT32), shape_said_by(op, x))


@emits_operation("Concatenate", "Stack", reads=ANY)
def join(b: Builder, op: Any, values: Sequence[Any]) -> Value:
    """Write keras.ops.concatenate or keras.ops.stack of tensors."""
    if not all(isinstance(value, Value) for value in values):
        raise unsupported(op, "joins a constant array; hold it in a layer's weight")
    shape = shape_said_by(op, list(values))
    axis, names = op.axis % len(shape), [b.last(value) for value in values]
    if type(op).__name__ == "Stack":
        names = [b.node("Unsqueeze", name, b.constant([axis])) for name in names]
    return last_value(b.node("Concat", *names, axis=axis), shape)


@emits_operation("Cast", reads=(*FLOATS, *WHOLE, "bool"))
def cast(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.cast to a type that every runtime knows."""
    if op.dtype not in _TYPES:
        raise unsupported(op, f"casts to {op.dtype}")
    return b.map(x, lambda source: b.node("Cast", source, to=_TYPES[op.dtype]))


@emits_operation("Clip")
def clip(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.clip between two numbers."""
    if np.size(op.x_min) != 1 or np.size(op.x_max) != 1:
        raise unsupported(op, "clips to arrays")
    low, high = b.constant(float(op.x_min)), b.constant(float(op.x_max))
    return b.map(x, lambda source: b.node("Clip", source, low, high))


@emits_operation("Square")
def square(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.square."""
    return b.map(x, lambda source: b.node("Mul", source, source))


@emits_operation("Power")
def power(b: Builder, op: Any, x: Any, y: Any) -> Value:
    """Write x ** y, where y is a number."""
    if not isinstance(x, Value) or isinstance(y, Value) or np.size(y) != 1:
        raise unsupported(op, "takes another power than a number")
    exponent = b.constant(float(np.asarray(y)))
    return b.map(x, lambda source: b.node("Pow", source, exponent))
