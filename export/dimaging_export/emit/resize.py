"""Emitters of what brings images to a size: Resizing, UpSampling2D, CenterCrop and keras.ops.image.resize.

Resize of ONNX is what TensorFlow computes for `nearest` and `bilinear`. The others (bicubic, lanczos, area,
and all that smooth before they shrink) are weighted sums along one axis and then along the other, whose
weights depend on the two sizes alone: there two matrices are written, read off Keras itself.
"""

from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.shape import crop
from dimaging_export.emit.table import FLOATS, WHOLE, as_type, emits, emits_operation, unsupported
from dimaging_export.emit.values import Value, first_value
from dimaging_export.errors import ExportError

_MODES = {
    "bilinear": {"mode": "linear"},
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
}
"""Keras' interpolation -> attributes of Resize; all look at the centres of pixels, as TensorFlow does."""


@emits(layers.Resizing, reads=(*FLOATS, *WHOLE))
def resizing(b: Builder, layer: Any, x: Value) -> Value:
    """Write a change to a fixed height and width; bytes become floats first, and are not rounded again."""
    x = as_type(b, x, "float32") if x.dtype in WHOLE else x
    config = layer.get_config()
    if config["data_format"] != "channels_last":
        raise unsupported(layer, "takes other than [B, H, W, C]")
    return _resized(b, layer, x, (layer.height, layer.width), config)


@emits_operation("Resize")
def resize(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.image.resize to a fixed height and width."""
    if op.data_format != "channels_last":
        raise unsupported(op, "takes other than [B, H, W, C]")
    return _resized(b, op, x, op.size, vars(op))


def _resized(
    b: Builder, layer: Any, x: Value, size: tuple[int, int], config: dict[str, Any]
) -> Value:
    if config["crop_to_aspect_ratio"] or config["pad_to_aspect_ratio"]:
        raise unsupported(layer, "keeps the aspect ratio")
    if x.rank != 4:
        raise unsupported(layer, "takes other than [B, H, W, C]")
    kind = config["interpolation"]
    smooths = bool(config["antialias"]) and kind != "nearest"
    if kind not in _MODES or smooths:
        return _by_matrices(b, layer, x, size, kind, smooths)
    source = b.first(x)
    # All four sizes: onnxruntime 1.31 loses them where Resize has `axes` and a Transpose follows.
    sizes = b.constant(list(size), "size")
    sizes = b.node("Concat", b.node("Shape", source, start=0, end=2), sizes, axis=0)
    name = b.node(
        "Resize", source, "", "", sizes,
        coordinate_transformation_mode="half_pixel", **_MODES[kind],
    )  # fmt: skip
    return first_value(name, (x.shape[0], *size, x.shape[-1]))


@emits(layers.UpSampling2D, reads=(*FLOATS, *WHOLE))
def up_sampling(b: Builder, layer: Any, x: Value) -> Value:
    """Write pixels repeated, or interpolated between their centres as TensorFlow does."""
    x = as_type(b, x, "float32") if x.dtype in WHOLE else x
    shape, kind = tuple(layer.compute_output_shape(x.shape)), layer.interpolation
    if kind == "nearest":
        mode = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    elif kind == "bilinear":
        mode = {"coordinate_transformation_mode": "half_pixel", "mode": "linear"}
    elif kind == "bicubic" and set(layer.size) <= {1, 2, 4}:
        # TensorFlow's table of these weights has 1024 places a pixel; other factors fall between them.
        mode = {"coordinate_transformation_mode": "half_pixel", "mode": "cubic"}
        mode |= {"cubic_coeff_a": -0.5, "exclude_outside": 1}
    else:
        return _by_matrices(b, layer, x, shape[1:3], kind, smooths=False)
    scales = b.constant([1.0, 1.0, *map(float, layer.size)], "scales")
    return first_value(b.node("Resize", b.first(x), "", scales, **mode), shape)


def _by_matrices(b: Builder, layer: Any, x: Value, size: Any, kind: str, smooths: bool) -> Value:
    """Write weighted sums along the width and then along the height, for an image of one size."""
    if None in x.shape[1:3]:
        raise ExportError(
            f"layer {layer.name!r} ({type(layer).__name__}) interpolates {kind!r}"
            f"{' and smooths before' if smooths else ''} at any size, which no operator of ONNX does as "
            "TensorFlow does. Give the input of the model a size, or take 'bilinear' without antialias"
        )
    height, width = (
        _weights(before or 0, after, kind, smooths)
        for before, after in zip(x.shape[1:3], size, strict=True)
    )
    name = b.node("Einsum", b.first(x), b.constant(width, "width"), equation="nchw,wv->nchv")
    name = b.node("Einsum", name, b.constant(height, "height"), equation="nchv,hu->ncuv")
    return first_value(name, (x.shape[0], *size, x.shape[-1]))


def _weights(before: int, after: int, kind: str, smooths: bool) -> np.ndarray:
    """Return the matrix [before, after] of an axis: what Keras makes of single bright pixels in a column."""
    pixels = np.eye(before, dtype=np.float32)[:, :, None, None]
    made = keras.ops.image.resize(
        pixels, (after, 1), interpolation=kind, antialias=smooths, data_format="channels_last"
    )
    return np.asarray(made)[:, :, 0, 0]


@emits(layers.CenterCrop)
def center_crop(b: Builder, layer: Any, x: Value) -> Value:
    """Write one Slice of the middle, of images that are large enough."""
    height, width = x.shape[1:3] if x.rank == 4 else (None, None)
    if height is None or width is None or height < layer.height or width < layer.width:
        raise unsupported(layer, "crops images of a free size, or smaller ones")
    starts = [(height - layer.height) // 2, (width - layer.width) // 2]
    ends = b.constant([starts[0] + layer.height, starts[1] + layer.width], "ends")
    return crop(b, x, (x.shape[0], layer.height, layer.width, x.shape[-1]), starts, ends)
