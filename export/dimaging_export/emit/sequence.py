"""Emitters of layers that run over time: the embedding of tokens, and each recurrent layer as one operator.

tf2onnx turns most of them into a Loop, which a phone's runtime does not take and every other one runs
several times slower.

    x [B, T, C] -> Transpose -> [T, B, C] -> LSTM | GRU | RNN -> [T, D, B, H] -> the next one
                                ^ h, c [D, B, H] in            -> h, c [D, B, H] out

D is 2 for a bidirectional layer. Between two recurrent layers the time stays first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers
from onnx import TensorProto

from dimaging_export.emit import mask as masks
from dimaging_export.emit.builder import Builder
from dimaging_export.emit.cells import Cell, cell_of, function_attributes
from dimaging_export.emit.table import FLOATS, WHOLE, emits, unsupported
from dimaging_export.emit.values import LAST, TIME, Value, last_value
from dimaging_export.graph.trace import Shape

_ALL = 2**31
"""An index beyond the end of every axis."""


@emits(layers.Embedding, reads=(*FLOATS, *WHOLE))
def embedding(b: Builder, layer: Any, tokens: Value) -> Value:
    """Write the row of the table for each token: [B, T] -> [B, T, D].

    Keras cuts the fraction off tokens that came in as floats: keras.Input((T,)) without a dtype is float32.
    """
    table, source = b.constant(np.asarray(layer.embeddings), "table"), b.last(tokens)
    if tokens.dtype not in ("int32", "int64"):
        source = b.node("Cast", source, to=TensorProto.INT32)
    return last_value(b.node("Gather", table, source), (*tokens.shape, layer.output_dim))


@emits(layers.LSTM, layers.GRU, layers.SimpleRNN, layers.RNN, keywords=("initial_state", "mask"))
def recurrent(
    b: Builder, layer: Any, x: Value, initial_state: Any = None, mask: Value | None = None
) -> Value | list[Value]:
    """Write the last answer [B, H] to x [B, T, C], or all [B, T, H]; then the states, if they are wanted."""
    backwards = bool(getattr(layer, "go_backwards", False))
    *lower, top = getattr(getattr(layer, "cell", None), "cells", [layer])
    if lower and (backwards or layer.return_state or initial_state is not None):
        raise unsupported(layer, "has stacked cells, with states in or out, or backwards")
    for one in map(cell_of, lower):  # a stack of cells is as many layers
        every, _ = _run(b, [one], "forward", x, [], mask)
        shape = (*x.shape[:2], one.units)
        x = _sequence(b, b.node("Squeeze", every, b.constant([1])), shape, layer, mask, False)
    cell = cell_of(top)
    states = _states(layer, initial_state, cell.states)
    every, finals = _run(b, [cell], "reverse" if backwards else "forward", x, states, mask)
    shape = (*x.shape[:2], cell.units)
    if layer.return_sequences:
        y = _sequence(b, b.node("Squeeze", every, b.constant([1])), shape, layer, mask, backwards)
    else:
        y = _last_output(b, layer, finals[0], shape, mask)
    kept = [last_value(name, (x.shape[0], cell.units)) for name in finals]
    return [y, *kept] if layer.return_state else y


@emits(layers.Bidirectional, keywords=("initial_state", "mask"))
def bidirectional(
    b: Builder, layer: Any, x: Value, initial_state: Any = None, mask: Value | None = None
) -> Value | list[Value]:
    """Write both directions in one operator, merged as the layer says; then the states, forward first.

    Two layers of different kinds or functions are an operator each.
    """
    both = [layer.forward_layer, layer.backward_layer]
    cells = [cell_of(one) for one in both]
    if both[0].go_backwards:
        raise unsupported(layer, "has a forward layer that runs backwards")
    if cells[0].units != cells[1].units:  # Keras builds what follows for twice those of the first
        raise unsupported(
            layer, f"has layers of {cells[0].units} and {cells[1].units} units; give both the same"
        )
    if initial_state is not None and cells[0].states != cells[1].states:
        raise unsupported(layer, "is given states for two kinds of cells; Keras takes those of one")
    states = _states(layer, initial_state, 2 * cells[0].states)
    answers, finals = _both(b, cells, x, states, mask)
    units, places = cells[0].units, (0, cells[0].states)
    shape = (*x.shape[:2], units)
    if layer.return_sequences:
        parts = [
            _sequence(b, name, shape, one, mask, False)
            for name, one in zip(answers, both, strict=True)
        ]
    else:
        parts = [
            _last_output(b, one, finals[i], shape, mask)
            for i, one in zip(places, both, strict=True)
        ]
    merged = parts if layer.merge_mode is None else [_merged(b, layer.merge_mode, parts)]
    kept = [last_value(name, (x.shape[0], units)) for name in finals]
    found = [*merged, *kept] if layer.return_state else merged
    return found if len(found) > 1 else found[0]


def _both(
    b: Builder, cells: list[Cell], x: Value, states: list[Value], mask: Value | None
) -> tuple[list[str], list[str]]:
    """Write both directions; returns the answers [T, B, H] of each, and the last states, forward first."""
    if _alike(*cells):
        every, finals = _run(b, cells, "bidirectional", x, states, mask)
        return _directions(b, every, 1), finals
    first = cells[0].states
    ways = (("forward", cells[0], states[:first]), ("reverse", cells[1], states[first:]))
    runs = [_run(b, [cell], way, x, given, mask) for way, cell, given in ways]
    answers = [b.node("Squeeze", every, b.constant([1])) for every, _ in runs]
    return answers, [name for _, finals in runs for name in finals]


def _alike(one: Cell, other: Cell) -> bool:
    return (one.op, one.units, one.functions, one.attributes) == (
        other.op, other.units, other.functions, other.attributes
    )  # fmt: skip


def _states(layer: Any, given: Any, count: int) -> list[Value]:
    """Return the states that a call gave as `initial_state`: nothing, a tensor, or a list of them."""
    if given is None:
        return []
    states = list(given) if isinstance(given, list | tuple) else [given]
    if len(states) != count or not all(isinstance(state, Value) for state in states):
        raise unsupported(layer, f"is not given {count} tensors as initial_state")
    return states


def _run(
    b: Builder, cells: list[Cell], direction: str, x: Value, states: list[Value], mask: Value | None
) -> tuple[str, list[str]]:
    """Write the operator; returns all h [T, D, B, H], and the last states [B, H], direction by direction."""
    first, count = cells[0], len(cells)
    weights = [
        b.constant(np.stack([np.asarray(getattr(c, part)) for c in cells]), part)
        for part in ("kernel", "recurrent", "bias")
    ]
    if mask is None:
        source, sizes = b.form(x, TIME), ""
    else:
        source = b.node("Transpose", masks.packed(b, mask, x), perm=[1, 0, 2])
        sizes = masks.lengths(b, mask)
    initial = [
        _stacked(b, [b.last(states[d * first.states + s]) for d in range(count)])
        for s in range(first.states if states else 0)
    ]
    every, *finals = b.nodes_of(
        first.op, [source, *weights, sizes, *initial], 1 + first.states, hidden_size=first.units,
        direction=direction, **first.attributes, **function_attributes(first, count),
    )  # fmt: skip
    apart = [_directions(b, final, 0, count) for final in finals]
    names = [apart[s][d] for d in range(count) for s in range(first.states)]
    if mask is not None and states:  # without a step that counts the state stays what it was
        some = masks.any_counts(b, mask)
        names = [b.node("Where", some, n, b.last(h)) for n, h in zip(names, states, strict=True)]
    return every, names


def _stacked(b: Builder, names: Sequence[str]) -> str:
    """Write one tensor [D, B, H] of the [B, H] of each direction."""
    parts = [b.node("Unsqueeze", name, b.constant([0])) for name in names]
    return parts[0] if len(parts) == 1 else b.node("Concat", *parts, axis=0)


def _directions(b: Builder, name: str, axis: int, count: int = 2) -> list[str]:
    """Write a tensor for each direction; `axis` is that of the directions."""
    parts = (
        [name] if count == 1 else b.nodes_of("Split", [name], count, axis=axis, num_outputs=count)
    )
    return [b.node("Squeeze", part, b.constant([axis])) for part in parts]


def _sequence(
    b: Builder, name: str, shape: Shape, layer: Any, mask: Value | None, backwards: bool
) -> Value:
    """Write the answers [T, B, H] of one direction as Keras orders them; a masked step repeats, or is 0."""
    y = Value(shape, {TIME: name})
    if mask is not None:
        zeros = bool(layer.zero_output_for_mask)
        spread = masks.unpacked(b, mask, b.last(y), backwards=backwards, zeros=zeros)
        y = Value(shape, {LAST: spread})
    if not backwards:
        return y
    layout = y.working  # Keras hands the answers out in the order in which it computed them
    axis = b.constant([0 if layout == TIME else 1])
    step = (b.constant([-1]), b.constant([-_ALL]), axis, b.constant([-1]))
    return Value(shape, {layout: b.node("Slice", b.form(y, layout), *step)})


def _last_output(b: Builder, layer: Any, final: str, shape: Shape, mask: Value | None) -> Value:
    """Write the last answer: the last state h, or 0 where no step counts, whatever h was at first."""
    if mask is not None and layer.zero_output_for_mask:
        raise unsupported(layer, "has zero_output_for_mask without return_sequences")
    if mask is not None:
        final = b.node("Where", masks.any_counts(b, mask), final, b.constant(0.0))
    return last_value(final, (shape[0], shape[2]))


def _merged(b: Builder, mode: str, parts: list[Value]) -> Value:
    """Write both directions as one: side by side, or their sum, mean or product."""
    layout, shape = parts[0].working, parts[0].shape
    names = [b.form(part, layout) for part in parts]
    if mode == "concat":
        return Value(
            (*shape[:-1], 2 * (shape[-1] or 0)), {layout: b.node("Concat", *names, axis=-1)}
        )
    name = b.node("Mul" if mode == "mul" else "Add", *names)
    if mode == "ave":
        name = b.node("Mul", name, b.constant(0.5))
    return Value(shape, {layout: name})
