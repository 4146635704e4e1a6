"""Rules of operators that keep the order of numbers: the ends of a box go through them as they are.

Float32 keeps that order too: where a <= b, a rounded result of a is never above that of b.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from dimaging_export.certificate.box import EXACT_BELOW, UNIT, Box, steps_of
from dimaging_export.certificate.table import refuse, rule
from dimaging_export.gradient.table import Node
from dimaging_export.gradient.tape import Tape


def both(t: Tape, node: Node, box: Box) -> tuple[str, str]:
    """Append the node once for each end of the box of its first input; returns their names."""
    low, high = (
        t.op(node.op, end, *node.inputs[1:], **node.attributes) for end in (box.low, box.high)
    )
    return low, high


@rule("Identity", "Dropout", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "MaxPool")
def arrange(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Arrange or choose among both ends alike."""
    box = boxes[node.inputs[0]]
    if any(name in boxes for name in node.inputs[1:]):
        raise refuse(node, "is arranged by what follows from the image")
    return Box(*both(t, node, box), box.least, box.most, box.steps)


@rule("Concat")
def concat(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Join the low ends, and the high ones."""
    if any(name not in boxes for name in node.inputs):
        raise refuse(node, "joins what follows from the image with constants")
    parts = [boxes[name] for name in node.inputs]
    low = t.op("Concat", *(part.low for part in parts), **node.attributes)
    high = t.op("Concat", *(part.high for part in parts), **node.attributes)
    known = [part.steps for part in parts if part.steps is not None]
    steps = max(known) if len(known) == len(parts) else None
    return Box(low, high, min(p.least for p in parts), max(p.most for p in parts), steps)


@rule("Relu")
def relu(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Cut both ends at 0."""
    box = boxes[node.inputs[0]]
    return Box(*both(t, node, box), max(box.least, 0.0), max(box.most, 0.0), box.steps)


@rule("Clip")
def clip(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Cut both ends at constant bounds."""
    box = boxes[node.inputs[0]]
    ends = [t.value(name) if name else None for name in (node.input(1), node.input(2))]
    if any(name and end is None for name, end in zip(node.inputs[1:], ends, strict=False)):
        raise refuse(node, "has a bound that is computed")
    low, high = (
        default if end is None else float(end)
        for end, default in zip(ends, (-math.inf, math.inf), strict=True)
    )
    least, most = (min(max(value, low), high) for value in (box.least, box.most))
    bounds = [end for end in ends if end is not None]
    steps = None if box.steps is None else steps_of(*bounds)
    steps = None if steps is None or box.steps is None else max(steps, box.steps)
    return Box(*both(t, node, box), least, most, steps)


@rule("Floor")
def floor(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Round both ends down: what comes out are whole numbers."""
    box = boxes[node.inputs[0]]
    return Box(*both(t, node, box), math.floor(box.least), math.floor(box.most), 0)


@rule("Add", "Sub", "Mul")
def arithmetic(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Add or subtract a constant or a second box, or multiply by a constant of 0 or more."""
    first, second = (boxes.get(name) or t.value(name) for name in node.inputs)
    if not isinstance(first, Box) and node.op != "Sub":
        first, second = second, first
    if not isinstance(first, Box):
        raise refuse(node, "subtracts what follows from the image from a constant")
    if isinstance(second, Box):
        return _two_boxes(t, node, first, second)
    if second is None or (node.op == "Mul" and (second < 0).any()):
        raise refuse(node, "has a factor that is computed or below 0")
    value = np.asarray(second, np.float64)
    combine: dict[str, Callable] = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}
    corners = [combine[node.op](end, value) for end in (first.least, first.most)]
    least, most = float(np.min(corners)), float(np.max(corners))
    steps = steps_of(np.asarray(second))
    if steps is not None and first.steps is not None:
        steps = steps + first.steps if node.op == "Mul" else max(steps, first.steps)
    else:
        steps = None
    constant = t.constant(second)
    ends = [t.op(node.op, end, constant) for end in (first.low, first.high)]
    return _rounded(t, ends, [first.low, first.high], constant, least, most, steps)


def _two_boxes(t: Tape, node: Node, a: Box, b: Box) -> Box:
    if node.op == "Mul":
        raise refuse(node, "multiplies two tensors that both follow from the image")
    steps = None if a.steps is None or b.steps is None else max(a.steps, b.steps)
    low, high, least, most = b.low, b.high, b.least, b.most
    if node.op == "Sub":
        low, high, least, most = high, low, -most, -least
    ends = [t.op(node.op, a.low, low), t.op(node.op, a.high, high)]
    widths = t.op("Add", t.op("Abs", a.low), t.op("Abs", a.high))
    others = t.op("Add", t.op("Abs", b.low), t.op("Abs", b.high))
    return _rounded(t, ends, [widths, widths], others, a.least + least, a.most + most, steps)


def _rounded(
    t: Tape, ends: list[str], terms: list[str], other: str, least: float, most: float, steps: int | None
) -> Box:  # fmt: skip
    """Widen both ends by what rounding can do, unless the numbers are exact."""
    if steps is not None and max(abs(least), abs(most)) * 2.0**steps < EXACT_BELOW:
        return Box(ends[0], ends[1], least, most, steps)
    share, wide = t.constant(4 * UNIT), partial(t.op, "Abs")
    slack = [
        t.op("Mul", share, t.op("Add", wide(end), t.op("Add", wide(term), wide(other))))
        for end, term in zip(ends, terms, strict=True)
    ]
    low, high = t.op("Sub", ends[0], slack[0]), t.op("Add", ends[1], slack[1])
    more = 16 * UNIT * (abs(least) + abs(most)) + 1e-6
    return Box(low, high, least - more, most + more)


@rule("QuantizeLinear")
def quantize(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Round to steps of a power of two, such as the thresholds of pixels."""
    scale, zero = t.value(node.inputs[1]), t.value(node.input(2)) if node.input(2) else None
    if scale is None or zero is None or scale.size != 1 or not _is_power(float(scale)):
        raise refuse(
            node, "divides by a scale that is no power of two, and how a device rounds that nobody knows. "
            "Export the certificate with precision='fp32' or 'integer'"
        )  # fmt: skip
    box, ends = boxes[node.inputs[0]], np.iinfo(zero.dtype)
    least, most = (
        min(max(np.rint(end / float(scale)) + float(zero), ends.min), ends.max)
        for end in (box.least, box.most)
    )
    return Box(*both(t, node, box), float(least), float(most), 0)


@rule("DequantizeLinear")
def dequantize(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Undo it: (q - zero point) * scale, exactly."""
    scale, zero = t.value(node.inputs[1]), t.value(node.input(2)) if node.input(2) else None
    if scale is None or zero is None or scale.size != 1 or not _is_power(float(scale)):
        raise refuse(node, "has a scale that is no power of two")
    box, step = boxes[node.inputs[0]], float(scale)
    least, most = ((end - float(zero)) * step for end in (box.least, box.most))
    return Box(*both(t, node, box), least, most, max(0, -int(math.log2(step))))


@rule("Cast")
def cast(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Change the type of both ends, from float32 or bytes to float32."""
    if node.attribute("to") != 1:
        raise refuse(node, "turns numbers into another type than FLOAT")
    box = boxes[node.inputs[0]]
    return Box(*both(t, node, box), box.least, box.most, box.steps)


def _is_power(scale: float) -> bool:
    return scale > 0 and math.log2(scale).is_integer()
