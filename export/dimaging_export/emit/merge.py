"""Emitters that make one tensor of several: concatenation and arithmetic, in whichever layout is there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import ANY, emits, emits_operation, unsupported
from dimaging_export.emit.values import FIRST, LAST, TIME, Value, axis_of, last_value, per_channel
from dimaging_export.graph.trace import Shape

# Chains of two-input nodes: those, and not the variadic Sum and Mean, have int8 kernels.
_LAYERS = {
    layers.Add: "Add", layers.Multiply: "Mul", layers.Average: "Add",
    layers.Subtract: "Sub", layers.Maximum: "Max", layers.Minimum: "Min",
}  # fmt: skip
"""Layer class -> op that merges two of its inputs."""
_OPERATIONS = {
    "Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div",
    "Maximum": "Max", "Minimum": "Min",
}  # fmt: skip
"""Operation of `keras.ops` -> op."""


@emits(layers.Concatenate, reads=ANY)
def concatenate(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """Write a concatenation along any axis."""
    layout, names = _common(b, layer, values)
    shape, axis = list(values[0].shape), layer.axis % values[0].rank
    sizes = [value.shape[axis] for value in values]
    shape[axis] = None if None in sizes else sum(size for size in sizes if size is not None)
    name = b.node("Concat", *names, axis=axis_of(axis, len(shape), layout))
    return Value(tuple(shape), {layout: name})


@emits(*_LAYERS)
def merge(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """Write a sum, product, mean or the like, elementwise, from the first tensor to the last."""
    layout, names = _common(b, layer, values)
    total = names[0]
    for name in names[1:]:
        total = b.node(_LAYERS[type(layer)], total, name)
    if type(layer) is layers.Average:
        total = b.node("Mul", total, b.constant(1.0 / len(names)))
    return Value(_broadcast(values), {layout: total})


@emits_operation(*_OPERATIONS)
def arithmetic(b: Builder, op: Any, x: Any, y: Any) -> Value:
    """Write `x + y` and the like of a functional graph; either side may be a number."""
    name = _OPERATIONS[type(op).__name__]
    if isinstance(x, Value) and isinstance(y, Value):
        layout, names = _common(b, op, (x, y))
        return Value(_broadcast((x, y)), {layout: b.node(name, *names)})
    number = np.asarray(y if isinstance(x, Value) else x)
    value = x if isinstance(x, Value) else y
    if number.size != 1:
        return _with_array(b, op, name, value, number, value is x)
    constant = b.constant(per_channel(np.asarray(number), value.rank, LAST))
    if value is x:
        return b.map(x, lambda source: b.node(name, source, constant))
    return b.map(y, lambda source: b.node(name, constant, source))


def _with_array(
    b: Builder, op: Any, name: str, value: Value, array: np.ndarray, value_first: bool
) -> Value:
    """Write the arithmetic of a tensor and a constant array, such as the places of tokens, channels last."""
    if array.ndim > value.rank or array.dtype.kind not in "fiu":
        raise unsupported(op, "takes a constant array of more axes, or of no numbers")
    wide = array.reshape((1,) * (value.rank - array.ndim) + array.shape).astype(np.float32)
    names = [b.last(value), b.constant(wide)]
    shape = _broadcast((value, Value(wide.shape)))
    return last_value(b.node(name, *(names if value_first else names[::-1])), shape)


def _common(b: Builder, layer: Any, values: Sequence[Value]) -> tuple[str, list[str]]:
    """Return one layout, and all tensors in it: channels first, or time first, as soon as one has it."""
    if len({value.rank for value in values}) > 1:
        raise unsupported(layer, "merges tensors of different rank")
    found = {value.working for value in values}
    layout = next((layout for layout in (FIRST, TIME) if layout in found), LAST)
    return layout, [b.form(value, layout) for value in values]


def _broadcast(values: Sequence[Value]) -> Shape:
    """Return the shape of the result: an axis has the size that is not 1, and is free where that is."""
    return tuple(
        next((size for size in sizes if size != 1), 1)
        for sizes in zip(*(value.shape for value in values), strict=True)
    )
