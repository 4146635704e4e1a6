"""LSTMs inside a sampler: the state of a row is carried to the next row, that of a pixel to the right.

                      known once a row                             at every pixel
RowLSTM               state of the row above times its kernel      own taps, cell
DiagonalLSTM left     state of the row above times its kernel      own taps, state to the left, cell
DiagonalLSTM right    everything: it knows rows above only         -

The DiagonalLSTM "right" scans the row above from right to left; all but one of its taps are computed before,
for all columns at once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.spatial_lstm import cell, scan
from dimaging_export.errors import ExportError
from dimaging_export.graph.trace import Call
from dimaging_export.samplers import taps
from dimaging_export.samplers.plan import Part, Plan, Step, kind_of, unfolds
from dimaging_tf.layers.recurrent2d import DiagonalLSTM, RowLSTM


def check_rows(p: Plan) -> None:
    """Raise ExportError where a row cannot be drawn at once."""
    if p.before:
        raise ExportError(
            "a DiagonalLSTM hands its state from pixel to pixel, so a row cannot be drawn at once; "
            "received inner='rows', use inner='pixels'"
        )


@unfolds(RowLSTM)
def row_lstm(p: Plan, call: Call, source: int) -> list[Step]:
    """Plan a row LSTM: its row term, its input-to-state convolution and its cell."""
    filters, h = call.op.filters, id(call.output)
    above, gates = _gates(p, call, source, call.op.kernel)
    c, c_above = p.tensor("pixel", filters), p.tensor("row", filters)
    p.above[c_above] = c
    part = Cell(call.op.name, filters, gates.output, c_above, h, c)
    return [above, gates, Step(part, [gates.output, c_above], h, "pixel", filters)]


@unfolds(DiagonalLSTM)
def diagonal_lstm(p: Plan, call: Call, source: int) -> list[Step]:
    """Plan a diagonal LSTM: "left" as a row LSTM with the pixel to the left, "right" as one step a row."""
    layer, filters, h = call.op, call.op.filters, id(call.output)
    if layer.direction == "right":
        x_above, h_above = p.tensor("row", p.channels[source]), p.tensor("row", filters)
        p.above.update({x_above: source, h_above: h})
        part = RightToLeft(layer.name, layer, x_above, h_above, h)
        return [Step(part, [x_above, h_above], h, "row", filters)]
    above, gates = _gates(p, call, source, layer.kernel[:1])
    # `own` is the output by another name, for others may read the output further to the left.
    own, c, own_left, c_left = (p.tensor("pixel", filters) for _ in range(4))
    p.before.update({own_left: own, c_left: c})
    part = LeftCell(
        layer.name, filters, gates.output, c_left, h, c,
        own=own, own_left=own_left, kernel=np.asarray(layer.kernel[1]),
    )  # fmt: skip
    inputs = [gates.output, own_left, c_left]
    return [above, gates, Step(part, inputs, h, "pixel", filters)]


def _gates(p: Plan, call: Call, source: int, kernel: Any) -> tuple[Step, Step]:
    """Plan the row term, and the convolution that takes it in."""
    conv = call.op.input_to_state
    if kind_of(conv, {p.kinds[source]}) != "pixel":
        raise ExportError(
            f"{call.op.name}: an LSTM in a sampler reads values of the own row; received an input "
            "that is known before the row is drawn"
        )
    h_above, term = p.tensor("row", call.op.filters), p.tensor("row", conv.filters)
    p.above[h_above] = id(call.output)
    part = AboveState(call.op.name, np.asarray(kernel), call.output.shape[2], h_above, term)
    gates = p.tensor("pixel", conv.filters)
    return (
        Step(part, [h_above], term, "row", conv.filters),
        Step(conv, [source], gates, "pixel", conv.filters, addends=[term]),
    )


@dataclass(frozen=True)
class AboveState(Part):
    """The part that multiplies the state of the row above, seen from each column, by a kernel.

    kernel: [1 or 3, F, 4 F].
    """

    name: str
    kernel: np.ndarray
    width: int
    h_above: int
    term: int

    def write(self, b: Builder, names: dict[int, str], row: str = "") -> None:
        """Write the row term [W, B, 4 F]."""
        reach = len(self.kernel) // 2
        pieces = taps.columns(b, names[self.h_above], reach, reach, self.width)
        kernel = self.kernel.reshape(-1, self.kernel.shape[-1])
        names[self.term] = taps.row_product(b, pieces, kernel)


@dataclass(frozen=True)
class Cell(Part):
    """The part that makes the new state of gates and the cell before, for a pixel or for a whole row."""

    name: str
    filters: int
    gates: int
    c_before: int
    h: int
    c: int

    def write(self, b: Builder, names: dict[int, str], row: str = "") -> None:
        """Write h and c."""
        gates = self.gated(b, names)
        names[self.h], names[self.c] = cell(b, gates, names[self.c_before], self.filters, -1)

    def gated(self, b: Builder, names: dict[int, str]) -> str:
        """Return the name of the gates before their functions."""
        return names[self.gates]


@dataclass(frozen=True)
class LeftCell(Cell):
    """A cell whose gates also read the state to the left, times a kernel [F, 4 F]."""

    own: int
    own_left: int
    kernel: np.ndarray

    def write(self, b: Builder, names: dict[int, str], row: str = "") -> None:
        """Write h, under both of its names, and c."""
        super().write(b, names)
        names[self.own] = names[self.h]

    def gated(self, b: Builder, names: dict[int, str]) -> str:
        """Write the gates with the product of the state to the left."""
        kernel = b.constant(self.kernel, "kernel")
        return b.node("Gemm", names[self.own_left], kernel, names[self.gates])


@dataclass(frozen=True)
class RightToLeft(Part):
    """The part that is a whole DiagonalLSTM of the direction "right", for one row."""

    name: str
    layer: Any
    x_above: int
    h_above: int
    h: int

    def write(self, b: Builder, names: dict[int, str], row: str = "") -> None:
        """Write h [W, B, F]; it is zeros in the first row, which has none above."""
        conv, (above, beside) = self.layer.input_to_state, np.asarray(self.layer.kernel)
        kernel = np.concatenate([np.asarray(conv.masked_kernel())[0, 0], above])
        gates = taps.row_product(b, [names[self.x_above], names[self.h_above]], kernel)
        gates = b.node("Add", gates, b.constant(taps.bias(conv), "bias"))
        batch = b.node("Shape", gates, start=1, end=2)

        def step(body: Builder, h: str, gate: str) -> str:
            return body.node("Gemm", h, body.constant(beside, "kernel"), gate)

        backwards = {"scan_input_directions": [1], "scan_output_directions": [1]}
        found = scan(b, gates, step, batch, (self.layer.filters,), backwards)
        later = b.node("Cast", b.node("Greater", row, b.constant(0)), to=TensorProto.FLOAT)
        names[self.h] = b.node("Mul", found, later)
