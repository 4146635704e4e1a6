"""Emitters of products over chosen axes: EinsumDense, Dot and keras.ops.matmul."""

import math
from typing import Any

import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.nonlinear import activate
from dimaging_export.emit.table import emits, emits_operation, unsupported
from dimaging_export.emit.tensor_ops import shape_said_by
from dimaging_export.emit.values import Value, last_value


@emits(layers.EinsumDense)
def einsum_dense(b: Builder, layer: Any, x: Value) -> Value:
    """Write a MatMul where the last axes are those that are summed, which int8 knows, and else an Einsum."""
    shape, kernel = tuple(layer.compute_output_shape(x.shape)), np.asarray(layer.kernel)
    summed = _summed_at_the_end(layer.equation, x.rank)
    if summed:
        made = kernel.shape[summed:]
        source = b.last(x)
        if summed > 1:
            source = _reshaped(b, source, x.rank - summed, [math.prod(kernel.shape[:summed])])
        flat = kernel.reshape(-1, math.prod(made))
        name = b.node("MatMul", source, b.constant(flat, "kernel"))
        name = name if len(made) == 1 else _reshaped(b, name, x.rank - summed, list(made))
    else:
        name = b.node("Einsum", b.last(x), b.constant(kernel, "kernel"), equation=layer.equation)
    if layer.bias is not None:
        name = b.node("Add", name, b.constant(np.asarray(layer.bias), "bias"))
    return activate(b, layer.activation, last_value(name, shape))


def _summed_at_the_end(equation: str, rank: int) -> int:
    """Return how many last axes of the input are the kernel's first ones, and summed; 0 for others."""
    sides = equation.replace(" ", "").split("->")
    x, kernel = sides[0].split(",")
    y = sides[1]
    x, y = x.removeprefix("..."), y.removeprefix("...")
    for count in range(1, min(len(x), len(kernel))):
        if x[-count:] == kernel[:count] and x[:-count] + kernel[count:] == y:
            return count
    if len(kernel) > 1 and kernel.startswith(x) and kernel[len(x) :] == y and rank > len(x):
        return len(x)
    return 0


def _reshaped(b: Builder, name: str, kept: int, sizes: list[int]) -> str:
    return b.node("Reshape", name, b.constant([0] * kept + sizes, "shape"))


@emits(layers.Dot)
def dot(b: Builder, layer: Any, values: list[Value]) -> Value:
    """Write the products of two vectors, or of two sequences, of each example; perhaps of length 1."""
    x, y = values
    axes = [layer.axes] * 2 if isinstance(layer.axes, int) else list(layer.axes)
    ranks = {x.rank, y.rank}
    if ranks not in ({2}, {3}):
        raise unsupported(layer, "multiplies tensors that are not both vectors or both sequences")
    first, second = axes[0] % x.rank, axes[1] % y.rank
    names = [b.last(x), b.last(y)]
    if layer.normalize:
        names = [unit(b, n, axis, 1e-7) for n, axis in zip(names, (first, second), strict=True)]
    shape = tuple(layer.compute_output_shape([x.shape, y.shape]))
    if x.rank == 2:
        product = b.node("Mul", *names)
        return last_value(b.node("ReduceSum", product, b.constant([1]), keepdims=1), shape)
    if first == 1:
        names[0] = b.node("Transpose", names[0], perm=[0, 2, 1])
    if second == 2:
        names[1] = b.node("Transpose", names[1], perm=[0, 2, 1])
    return last_value(b.node("MatMul", *names), shape)


def unit(b: Builder, name: str, axis: Any, epsilon: float) -> str:
    """Write a tensor divided by its length along an axis, or several; a length below epsilon counts as it."""
    axes = b.constant(np.atleast_1d(np.asarray(axis)), "axes")
    length = b.node("ReduceL2", name, axes, keepdims=1)
    return b.node("Div", name, b.node("Max", length, b.constant(epsilon)))


@emits_operation("Matmul")
def matmul(b: Builder, op: Any, x: Any, y: Any) -> Value:
    """Write keras.ops.matmul, `x @ y`; one of them may be a constant."""
    names = [b.last(v) if isinstance(v, Value) else b.constant(v, "matrix") for v in (x, y)]
    return last_value(b.node("MatMul", *names), shape_said_by(op, x, y))
