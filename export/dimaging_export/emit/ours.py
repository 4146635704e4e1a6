"""Emitters of our own layers (dimaging_tf/layers): the way for a custom layer into the table."""

from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.shape import crop, spatial_axes
from dimaging_export.emit.table import emits
from dimaging_export.emit.values import Value, axis_of
from dimaging_tf.layers.padding import CropLike, PadToMultiple


@emits(PadToMultiple)
def pad_to_multiple(b: Builder, layer: Any, x: Value) -> Value:
    """One Pad that repeats the border; where the size is free, the pads are -size mod multiple."""
    shape = tuple(layer.compute_output_shape(x.shape))
    if shape == x.shape and None not in shape[1:3]:
        return x
    source, axes = b.form(x, x.layout), spatial_axes(b, x.layout)
    if None in shape[1:3]:
        first = axis_of(1, 4, x.layout)
        size = b.node("Shape", source, start=first, end=first + 2)
        missing = b.node("Mod", b.node("Neg", size), b.constant([layer.multiple]))
        pads = b.node("Concat", b.constant([0, 0]), missing, axis=0)
    else:
        pads = b.constant([0, 0, *(np.array(shape[1:3]) - np.array(x.shape[1:3]))], "pads")
    return Value(shape, {x.layout: b.node("Pad", source, pads, "", axes, mode="edge")})


@emits(CropLike)
def crop_like(b: Builder, layer: Any, x: Value, like: Value) -> Value:
    """One Slice at the top left; where the size is free, it is read from the other tensor."""
    shape = tuple(layer.compute_output_shape(x.shape, like.shape))
    if None not in shape[1:3]:
        return x if shape == x.shape else crop(b, x, shape, [0, 0], b.constant(shape[1:3], "ends"))
    first = axis_of(1, 4, like.layout)
    size = b.node("Shape", b.form(like, like.layout), start=first, end=first + 2)
    return crop(b, x, shape, [0, 0], size)
