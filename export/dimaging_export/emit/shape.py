"""Layers that move, cut or keep elements, and those that do something in training alone."""

import math
from typing import Any

import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emits, unsupported
from dimaging_export.emit.values import FIRST, LAST, Value, axis_of, last_value

_END = np.iinfo(np.int64).max


@emits(
    layers.Identity, layers.Dropout, layers.SpatialDropout2D, layers.AlphaDropout,
    layers.GaussianDropout, layers.GaussianNoise, layers.ActivityRegularization,
    layers.RandomFlip, layers.RandomRotation, layers.RandomTranslation, layers.RandomZoom,
    layers.RandomContrast, layers.RandomBrightness,
)  # fmt: skip
def identity(b: Builder, layer: Any, x: Value) -> Value:
    """Nothing at inference."""
    return x


@emits(layers.Flatten)
def flatten(b: Builder, layer: Any, x: Value) -> Value:
    """[B, ...] -> [B, D]; a feature map is flattened in the order in which its reader wants it."""
    sizes = [size for size in x.shape[1:] if size is not None]
    known = len(sizes) == x.rank - 1
    value = Value((x.shape[0], math.prod(sizes) if known else None))
    value.makers[LAST] = b.later(lambda: b.node("Flatten", b.last(x)))
    if x.rank == 4 and x.layout == FIRST and known:
        value.makers[FIRST] = b.later(lambda: b.node("Flatten", b.first(x)))
        value.order = channels_first_order(*sizes)
    return value


@emits(layers.Reshape)
def reshape(b: Builder, layer: Any, x: Value) -> Value:
    """A vector becomes a map in either layout, where a Dense layer can reorder its outputs."""
    shape = tuple(layer.compute_output_shape(x.shape))
    if shape[1:].count(None) > 1:
        raise unsupported(layer, f"has more than one free dimension: {shape}")

    def emit(source: str, target: tuple) -> str:
        sizes = [0, *(-1 if size is None else size for size in target)]
        return b.node("Reshape", source, b.constant(sizes, "shape"))

    value = Value(shape)
    value.makers[LAST] = b.later(lambda: emit(b.last(x), shape[1:]))
    if len(shape) == 4 and None not in shape[1:] and x.reordered and x.uses == 1:
        height, width, channels = shape[1:]
        order, reordered = channels_first_order(height, width, channels), x.reordered
        value.makers[FIRST] = b.later(
            lambda: emit(b.last(reordered(order)), (channels, height, width))
        )
    return value


@emits(layers.Permute)
def permute(b: Builder, layer: Any, x: Value) -> Value:
    """Axes in another order."""
    name = b.node("Transpose", b.last(x), perm=[0, *layer.dims])
    return last_value(name, (x.shape[0], *(x.shape[d] for d in layer.dims)))


@emits(layers.Cropping2D)
def cropping(b: Builder, layer: Any, x: Value) -> Value:
    """Cut rows and columns at the border."""
    (top, bottom), (left, right) = layer.cropping
    shape = layer.compute_output_shape(x.shape)
    if top == bottom == left == right == 0:
        return x
    return crop(b, x, shape, [top, left], b.constant([-bottom or _END, -right or _END], "ends"))


@emits(layers.ZeroPadding2D)
def zero_padding(b: Builder, layer: Any, x: Value) -> Value:
    """Zeros around the border."""
    (top, bottom), (left, right) = layer.padding
    pads = b.constant([top, left, bottom, right], "pads")
    name = b.node("Pad", b.form(x, x.layout), pads, "", spatial_axes(b, x.layout))
    return Value(layer.compute_output_shape(x.shape), {x.layout: name})


def crop(b: Builder, x: Value, shape: tuple, starts: list[int], ends: str) -> Value:
    """Slice height and width; `ends` names an int64 [2] tensor."""
    starts_name = b.constant(starts, "starts")
    name = b.node("Slice", b.form(x, x.layout), starts_name, ends, spatial_axes(b, x.layout))
    return Value(tuple(shape), {x.layout: name})


def spatial_axes(b: Builder, layout: str) -> str:
    """The constant that names height and width in a tensor of this layout."""
    return b.constant([axis_of(1, 4, layout), axis_of(2, 4, layout)], "axes")


def channels_first_order(height: int, width: int, channels: int) -> np.ndarray:
    """Element i of a map flattened channels first is element order[i] of Keras' flattening."""
    keras_order = np.arange(height * width * channels).reshape(height, width, channels)
    return keras_order.transpose(2, 0, 1).ravel()
