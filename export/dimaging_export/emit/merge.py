"""Two or more tensors into one: concatenation and arithmetic, in whichever layout is there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emits, emits_operation, unsupported
from dimaging_export.emit.values import FIRST, LAST, Value, axis_of

_VARIADIC = {layers.Maximum: "Max", layers.Minimum: "Min"}
_PAIRWISE = {layers.Add: "Add", layers.Multiply: "Mul", layers.Average: "Add"}
_OPERATIONS = {
    "Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div",
    "Maximum": "Max", "Minimum": "Min",
}  # fmt: skip


@emits(layers.Concatenate)
def concatenate(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """Along any axis."""
    layout, names = _common(b, layer, values)
    rank, axis = values[0].rank, layer.axis % values[0].rank
    sizes = [value.shape[axis] for value in values]
    total = None if None in sizes else sum(s for s in sizes if s is not None)
    shape = (*values[0].shape[:axis], total, *values[0].shape[axis + 1 :])
    name = b.node("Concat", *names, axis=axis_of(axis, rank, layout))
    return Value(shape, {layout: name})


@emits(layers.Add, layers.Multiply, layers.Average)
def pairwise(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """A chain of two-input nodes: those, and not the variadic Sum and Mean, have int8 kernels."""
    layout, names = _common(b, layer, values)
    total = names[0]
    for name in names[1:]:
        total = b.node(_PAIRWISE[type(layer)], total, name)
    if type(layer) is layers.Average:
        total = b.node("Mul", total, b.constant(1.0 / len(names)))
    return Value(_broadcast(values), {layout: total})


@emits(layers.Maximum, layers.Minimum)
def variadic(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """The larger or the smaller of all."""
    layout, names = _common(b, layer, values)
    return Value(_broadcast(values), {layout: b.node(_VARIADIC[type(layer)], *names)})


@emits(layers.Subtract)
def subtract(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """The first minus the second."""
    layout, names = _common(b, layer, values)
    return Value(_broadcast(values), {layout: b.node("Sub", *names)})


@emits_operation(*_OPERATIONS)
def arithmetic(b: Builder, op: Any, x: Any, y: Any) -> Value:
    """`x + y` and the like in a functional graph; either side may be a number."""
    name = _OPERATIONS[type(op).__name__]
    for number, value in ((y, x), (x, y)):
        if isinstance(value, Value) and np.size(number) == 1 and not isinstance(number, Value):
            constant = b.constant(np.float32(np.asarray(number).item()))
            return b.map(
                value, lambda n: b.node(name, *((n, constant) if value is x else (constant, n)))
            )
    if not (isinstance(x, Value) and isinstance(y, Value)):
        raise unsupported(op, "takes a constant array; make it a layer's weight")
    layout, names = _common(b, op, (x, y))
    return Value(_broadcast((x, y)), {layout: b.node(name, *names)})


def _common(b: Builder, layer: Any, values: Sequence[Value]) -> tuple[str, list[str]]:
    """One layout for all: channels first as soon as one of them has it."""
    if len({value.rank for value in values}) > 1:
        raise unsupported(layer, "merges tensors of different rank")
    first = values[0].rank == 4 and any(value.layout == FIRST for value in values)
    layout = FIRST if first else LAST
    return layout, [b.form(value, layout) for value in values]


def _broadcast(values: Sequence[Value]) -> tuple[int | None, ...]:
    def one(sizes: tuple[int | None, ...]) -> int | None:
        larger = [size for size in sizes if size != 1]
        return 1 if not larger else next((s for s in larger if s is not None), None)

    return tuple(one(sizes) for sizes in zip(*(value.shape for value in values), strict=True))
