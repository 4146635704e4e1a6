"""Emitters of the layers of learned codecs, those of dimaging_tf/layers/codec.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emits
from dimaging_export.emit.values import FIRST, LAST, Value
from dimaging_tf.layers.codec import Dequantise, QualityBias, Quantise, Stabilise

_INT64 = 7
"""ONNX's number of the type int64."""


def _row(b: Builder, table: np.ndarray, quality: Value, layout: str) -> str:
    """Write the look-up of each image's row of a table [64, C]; it broadcasts over a map of this layout."""
    shape = (len(table), -1, 1, 1) if layout == FIRST else (len(table), 1, 1, -1)
    index = b.node("Cast", b.last(quality), to=_INT64)
    return b.node("Gather", b.constant(np.float32(table).reshape(shape), "table"), index, axis=0)


@emits(QualityBias)
def quality_bias(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """Write a look-up by quality and an addition."""
    x, quality = values
    row = _row(b, layer.table(), quality, x.layout)
    return Value(x.shape, {x.layout: b.node("Add", b.form(x, x.layout), row)})


@emits(Quantise)
def quantise(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """Write a look-up by quality, a product, and rounding within the limit."""
    x, quality = values
    y = b.node("Mul", b.form(x, x.layout), _row(b, layer.table, quality, x.layout))
    y = b.node("Floor", b.node("Add", y, b.constant(np.full((1, 1, 1, 1), 0.5))))
    y = b.node("Clip", y, b.constant(-layer.limit), b.constant(layer.limit))
    return Value(x.shape, {x.layout: y})


@emits(Dequantise)
def dequantise(b: Builder, layer: Any, values: Sequence[Value]) -> Value:
    """Write a look-up by quality and a product."""
    x, quality = values
    row = _row(b, layer.table, quality, FIRST)
    return Value(x.shape, {FIRST: b.node("Mul", b.first(x), row)})


@emits(Stabilise)
def stabilise(b: Builder, layer: Any, x: Value) -> Value:
    """Write the square root that evens out shot noise, or with `inverse` the square that undoes it."""

    def number(value: float) -> str:
        return b.constant(np.full((1, 1, 1, 1), value, np.float32))

    def there(source: str) -> str:
        root = b.node("Sqrt", b.node("Add", source, number(layer.dark)))
        return b.node(
            "Mul", b.node("Sub", root, number(layer.low)), number(1 / (layer.high - layer.low))
        )

    def back(source: str) -> str:
        root = b.node(
            "Add", b.node("Mul", source, number(layer.high - layer.low)), number(layer.low)
        )
        return b.node("Sub", b.node("Mul", root, root), number(layer.dark))

    layout = x.layout if x.rank == 4 else LAST
    return Value(x.shape, {layout: (back if layer.inverse else there)(b.form(x, layout))})
