"""The calls of a causal network inside the loops, on a row [W, B, C] or on a pixel [B, C], as nodes."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.integer import floor_clip_nodes, gate_nodes
from dimaging_export.emit.nonlinear import FUNCTIONS
from dimaging_export.errors import ExportError
from dimaging_export.samplers import taps
from dimaging_export.samplers.layouts import Columns
from dimaging_export.samplers.plan import Part, Plan, Step
from dimaging_tf.layers.integer import FloorClip, IntegerGate
from dimaging_tf.layers.masked import Gate, MaskedConv2D, PositionBias

Names = dict[int, str]
"""Tensor of the network -> its name in the body that is being written."""

_SUMS = {keras.layers.Add: "Add", keras.layers.Multiply: "Mul"}
"""Layer class -> op that merges two of its inputs."""


def elementwise(b: Builder, layer: Any, names: list[str]) -> str:
    """Write a call that treats every position alike; raises ExportError for any other."""
    if type(layer) in _SUMS:
        total = names[0]
        for name in names[1:]:
            total = b.node(_SUMS[type(layer)], total, name)
        return total
    if type(layer) is Gate:
        halves = b.nodes_of("Split", names, 2, axis=-1, num_outputs=2)
        return b.node("Mul", b.node("Tanh", halves[0]), b.node("Sigmoid", halves[1]))
    if type(layer) is keras.layers.Concatenate:
        return b.node("Concat", *names, axis=-1)
    if type(layer) is FloorClip:
        return floor_clip_nodes(b, layer, names[0])
    if type(layer) is IntegerGate:
        return gate_nodes(b, layer, names[0], -1)
    plain = type(layer) is keras.layers.ReLU and not (layer.threshold or layer.negative_slope)
    if plain and layer.max_value is not None:
        return b.node("Clip", names[0], b.constant(0.0), b.constant(float(layer.max_value)))
    function = "relu" if plain else getattr(getattr(layer, "activation", None), "__name__", "")
    if function in FUNCTIONS and (plain or type(layer) is keras.layers.Activation):
        return FUNCTIONS[function](b, names[0])
    raise ExportError(
        f"layer {layer.name!r} ({type(layer).__name__}) cannot be computed pixel by pixel; causal "
        "networks are made of MaskedConv2D, Gate, PositionBias, sums, ReLU and Activation"
    )


def row_steps(
    b: Builder,
    p: Plan,
    names: Names,
    history: dict[int, list[str]],
    row: str,
    width: int,
    layout: Columns | None = None,
) -> dict[Step, str]:
    """Write what is known before the row is drawn, and put the row tensors into `names`.

    Returns the row term of each pixel convolution that has one. history: tensor -> names of its rows above,
    the nearest first. row: index of the row. layout: that of all rows here; Columns unless given.
    """
    layout = layout or Columns(width)
    names.update({name: history[tensor][0] for name, tensor in p.above.items()})
    for step in p.steps:
        if step.kind != "row":
            continue
        with b.named(step.layer.name):
            if isinstance(step.layer, MaskedConv2D):
                names[step.output] = _row_convolution(b, step, names, history, layout)
            elif isinstance(step.layer, PositionBias):
                bias = layout.position(b, np.asarray(step.layer.bias), row)
                names[step.output] = b.node("Add", names[step.inputs[0]], bias)
            elif isinstance(step.layer, Part):
                inside = {t: layout.as_columns(b, names[t], p.channels[t]) for t in step.inputs}
                step.layer.write(b, inside, row)
                names[step.output] = layout.from_columns(b, inside[step.output], step.channels)
            else:
                inputs = [names[i] for i in step.inputs]
                names[step.output] = elementwise(b, step.layer, inputs)
    terms = {}
    for step in p.steps:
        if step.kind == "pixel" and isinstance(step.layer, MaskedConv2D):
            with b.named(step.layer.name):
                if term := _row_term(b, step, names, history, row, layout):
                    terms[step] = term
    return terms


def pixel_steps(
    b: Builder, p: Plan, names: Names, terms: dict[Step, str], own: Callable[[Step], str | None]
) -> str:
    """Write what depends on the own row; returns the parameters.

    terms: row term of each pixel convolution that has one. own(step): writes what a convolution's taps in
    the own row contribute, with `terms[step]` or the bias; None without such taps.
    """
    for step in p.steps:
        if step.kind != "pixel":
            continue
        with b.named(step.layer.name):
            if isinstance(step.layer, MaskedConv2D):
                names[step.output] = own(step) or terms[step]
            elif isinstance(step.layer, Part):
                step.layer.write(b, names)
            else:
                inputs = [names[i] for i in step.inputs]
                names[step.output] = elementwise(b, step.layer, inputs)
    return names[p.parameters]


def _row_term(
    b: Builder,
    step: Step,
    names: Names,
    history: dict[int, list[str]],
    row: str,
    layout: Columns,
) -> str | None:
    layer = step.layer
    if not (step.addends or step.positions or layer.above):
        return None
    bias = taps.bias(layer)
    if step.positions:
        table = bias + sum(np.asarray(position.bias) for position in step.positions)
        total = layout.position(b, table, row)
    else:
        total = b.constant(bias, "bias")
    for addend in step.addends:
        total = b.node("Add", names[addend], total)
    if not layer.above:
        return total
    kernel = taps.masked_kernel(layer)[: layer.above]
    return taps.convolve(
        b, layout, _upper(layer, history[step.inputs[0]]), kernel, layer.left, total
    )


def _row_convolution(
    b: Builder, step: Step, names: Names, history: dict[int, list[str]], layout: Columns
) -> str:
    layer, source = step.layer, step.inputs[0]
    kernel = taps.masked_kernel(layer)
    rows = _upper(layer, history[source]) if layer.above else []
    if len(kernel) > layer.above:
        rows.append(names[source])
    return taps.convolve(b, layout, rows, kernel, layer.left, b.constant(taps.bias(layer), "bias"))


def _upper(layer: MaskedConv2D, history: list[str]) -> list[str]:
    """Return the rows above that the layer reads, the uppermost first; history[d] is the row d + 1 above."""
    return history[: layer.above][::-1]
