"""Emitters of the LSTMs that travel through an image: each is a Scan whose body is one step.

The channels stay first. A step of a row LSTM is a line [B, C, W], a step of a diagonal one a line [B, C, H],
and the state-to-state part is a convolution along that line.
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
"""An index beyond the end of every axis."""


def cell(b: Builder, gates: str, c: str, filters: int, axis: int) -> tuple[str, str]:
    """Write the state h and the cell c of one step of an LSTM, from its gates and the cell before.

    axis: that of the channels.
    """
    sizes = b.constant([3 * filters, filters])
    sigmoids, new = b.nodes_of("Split", [gates, sizes], 2, axis=axis)
    sigmoids = b.node("Sigmoid", sigmoids)
    o, f, i = b.nodes_of("Split", [sigmoids], 3, axis=axis, num_outputs=3)
    kept, entered = b.node("Mul", f, c), b.node("Mul", i, b.node("Tanh", new))
    c = b.node("Add", kept, entered)
    return b.node("Mul", o, b.node("Tanh", c)), c


@emits(RowLSTM)
def row_lstm(b: Builder, layer: Any, x: Value) -> Value:
    """Write a Scan over the rows."""
    _, width = _size(layer, x)
    gates = b.first(masked_conv2d(b, layer.input_to_state, x))
    h = _scan_map(b, layer, gates, 2, width)
    return first_value(h, layer.compute_output_shape(x.shape))


@emits(DiagonalLSTM)
def diagonal_lstm(b: Builder, layer: Any, x: Value) -> Value:
    """Write a Scan over the columns of the skewed map, which is mirrored for the direction "right"."""
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
        raise unsupported(
            layer, "needs a known height and width; give the model's image a fixed shape"
        )
    return height, width


def scan(
    b: Builder,
    gates: str,
    step: Callable[[Builder, str, str], str],
    batch: str,
    sizes: tuple[int, ...],
    attributes: dict[str, list[int]],
) -> str:
    """Write a Scan of an LSTM that starts from zeros; returns the states h of all steps.

    gates: their input-to-state part. step: (body, h before, gates of the step) -> the gates with their
    state-to-state part. batch: name of an int64 tensor [1] with the batch size. sizes: those of h behind the
    batch, channels first. attributes: those of the Scan, which say which axis is time.
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
    """Write the states h [B, F, H, W] from gates [B, 4 F, H, W].

    axis: that of time. length: the size of the other one of height and width.
    """
    kernel = np.asarray(layer.kernel).transpose(2, 1, 0)

    def step(body: Builder, h: str, gate: str) -> str:
        weights = body.constant(kernel, "kernel")
        return body.node("Add", gate, body.node("Conv", h, weights, pads=list(layer.reach)))

    batch = b.node("Shape", gates, start=0, end=1)
    axes = {"scan_input_axes": [axis], "scan_output_axes": [axis]}
    return scan(b, gates, step, batch, (layer.filters, length), axes)


def _skew(b: Builder, x: str, height: int, width: int) -> str:
    """Write each row moved one column further than the row above, as dimaging_tf.layers.recurrent2d does it.

    [B, C, H, W] becomes [B, C, H, W + H - 1].
    """
    padded = _shifted(b, x, [0, 0, 0, 0, 0, 0, 0, height])
    flat = b.node("Reshape", padded, b.constant([0, 0, height * (width + height)], "shape"))
    ends = (b.constant([0]), b.constant([-height]), b.constant([2]))
    shape = b.constant([0, 0, height, width + height - 1], "shape")
    return b.node("Reshape", b.node("Slice", flat, *ends), shape)


def _unskew(b: Builder, x: str, height: int, width: int) -> str:
    """Write the inverse of `_skew`."""
    flat = b.node("Reshape", x, b.constant([0, 0, height * (width + height - 1)], "shape"))
    padded = _shifted(b, flat, [0, 0, 0, 0, 0, height])
    shape = b.constant([0, 0, height, width + height], "shape")
    ends = (b.constant([0]), b.constant([width]), b.constant([3]))
    return b.node("Slice", b.node("Reshape", padded, shape), *ends)


def _shifted(b: Builder, x: str, pads: list[int]) -> str:
    """Write zeros added at the ends of axes, or values taken off where a number is negative."""
    return b.node("Pad", x, b.constant(pads, "pads"))


def _mirror(b: Builder, x: str) -> str:
    """Write a map [B, C, H, W] with its columns from right to left."""
    step = (b.constant([-1]), b.constant([-_ALL]), b.constant([3]), b.constant([-1]))
    return b.node("Slice", x, *step)
