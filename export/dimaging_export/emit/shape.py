"""Emitters of layers that move, cut or keep elements, and of those that do something in training alone."""

import math
from typing import Any

import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import ANY, emits, emits_named, unsupported
from dimaging_export.emit.values import FIRST, LAST, Value, axes, axis_of, last_value

_END = np.iinfo(np.int64).max
"""An index beyond the end of every axis."""


@emits(
    layers.Identity, layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.AlphaDropout,
    layers.GaussianDropout, layers.GaussianNoise, layers.ActivityRegularization,
    layers.RandomFlip, layers.RandomRotation, layers.RandomTranslation, layers.RandomZoom,
    layers.RandomContrast, layers.RandomBrightness, layers.SpatialDropout3D, layers.AugMix, layers.CutMix,
    layers.MixUp, layers.RandAugment, layers.RandomColorDegeneration, layers.RandomColorJitter,
    layers.RandomCrop,
    layers.RandomElasticTransform, layers.RandomErasing, layers.RandomGaussianBlur, layers.RandomGrayscale,
    layers.RandomHue, layers.RandomInvert, layers.RandomPerspective, layers.RandomPosterization,
    layers.RandomSaturation, layers.RandomSharpness, layers.RandomShear,
    reads=ANY,
)  # fmt: skip
def identity(b: Builder, layer: Any, x: Value) -> Value:
    """Write nothing: these layers do nothing at inference."""
    return x


@emits_named("StochasticDepth")
def stochastic_depth(b: Builder, layer: Any, x: Value) -> Value:
    """Write nothing: ConvNeXt drops its branches in training alone."""
    return x


@emits(layers.Flatten, reads=ANY)
def flatten(b: Builder, layer: Any, x: Value) -> Value:
    """Write a flattening [B, ...] -> [B, D]; that of a feature map takes the order that its reader wants."""
    sizes = [size for size in x.shape[1:] if size is not None]
    known = len(sizes) == x.rank - 1
    value = Value((x.shape[0], math.prod(sizes) if known else None))
    value.makers[LAST] = b.later(lambda: b.node("Flatten", b.last(x)))
    if x.rank == 4 and x.layout == FIRST and known:
        value.makers[FIRST] = b.later(lambda: b.node("Flatten", b.first(x)))
        value.order = channels_first_order(*sizes)
    return value


@emits(layers.Reshape, reads=ANY)
def reshape(b: Builder, layer: Any, x: Value) -> Value:
    """Write a Reshape; a vector becomes a map of either layout if a Dense layer can reorder its outputs."""
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


@emits(layers.Permute, reads=ANY)
def permute(b: Builder, layer: Any, x: Value) -> Value:
    """Write the axes in another order."""
    name = b.node("Transpose", b.last(x), perm=[0, *layer.dims])
    return last_value(name, (x.shape[0], *(x.shape[d] for d in layer.dims)))


@emits(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D, reads=ANY)
def cropping(b: Builder, layer: Any, x: Value) -> Value:
    """Write a cut of steps, or of rows and columns, at the border."""
    before, after = np.reshape(layer.cropping, (-1, 2)).T.tolist()
    shape = layer.compute_output_shape(x.shape)
    if not any(before + after):
        return x
    return crop(b, x, shape, before, b.constant([-n or _END for n in after], "ends"))


@emits(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D, reads=ANY)
def zero_padding(b: Builder, layer: Any, x: Value) -> Value:
    """Write zeros around the border."""
    widths = [(0, 0), *np.reshape(layer.padding, (-1, 2)).tolist(), (0, 0)]
    # Of all axes: onnxruntime 1.32 reads the fifth number of four where `axes` names two and it moves the
    # channels of an int8 graph.
    before, after = zip(*(widths[axis] for axis in axes(x.rank, x.layout)), strict=True)
    name = b.node("Pad", b.form(x, x.layout), b.constant([*before, *after], "pads"))
    return Value(layer.compute_output_shape(x.shape), {x.layout: name})


def crop(b: Builder, x: Value, shape: tuple, starts: list[int], ends: str) -> Value:
    """Write a Slice of height and width, or of time; `ends` names an int64 tensor, one element for each."""
    axes = spatial_axes(b, x.rank, x.layout)
    name = b.node("Slice", b.form(x, x.layout), b.constant(starts, "starts"), ends, axes)
    return Value(tuple(shape), {x.layout: name})


def spatial_axes(b: Builder, rank: int, layout: str) -> str:
    """Return the constant with the axes of height and width, or of time, in a tensor of this layout."""
    return b.constant([axis_of(axis, rank, layout) for axis in range(1, rank - 1)], "axes")


def channels_first_order(height: int, width: int, channels: int) -> np.ndarray:
    """Return the order in which element i of a map flattened channels first is element order[i] of Keras'."""
    keras_order = np.arange(height * width * channels).reshape(height, width, channels)
    return keras_order.transpose(2, 0, 1).ravel()
