"""The calls of a causal network inside the loops: on a row [W, B, C] or on a pixel [B, C]."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.integer import gate_nodes, settle_nodes
from dimaging_export.emit.nonlinear import FUNCTIONS
from dimaging_export.errors import ExportError
from dimaging_export.samplers import taps
from dimaging_export.samplers.plan import Part, Plan, Step
from dimaging_tf.layers.integer import IntegerGate, Settle
from dimaging_tf.layers.masked import Gate, MaskedConv2D, PositionBias

Names = dict[int, str]
"""Tensor of the network -> its name in the body that is being written."""

_SUMS = {keras.layers.Add: "Add", keras.layers.Multiply: "Mul"}


def elementwise(b: Builder, layer: Any, names: list[str]) -> str:
    """A call that treats every position alike."""
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
    if type(layer) is Settle:
        return settle_nodes(b, layer, names[0])
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
    b: Builder, p: Plan, names: Names, history: dict[int, list[str]], row: str, width: int
) -> dict[Step, str]:
    """Write what is known before the row is drawn; `names` learns the row tensors.

    Returns the row term [W, B, F] of each pixel convolution that has one. row: its index.
    """
    names.update({name: history[tensor][0] for name, tensor in p.above.items()})
    for step in p.steps:
        if step.kind != "row":
            continue
        with b.named(step.layer.name):
            if isinstance(step.layer, MaskedConv2D):
                names[step.output] = _row_convolution(b, step, names, history, width)
            elif isinstance(step.layer, PositionBias):
                bias = _position(b, step.layer, row)
                names[step.output] = b.node("Add", names[step.inputs[0]], bias)
            elif isinstance(step.layer, Part):
                step.layer.write(b, names, row)
            else:
                inputs = [names[i] for i in step.inputs]
                names[step.output] = elementwise(b, step.layer, inputs)
    terms = {}
    for step in p.steps:
        if step.kind == "pixel" and isinstance(step.layer, MaskedConv2D):
            with b.named(step.layer.name):
                if term := _row_term(b, step, names, history, row, width):
                    terms[step] = term
    return terms


def pixel_steps(
    b: Builder, p: Plan, names: Names, terms: dict[Step, str], own: Callable[[Step], str | None]
) -> str:
    """Write what depends on the own row; returns the parameters.

    own(step): what a convolution's taps in the own row contribute, with `terms[step]` or the bias.
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
    b: Builder, step: Step, names: Names, history: dict[int, list[str]], row: str, width: int
) -> str | None:
    parts = [names[i] for i in step.addends]
    parts += [_position(b, layer, row) for layer in step.positions]
    if step.layer.above:
        parts.append(taps.above_term(b, step.layer, history[step.inputs[0]], width))
    if not parts:
        return None
    total = b.constant(taps.bias(step.layer), "bias")
    for part in parts:
        total = b.node("Add", part, total)
    return total


def _row_convolution(
    b: Builder, step: Step, names: Names, history: dict[int, list[str]], width: int
) -> str:
    parts = []
    if step.layer.above:
        parts.append(taps.above_term(b, step.layer, history[step.inputs[0]], width))
    if own := taps.own_term(b, step.layer, names.get(step.inputs[0], ""), width):
        parts.append(own)
    total = b.constant(taps.bias(step.layer), "bias")
    for part in parts:
        total = b.node("Add", part, total)
    return total


def _position(b: Builder, layer: PositionBias, row: str) -> str:
    """[W, 1, C] of this row."""
    bias = np.asarray(layer.bias)[:, :, None]
    return b.node("Gather", b.constant(bias, "bias"), row, axis=0)
