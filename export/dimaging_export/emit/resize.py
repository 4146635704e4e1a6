"""Emitters of layers that bring images to a size: Resizing and CenterCrop."""

from typing import Any

from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.shape import crop
from dimaging_export.emit.table import emits, unsupported
from dimaging_export.emit.values import Value, first_value

_MODES = {
    "bilinear": {"mode": "linear"},
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
}
"""Keras' interpolation -> attributes of Resize; all look at the centres of pixels, as TensorFlow does."""


@emits(layers.Resizing)
def resizing(b: Builder, layer: Any, x: Value) -> Value:
    """Write one Resize to a fixed height and width."""
    config = layer.get_config()
    if config["interpolation"] not in _MODES or config.get("antialias"):
        raise unsupported(layer, f"interpolates {config['interpolation']!r}, or smooths before")
    if config["crop_to_aspect_ratio"] or config.get("pad_to_aspect_ratio"):
        raise unsupported(layer, "keeps the aspect ratio")
    if x.rank != 4 or config["data_format"] != "channels_last":
        raise unsupported(layer, "takes other than [B, H, W, C]")
    source = b.first(x)
    # All four sizes: onnxruntime 1.31 loses them where Resize has `axes` and a Transpose follows.
    size = b.constant([layer.height, layer.width], "size")
    size = b.node("Concat", b.node("Shape", source, start=0, end=2), size, axis=0)
    name = b.node(
        "Resize", source, "", "", size,
        coordinate_transformation_mode="half_pixel", **_MODES[config["interpolation"]],
    )  # fmt: skip
    return first_value(name, (x.shape[0], layer.height, layer.width, x.shape[-1]))


@emits(layers.CenterCrop)
def center_crop(b: Builder, layer: Any, x: Value) -> Value:
    """Write one Slice of the middle, of images that are large enough."""
    height, width = x.shape[1:3] if x.rank == 4 else (None, None)
    if height is None or width is None or height < layer.height or width < layer.width:
        raise unsupported(layer, "crops images of a free size, or smaller ones")
    starts = [(height - layer.height) // 2, (width - layer.width) // 2]
    ends = b.constant([starts[0] + layer.height, starts[1] + layer.width], "ends")
    return crop(b, x, (x.shape[0], layer.height, layer.width, x.shape[-1]), starts, ends)
