"""Emitters of normalisations and fixed scalings; one factor and one offset a channel fold into a product."""

from typing import Any

import numpy as np
from keras import layers
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.einsum import unit
from dimaging_export.emit.table import FLOATS, WHOLE, emits, emits_named, unsupported
from dimaging_export.emit.values import LAST, TIME, Value, axis_of, first_value, per_channel


@emits(layers.BatchNormalization, keywords=("mask",))
def batch_normalization(b: Builder, layer: Any, x: Value, mask: Value | None = None) -> Value:
    """Write (y - mean) / sqrt(variance + epsilon) * gamma + beta with the moving statistics.

    A mask tells training which steps to take statistics of, and changes nothing here.
    """
    _check_axis(layer, layer.axis, x)
    scale = 1 / np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
    if layer.scale:
        scale = scale * np.asarray(layer.gamma, np.float64)
    shift = -np.asarray(layer.moving_mean, np.float64) * scale
    if layer.center:
        shift = shift + np.asarray(layer.beta, np.float64)
    return _scale_shift(b, x, scale, shift)


@emits(layers.Rescaling, reads=(*FLOATS, *WHOLE))
def rescaling(b: Builder, layer: Any, x: Value) -> Value:
    """Write a product with a scale and the addition of an offset; each is one number or one a channel."""
    return _scale_shift(b, x, np.asarray(layer.scale, float), np.asarray(layer.offset, float))


@emits(layers.Normalization, reads=(*FLOATS, *WHOLE))
def normalization(b: Builder, layer: Any, x: Value) -> Value:
    """Write (y - mean) / sqrt(variance), with Keras' guard against a variance of 0; or its inverse."""
    mean, variance = (np.asarray(a, np.float64) for a in (layer.mean, layer.variance))
    if mean.size != 1:
        _check_axis(layer, layer.axis, x)
    deviation = np.maximum(np.sqrt(variance), 1e-7).reshape(-1)
    if layer.invert:
        return _scale_shift(b, x, deviation, mean.reshape(-1))
    return _scale_shift(b, x, 1 / deviation, -mean.reshape(-1) / deviation)


@emits(layers.LayerNormalization)
def layer_normalization(b: Builder, layer: Any, x: Value) -> Value:
    """Write a normalisation over the last axis, with the channels last."""
    _check_axis(layer, layer.axis, x)
    if getattr(layer, "rms_scaling", False):
        raise unsupported(layer, "scales by the root mean square")
    ones = np.ones([x.shape[-1] or 0])
    gamma = np.asarray(layer.gamma) if layer.scale else ones
    beta = np.asarray(layer.beta) if layer.center else 0 * ones
    layout = TIME if x.working == TIME else LAST
    name = b.node(
        "LayerNormalization", b.form(x, layout), b.constant(gamma, "gamma"), b.constant(beta, "beta"),
        axis=-1, epsilon=float(layer.epsilon),
    )  # fmt: skip
    return Value(x.shape, {layout: name})


@emits(layers.RMSNormalization)
def rms_normalization(b: Builder, layer: Any, x: Value) -> Value:
    """Write y / sqrt(mean of y^2 + epsilon) * scale over the last axis."""
    _check_axis(layer, layer.axis, x)
    layout = x.working
    name, axes = b.form(x, layout), b.constant([axis_of(-1, x.rank, layout)], "axes")
    power = b.node("ReduceMean", b.node("Mul", name, name), axes, keepdims=1)
    root = b.node("Sqrt", b.node("Add", power, b.constant(float(layer.epsilon))))
    scale = per_channel(np.asarray(layer.scale), x.rank, layout)
    name = b.node("Mul", b.node("Div", name, root), b.constant(scale, "scale"))
    return Value(x.shape, {layout: name})


@emits(layers.GroupNormalization)
def group_normalization(b: Builder, layer: Any, x: Value) -> Value:
    """Write an InstanceNormalization over the groups of channels, then a factor and an offset a channel."""
    _check_axis(layer, layer.axis, x)
    if x.rank < 3 or x.shape[-1] is None:
        raise unsupported(layer, "normalises vectors, or a free number of channels")
    groups = x.shape[-1] if layer.groups == -1 else layer.groups
    source = b.first(x)
    ones, zeros = b.constant(np.ones(groups), "ones"), b.constant(np.zeros(groups), "zeros")
    flat = b.node("Reshape", source, b.constant([0, groups, -1], "shape"))
    flat = b.node("InstanceNormalization", flat, ones, zeros, epsilon=float(layer.epsilon))
    y = first_value(b.node("Reshape", flat, b.node("Shape", source)), x.shape)
    channels = x.shape[-1]
    gamma = np.asarray(layer.gamma) if layer.scale else np.ones(channels)
    beta = np.asarray(layer.beta) if layer.center else np.zeros(channels)
    return _scale_shift(b, y, gamma, beta)


@emits(layers.UnitNormalization)
def unit_normalization(b: Builder, layer: Any, x: Value) -> Value:
    """Write y divided by its length along one axis or several."""
    layout, axes = x.working, np.atleast_1d(layer.axis).tolist()
    places = [axis_of(axis, x.rank, layout) for axis in axes]
    return Value(x.shape, {layout: unit(b, b.form(x, layout), places, 1e-12)})


@emits_named("LayerScale")
def layer_scale(b: Builder, layer: Any, x: Value) -> Value:
    """Write the product with one factor a channel of ConvNeXt, folded into the convolution before it."""
    return _scale_shift(b, x, np.asarray(layer.gamma, np.float64), np.zeros(1))


def _scale_shift(b: Builder, x: Value, scale: np.ndarray, shift: np.ndarray) -> Value:
    if x.dtype != "float32":  # bytes of an image, which become numbers here
        x = Value(x.shape, {LAST: b.node("Cast", b.last(x), to=TensorProto.FLOAT)})
    if x.affine is not None and x.uses == 1:
        return x.affine.scaled(scale, shift)
    layout = x.working
    name = b.form(x, layout)
    if np.any(scale != 1):
        name = b.node("Mul", name, b.constant(per_channel(scale, x.rank, layout), "scale"))
    if np.any(shift != 0):
        name = b.node("Add", name, b.constant(per_channel(shift, x.rank, layout), "shift"))
    return Value(x.shape, {layout: name})


def _check_axis(layer: Any, axis: Any, x: Value) -> None:
    axes = [axis] if isinstance(axis, int) else list(axis or ())
    if [a % x.rank for a in axes] != [x.rank - 1]:
        raise unsupported(layer, f"normalises axis {axis}, not the last one")
