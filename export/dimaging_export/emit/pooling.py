"""Emitters of poolings, and of repeated steps."""

from typing import Any

from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.mask import pooled
from dimaging_export.emit.table import emits, unsupported
from dimaging_export.emit.values import LAST, Value, axis_of, first_value, last_value
from dimaging_export.emit.window import window

_LARGEST = (layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)


@emits(*_LARGEST, layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)
def pooling(b: Builder, layer: Any, x: Value) -> Value:
    """Write a window's largest value, or the mean of those of its values that lie in the image."""
    largest = isinstance(layer, _LARGEST)
    op = "MaxPool" if largest else "AveragePool"
    attributes = window(layer, layer.pool_size, [1] * len(layer.pool_size), x)
    return first_value(b.node(op, b.first(x), **attributes), layer.compute_output_shape(x.shape))


_MEANS = (layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D)


@emits(*_MEANS, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D)
def global_pooling(b: Builder, layer: Any, x: Value) -> Value:
    """Write the mean or largest value of each channel: [B, H, W, C] -> [B, C] (or [B, 1, 1, C])."""
    if layer.data_format != "channels_last":
        raise unsupported(layer, "keeps its channels first, not last as the others")
    kind = "Average" if isinstance(layer, _MEANS) else "Max"
    name = b.node(f"Global{kind}Pool", b.first(x))
    batch, channels = x.shape[0], x.shape[-1]
    if layer.keepdims:
        return first_value(name, (batch, *[1] * (x.rank - 2), channels))
    return last_value(b.node("Flatten", name), (batch, channels))


@emits(layers.GlobalAveragePooling1D, keywords=("mask",))
def mean_over_time(b: Builder, layer: Any, x: Value, mask: Value | None = None) -> Value:
    """Write the mean of all steps, or of those that count: [B, T, C] -> [B, C] (or [B, 1, C])."""
    if layer.data_format != "channels_last":
        raise unsupported(layer, "keeps its channels first, not last as the others")
    if mask is not None:
        name = pooled(b, x, mask, layer.keepdims)
    else:
        name = _over_time(b, "ReduceMean", layer, x)
    return last_value(name, layer.compute_output_shape(x.shape))


@emits(layers.GlobalMaxPooling1D)
def largest_over_time(b: Builder, layer: Any, x: Value) -> Value:
    """Write the largest value of each channel: [B, T, C] -> [B, C] (or [B, 1, C])."""
    if layer.data_format != "channels_last":
        raise unsupported(layer, "keeps its channels first, not last as the others")
    name = _over_time(b, "ReduceMax", layer, x)
    return last_value(name, layer.compute_output_shape(x.shape))


def _over_time(b: Builder, op: str, layer: Any, x: Value) -> str:
    """Write a reduction in the layout that is there; the result has no time, so its layout is Keras'."""
    layout = LAST if layer.keepdims else x.layout
    axis = b.constant([axis_of(1, 3, layout)], "axes")
    return b.node(op, b.form(x, layout), axis, keepdims=int(layer.keepdims))


@emits(layers.UpSampling1D)
def repeat_steps(b: Builder, layer: Any, x: Value) -> Value:
    """Write every step `size` times."""
    scales = b.constant([1.0, 1.0, float(layer.size)], "scales")
    nearest = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    name = b.node("Resize", b.first(x), "", scales, **nearest)
    return first_value(name, layer.compute_output_shape(x.shape))


@emits(layers.UpSampling3D)
def repeat_voxels(b: Builder, layer: Any, x: Value) -> Value:
    """Write every voxel repeated along depth, height and width."""
    if layer.data_format != "channels_last":
        raise unsupported(layer, "keeps its channels first, not last as the others")
    scales = b.constant([1.0, 1.0, *map(float, layer.size)], "scales")
    nearest = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    name = b.node("Resize", b.first(x), "", scales, **nearest)
    return first_value(name, layer.compute_output_shape(x.shape))
