"""Emitters of the LSTMs that travel through an image: a Scan whose body is one step.

The channels stay first: a step of a row LSTM is [B, C, W], of a diagonal one [B, C, H], and its
state-to-state part a convolution along that line.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.causal import masked_conv2d
from dimaging_export.emit.table import emits, unsupported
from dimaging_export.emit.values import Value, first_value
from dimaging_tf.layers.recurrent2d import DiagonalLSTM, RowLSTM

_ALL = 2**31
"""An end beyond every axis."""


def cell(b: Builder, gates: str, c: str, filters: int, axis: int) -> tuple[str, str]:
    """(h, c) of one step of an LSTM, from its gates and the cell before; channels lie in `axis`."""
    sizes = b.constant([3 * filters, filters])
    sigmoids, new = b.nodes_of("Split", [gates, sizes], 2, axis=axis)
    sigmoids = b.node("Sigmoid", sigmoids)
    o, f, i = b.nodes_of("Split", [sigmoids], 3, axis=axis, num_outputs=3)
    kept, entered = b.node("Mul", f, c), b.node("Mul", i, b.node("Tanh", new))
    c = b.node("Add", kept, entered)
    return b.node("Mul", o, b.node("Tanh", c)), c


@emits(RowLSTM)
def row_lstm(b: Builder, layer: Any, x: Value) -> Value:
    """Scan over the rows."""
    _, width = _size(layer, x)
    gates = b.first(masked_conv2d(b, layer.input_to_state, x))
    h = _scan_map(b, layer, gates, 2, width)
    return first_value(h, layer.compute_output_shape(x.shape))


@emits(DiagonalLSTM)
def diagonal_lstm(b: Builder, layer: Any, x: Value) -> Value:
    """Scan over the columns of the skewed map; the mirror image for the right direction."""
    height, width = _size(layer, x)
    gates = b.first(masked_conv2d(b, layer.input_to_state, x))
    mirrored = layer.direction == "right"
    if mirrored:
        gates = _mirror(b, gates)
    h = _scan_map(b, layer, _skew(b, gates, height, width), 3, height)
    h = _unskew(b, h, height, width)
    if mirrored:
        h = _mirror(b, _shifted(b, h, [0, 0, 1, 0, 0, 0, -1, 0]))
    return first_value(h, layer.compute_output_shape(x.shape))


def _size(layer: Any, x: Value) -> tuple[int, int]:
    height, width = x.shape[1:3]
    if height is None or width is None:
        raise unsupported(layer, "needs a known height and width")
    return height, width


def scan(
    b: Builder,
    gates: str,
    step: Callable[[Builder, str, str], str],
    batch: str,
    sizes: tuple[int, ...],
    attributes: dict[str, list[int]],
) -> str:
    """All h of an LSTM that starts from zeros; `attributes` say which axis of the gates is time.

    step: (body, h before, gates of the step) -> the gates, state-to-state part included. batch: name
    of [B]; sizes: of h behind the batch, channels first.
    """
    filters, *line = sizes
    body = b.child()
    h, c, gate = (body.name(hint) for hint in ("h", "c", "gate"))
    states = cell(body, step(body, h, gate), c, filters, 1)
    outputs = [*states, body.node("Identity", states[0])]

    def values(names: list[str], channels: int) -> list[onnx.ValueInfoProto]:
        shape = ("batch", channels, *line)
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in names]

    inputs = values([h, c], filters) + values([gate], 4 * filters)
    graph = helper.make_graph(body.nodes, "step", inputs, values(outputs, filters))
    shape = b.node("Concat", batch, b.constant(sizes), axis=0)
    zeros = b.node("ConstantOfShape", shape)
    feeds = [zeros, zeros, gates]
    return b.nodes_of("Scan", feeds, 3, body=graph, num_scan_inputs=1, **attributes)[2]


def _scan_map(b: Builder, layer: Any, gates: str, axis: int, length: int) -> str:
    """Gates [B, 4 F, H, W] -> h [B, F, H, W]; a step is one index of `axis`, `length` long."""
    kernel = np.asarray(layer.kernel).transpose(2, 1, 0)

    def step(body: Builder, h: str, gate: str) -> str:
        weights = body.constant(kernel, "kernel")
        return body.node("Add", gate, body.node("Conv", h, weights, pads=list(layer.reach)))

    batch = b.node("Shape", gates, start=0, end=1)
    axes = {"scan_input_axes": [axis], "scan_output_axes": [axis]}
    return scan(b, gates, step, batch, (layer.filters, length), axes)


def _skew(b: Builder, x: str, height: int, width: int) -> str:
    """[B, C, H, W] -> [B, C, H, W + H - 1], as dimaging_tf.layers.recurrent2d does it."""
    padded = _shifted(b, x, [0, 0, 0, 0, 0, 0, 0, height])
    flat = b.node("Reshape", padded, b.constant([0, 0, height * (width + height)], "shape"))
    ends = (b.constant([0]), b.constant([-height]), b.constant([2]))
    shape = b.constant([0, 0, height, width + height - 1], "shape")
    return b.node("Reshape", b.node("Slice", flat, *ends), shape)


def _unskew(b: Builder, x: str, height: int, width: int) -> str:
    """The inverse."""
    flat = b.node("Reshape", x, b.constant([0, 0, height * (width + height - 1)], "shape"))
    padded = _shifted(b, flat, [0, 0, 0, 0, 0, height])
    shape = b.constant([0, 0, height, width + height], "shape")
    ends = (b.constant([0]), b.constant([width]), b.constant([3]))
    return b.node("Slice", b.node("Reshape", padded, shape), *ends)


def _shifted(b: Builder, x: str, pads: list[int]) -> str:
    """Zeros added at the ends, or values taken off where a number is negative."""
    return b.node("Pad", x, b.constant(pads, "pads"))


def _mirror(b: Builder, x: str) -> str:
    """[B, C, H, W], columns from right to left."""
    step = (b.constant([-1]), b.constant([-_ALL]), b.constant([3]), b.constant([-1]))
    return b.node("Slice", x, *step)
