"""Emitters of convolutions and matrix products; a scale, shift or order after them folds into the weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.nonlinear import activate
from dimaging_export.emit.table import emits
from dimaging_export.emit.values import FIRST, Affine, Value, first_value, last_value
from dimaging_export.emit.window import transpose_window, window
from dimaging_export.graph.trace import Shape

Emit = Callable[[np.ndarray, np.ndarray], Value]
"""A function that writes a product with this kernel and this bias."""


def affine(kernel: Any, bias: Any, emit: Emit) -> Value:
    """Write a product with these weights, and remember how to write it again with others.

    kernel: [..., outputs]; bias: [outputs] or None. Both are kept in float64, so that a folded
    normalisation is rounded to float32 once.
    """
    kernel = np.asarray(kernel, np.float64)
    bias = np.zeros(kernel.shape[-1]) if bias is None else np.asarray(bias, np.float64)

    def again(kernel: np.ndarray, bias: np.ndarray) -> Value:
        value = emit(np.asarray(kernel, np.float32), np.asarray(bias, np.float32))
        value.affine = Affine(kernel, bias, again)
        if value.rank == 2:
            value.reordered = value.affine.reordered
        return value

    return again(kernel, bias)


@emits(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def conv(b: Builder, layer: Any, x: Value) -> Value:
    """Write a Conv; Keras' kernel is [k, in / groups, out] or [kh, kw, in / groups, out]."""
    attributes = window(layer, layer.kernel_size, layer.dilation_rate, x)
    attributes["group"] = layer.groups
    y = convolution(b, x, layer.kernel, layer.bias, _spatial(layer, x), attributes)
    return activate(b, layer.activation, y)


@emits(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def depthwise_conv(b: Builder, layer: Any, x: Value) -> Value:
    """Write a Conv with a group for each input channel; Keras' kernel is [kh, kw, in, multiplier]."""
    return activate(b, layer.activation, _depthwise(b, layer, x, layer.kernel, layer.bias))


@emits(layers.SeparableConv1D, layers.SeparableConv2D)
def separable_conv(b: Builder, layer: Any, x: Value) -> Value:
    """Write a depthwise Conv, then a 1x1 Conv that carries the bias."""
    deep = _depthwise(b, layer, x, layer.depthwise_kernel, None)
    y = convolution(b, deep, layer.pointwise_kernel, layer.bias, deep.shape[1:-1], {})
    return activate(b, layer.activation, y)


@emits(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def conv_transpose(b: Builder, layer: Any, x: Value) -> Value:
    """Write a ConvTranspose that crops and pads to Keras' sizes; Keras' kernel is [kh, kw, out, in]."""
    attributes = transpose_window(layer)
    shape = layer.compute_output_shape(x.shape)
    source = b.first(x)

    def emit(kernel: np.ndarray, bias: np.ndarray) -> Value:
        weights = b.constant(np.moveaxis(kernel, (-2, -1), (0, 1)), "kernel")
        name = b.node("ConvTranspose", source, weights, b.constant(bias, "bias"), **attributes)
        return first_value(name, shape)

    outputs_last = np.asarray(layer.kernel).swapaxes(-1, -2)
    return activate(b, layer.activation, affine(outputs_last, layer.bias, emit))


@emits(layers.Dense)
def dense(b: Builder, layer: Any, x: Value) -> Value:
    """Write a Gemm for vectors, a Conv of width 1 for feature maps, MatMul and Add for anything else."""
    kernel = np.asarray(layer.kernel)
    if x.rank == 4 or (x.rank > 2 and x.layout == FIRST):
        wide = kernel[(None,) * (x.rank - 2)]
        y = convolution(b, x, wide, layer.bias, x.shape[1:-1], {})
        return activate(b, layer.activation, y)
    if x.order is not None and x.layout == FIRST:
        # A flattened map, channels first: the rows of the kernel move instead of the data.
        kernel = kernel[x.order]
        source = b.first(x)
    else:
        source = b.form(x, x.working)
    shape = (*x.shape[:-1], layer.units)

    def emit(kernel: np.ndarray, bias: np.ndarray) -> Value:
        weights, offset = b.constant(kernel, "kernel"), b.constant(bias, "bias")
        if x.rank == 2:
            return last_value(b.node("Gemm", source, weights, offset), shape)
        return Value(shape, {x.working: b.node("Add", b.node("MatMul", source, weights), offset)})

    return activate(b, layer.activation, affine(kernel, layer.bias, emit))


def _depthwise(b: Builder, layer: Any, x: Value, kernel: Any, bias: Any) -> Value:
    attributes = window(layer, layer.kernel_size, layer.dilation_rate, x)
    attributes["group"] = x.shape[-1]
    kernel = np.asarray(kernel).reshape(*layer.kernel_size, 1, -1)
    return convolution(b, x, kernel, bias, _spatial(layer, x), attributes)


def convolution(
    b: Builder, x: Value, kernel: Any, bias: Any, spatial: Shape, attributes: dict[str, Any]
) -> Value:
    """Write a Conv with these attributes from a kernel [..., in, out].

    spatial: height and width of its output, or its number of steps.
    """
    source = b.first(x)

    def emit(kernel: np.ndarray, bias: np.ndarray) -> Value:
        weights = b.constant(np.moveaxis(kernel, (-1, -2), (0, 1)), "kernel")
        name = b.node("Conv", source, weights, b.constant(bias, "bias"), **attributes)
        return first_value(name, (x.shape[0], *spatial, kernel.shape[-1]))

    return affine(kernel, bias, emit)


def _spatial(layer: Any, x: Value) -> Shape:
    return layer.compute_output_shape(x.shape)[1:-1]
