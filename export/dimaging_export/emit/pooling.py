"""Smaller and larger: poolings and up-sampling."""

from typing import Any

from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emits, unsupported
from dimaging_export.emit.values import Value, first_value, last_value
from dimaging_export.emit.window import window


@emits(layers.MaxPooling2D, layers.AveragePooling2D)
def pooling(b: Builder, layer: Any, x: Value) -> Value:
    """A window's largest value, or the mean of those of its values that lie in the image."""
    op = "MaxPool" if isinstance(layer, layers.MaxPooling2D) else "AveragePool"
    attributes = window(layer, layer.pool_size, (1, 1), x)
    return first_value(b.node(op, b.first(x), **attributes), layer.compute_output_shape(x.shape))


@emits(layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
def global_pooling(b: Builder, layer: Any, x: Value) -> Value:
    """[B, H, W, C] -> [B, C] (or [B, 1, 1, C])."""
    kind = "Average" if isinstance(layer, layers.GlobalAveragePooling2D) else "Max"
    name = b.node(f"Global{kind}Pool", b.first(x))
    batch, channels = x.shape[0], x.shape[3]
    if layer.keepdims:
        return first_value(name, (batch, 1, 1, channels))
    return last_value(b.node("Flatten", name), (batch, channels))


@emits(layers.UpSampling2D)
def up_sampling(b: Builder, layer: Any, x: Value) -> Value:
    """Repeat pixels, or interpolate between the centres of pixels as TensorFlow does."""
    scales = b.constant([1.0, 1.0, *map(float, layer.size)], "scales")
    if layer.interpolation == "nearest":
        mode = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    elif layer.interpolation == "bilinear":
        mode = {"coordinate_transformation_mode": "half_pixel", "mode": "linear"}
    else:
        raise unsupported(layer, f"interpolates {layer.interpolation!r}, not nearest or bilinear")
    name = b.node("Resize", b.first(x), "", scales, **mode)
    return first_value(name, layer.compute_output_shape(x.shape))
