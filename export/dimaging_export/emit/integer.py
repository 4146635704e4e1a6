"""Emitters of integer-valued networks, whose whole numbers are carried in float32."""

from typing import Any

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.likelihoods import encode
from dimaging_export.emit.likelihoods_integer import weights
from dimaging_export.emit.table import emits
from dimaging_export.emit.values import LAST, Value, axis_of, last_value
from dimaging_tf.density.layers import Encode, Weights
from dimaging_tf.layers.integer import FloorClip, IntegerGate


def floor_clip_nodes(b: Builder, layer: FloorClip, x: str) -> str:
    """Write Floor, then Clip to the layer's bounds; before them a division by 2^shift, where it has one."""
    if layer.shift:
        x = b.node("Add", b.node("Mul", x, b.constant(2.0**-layer.shift)), b.constant(0.5))
    floor = b.node("Floor", x)
    return b.node("Clip", floor, b.constant(float(layer.low)), b.constant(float(layer.high)))


def gate_nodes(b: Builder, layer: IntegerGate, x: str, axis: int) -> str:
    """Write the two look-ups of a gate, tanh and sigmoid, and their product in 1 / unit, rounded."""
    reach = float(layer.reach)
    clipped = b.node("Clip", x, b.constant(-reach), b.constant(reach))
    index = b.node("Cast", b.node("Add", clipped, b.constant(reach)), to=6)
    halves = b.nodes_of("Split", [index], 2, axis=axis, num_outputs=2)
    tables = [b.constant(table, "table") for table in layer.tables()]
    tanh, sigmoid = (b.node("Gather", t, half) for t, half in zip(tables, halves, strict=True))
    product = b.node("Mul", b.node("Mul", tanh, sigmoid), b.constant(1 / layer.unit))
    return b.node("Floor", b.node("Add", product, b.constant(0.5)))


@emits(FloorClip)
def floor_clip(b: Builder, layer: FloorClip, x: Value) -> Value:
    """Write the floor to whole numbers within the layer's bounds."""
    return b.map(x, lambda source: floor_clip_nodes(b, layer, source))


@emits(IntegerGate)
def integer_gate(b: Builder, layer: IntegerGate, x: Value) -> Value:
    """Write a gate over the two halves of the channels."""
    layout = x.layout if x.rank == 4 else LAST
    name = gate_nodes(b, layer, b.form(x, layout), axis_of(-1, x.rank, layout))
    return Value(tuple(layer.compute_output_shape(x.shape)), {layout: name})


@emits(Encode)
def encoded(b: Builder, layer: Any, x: Value) -> Value:
    """Write an image in [0, 1] as symbols, 0 to levels - 1."""
    return b.map(x, lambda source: encode(b, layer.likelihood, source))


@emits(Weights)
def weight_table(b: Builder, layer: Any, x: Value, pixel: Value) -> Value:
    """Write the integer weights of the symbols of each colour, [B, H, W, C, levels]."""
    shape = tuple(layer.compute_output_shape(x.shape, pixel.shape))
    return last_value(weights(b, layer.likelihood, b.last(x), 4, b.last(pixel)), shape)
