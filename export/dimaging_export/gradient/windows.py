"""Rules of operators that slide a window over a map, in one to three dimensions: convolutions, poolings."""

import math
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper

from dimaging_export.gradient.arrangement import TO_THE_END
from dimaging_export.gradient.table import Gradients, Node, refuse, rule
from dimaging_export.gradient.tape import Tape


@dataclass(frozen=True)
class Window:
    """The way of a window: sizes of the map, the kernel and the steps, one number a dimension."""

    size: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def reach(self) -> list[int]:
        """Distance between the first and the last tap, one number a dimension."""
        return [d * (k - 1) for d, k in zip(self.dilations, self.kernel, strict=True)]


@rule("Conv")
def convolution(t: Tape, node: Node, dy: str) -> Gradients:
    """Convolve dy with the turned kernel, by a transposed convolution where the steps are longer than 1."""
    weights = _weights(t, node)
    window = _window(t, node, weights.shape[2:])
    return [_spread(t, dy, weights, node.attribute("group", 1), window)]


@rule("ConvTranspose")
def transposed_convolution(t: Tape, node: Node, dy: str) -> Gradients:
    """Convolve dy with the kernel: the operator is the transpose of that convolution."""
    weights = _weights(t, node)
    kernel = weights.shape[2:]
    axes = len(kernel)
    pads = node.attribute("pads", [0] * 2 * axes)
    if node.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or node.attribute(
        "output_shape"
    ):
        raise refuse(node, "leaves its border to the runtime (auto_pad, output_shape); state pads")
    more = node.attribute("output_padding", [0] * axes)
    # Output padding first brings back what the border at the end cut off, then adds zeros.
    ends = [pad - extra for pad, extra in zip(pads[axes:], more, strict=True)]
    if min(ends) < 0:
        cuts = t.integers(*(min(end, 0) or TO_THE_END for end in ends))
        spatial = t.integers(*range(2, 2 + axes))
        dy = t.op("Slice", dy, t.integers(*[0] * axes), cuts, spatial)
    return [
        t.op(
            "Conv", dy, t.constant(weights), kernel_shape=list(kernel),
            strides=list(node.attribute("strides", [1] * axes)),
            dilations=list(node.attribute("dilations", [1] * axes)),
            pads=[*pads[:axes], *(max(end, 0) for end in ends)],
            group=node.attribute("group", 1),
        )
    ]  # fmt: skip


@rule("AveragePool")
def average_pool(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand each window's share of dy to all that it covers."""
    if node.attribute("ceil_mode", 0):
        raise refuse(node, "rounds its size up (ceil_mode); pad the map before it")
    kernel = tuple(node.attribute("kernel_shape"))
    window = _window(t, node, kernel)
    channels = t.shape(node.inputs[0])[1] or 1
    shared = t.op(
        "Mul", dy, t.constant(1 / _counts(window, node.attribute("count_include_pad", 0)))
    )
    return [_spread(t, shared, np.ones((channels, 1, *kernel), np.float32), channels, window)]


@rule("MaxPool")
def max_pool(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy to the first of the largest in each window, as onnxruntime's indices and TensorFlow do."""
    if node.attribute("storage_order", 0):
        raise refuse(node, "counts its indices by columns (storage_order)")
    x, line = node.inputs[0], t.integers(-1)
    zero = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    zeros = t.op("Reshape", t.op("ConstantOfShape", t.op("Shape", x), value=zero), line)
    where = t.op("Reshape", t.second_output(node), line)
    flat = t.op("Reshape", dy, line)
    sums = t.op("ScatterElements", zeros, where, flat, axis=0, reduction="add")
    return [t.op("Reshape", sums, t.op("Shape", x))]


def _spread(t: Tape, dy: str, weights: np.ndarray, group: int, window: Window) -> str:
    """Append the transpose of a convolution with `weights` [out, in / group, ...]."""
    lead = [r - b for r, b in zip(window.reach, window.before, strict=True)]
    tail = [r - a for r, a in zip(window.reach, window.after, strict=True)]
    if set(window.strides) == {1} and min(*lead, *tail) >= 0:
        outputs, inputs, *kernel = weights.shape
        turned = np.flip(weights, tuple(range(2, weights.ndim)))
        turned = turned.reshape(group, outputs // group, inputs, *kernel).swapaxes(1, 2)
        turned = turned.reshape(group * inputs, outputs // group, *kernel)
        return t.op(
            "Conv", dy, t.constant(turned), kernel_shape=kernel, pads=lead + tail,
            dilations=list(window.dilations), group=group,
        )  # fmt: skip
    missing = [
        size - (s * (out - 1) + r + 1 - b - a)
        for size, out, s, r, b, a in zip(
            window.size, window.output, window.strides, window.reach, window.before, window.after,
            strict=True,
        )
    ]  # fmt: skip
    return t.op(
        "ConvTranspose", dy, t.constant(weights), kernel_shape=list(window.kernel),
        strides=list(window.strides), dilations=list(window.dilations), group=group,
        pads=[*window.before, *window.after], output_padding=missing,
    )  # fmt: skip


def _weights(t: Tape, node: Node) -> np.ndarray:
    weights = t.value(node.inputs[1])
    if weights is None:
        raise refuse(node, "has a kernel that follows from the image")
    return weights


def _window(t: Tape, node: Node, kernel: tuple[int, ...]) -> Window:
    """Read pads and auto_pad: SAME_UPPER puts the odd one at the end, SAME_LOWER at the beginning."""
    axes = len(kernel)
    sizes = t.shape(node.inputs[0])[2:], t.shape(node.outputs[0])[2:]
    if None in (*sizes[0], *sizes[1]):
        raise refuse(node, f"has a map of a free size: {sizes[0]}")
    size, output = (tuple(int(n or 0) for n in side) for side in sizes)
    strides = tuple(node.attribute("strides", [1] * axes))
    dilations = tuple(node.attribute("dilations", [1] * axes))
    pads = list(node.attribute("pads", [0] * 2 * axes))
    mode = node.attribute("auto_pad", "NOTSET")
    if mode.startswith("SAME"):
        totals = [
            max(0, (o - 1) * s + d * (k - 1) + 1 - n)
            for o, s, d, k, n in zip(output, strides, dilations, kernel, size, strict=True)
        ]
        small, large = [p // 2 for p in totals], [p - p // 2 for p in totals]
        pads = small + large if mode == "SAME_UPPER" else large + small
    return Window(
        size, output, tuple(kernel), strides, dilations, tuple(pads[:axes]), tuple(pads[axes:])
    )


def _counts(window: Window, with_border: int) -> np.ndarray:
    """Return how many values each window's mean is taken over, [1, 1, ...output]."""
    if with_border:
        return np.full((1, 1, *[1] * len(window.kernel)), math.prod(window.kernel), np.float64)
    total = np.ones([1] * len(window.kernel))
    for axis, n in enumerate(window.size):
        first = np.arange(window.output[axis]) * window.strides[axis] - window.before[axis]
        taps = first[:, None] + np.arange(window.kernel[axis]) * window.dilations[axis]
        count = ((taps >= 0) & (taps < n)).sum(1)
        total = total * count.reshape([-1 if i == axis else 1 for i in range(len(window.kernel))])
    return total[None, None]
