"""Rules of sums of products. A box goes through them as its middle and its half width, both doubled:

    s = low + high, d = high - low          S = W s + 2 b, D = |W| d          (S - D) / 2, (S + D) / 2

The doubles of whole numbers are whole numbers, so no half is lost. Where the sums can be rounded, the box
has to hold what real numbers give, and what float32 gives on any device, in any order, with or without FMA.
With rho of `box.rounding_of_sum`, as shares of absolute terms:

    the device's W x + b    is off by rho (|W| |x| + |b|), at most rho (|W| (|s| + d) / 2 + |b|)
    S                       by rho (|W| |s| + 2 |b|)
    D                       by rho |W| d

D is twice a half width, so together they ask for 2 rho (|W| (|s| + d) + 2 |b|) more of it: d is widened to
d + kappa (|s| + d) and D by 2 kappa |b|, kappa = 2 rho.

Adding 0 rounds nothing. So a matrix's rho counts, image by image, the terms that can be anything but 0;
behind a ReLU they are fewer than all.
"""

from collections.abc import Callable

import numpy as np

from dimaging_export.certificate.box import EXACT_BELOW, SPARE, TINY, Box, rounding_of_sum, steps_of
from dimaging_export.certificate.table import refuse, rule
from dimaging_export.gradient.table import Node
from dimaging_export.gradient.tape import Tape


def doubled(t: Tape, box: Box, kappa: float, terms: int = 0) -> tuple[str, str]:
    """Append s and d of a box, d widened by kappa; 0 where nothing is rounded.

    terms: length of the sums, along the last axis; of a row only those that can differ from 0 count.
    """
    s, d = t.op("Add", box.low, box.high), t.op("Sub", box.high, box.low)
    if not kappa:
        return s, d
    sizes, share = t.op("Add", t.op("Abs", s), d), t.constant(kappa)
    if terms:
        count = t.op("ReduceSum", t.op("Sign", sizes), t.integers(-1), keepdims=1)
        each = t.constant(kappa / (terms + SPARE) * (1 + 2.0**-20))  # more than its own rounding
        share = t.op("Mul", t.op("Add", count, t.constant(float(SPARE))), each)
    return s, t.op("Add", d, t.op("Mul", sizes, share))


def product(
    t: Tape, box: Box, kernel: np.ndarray, bias: np.ndarray, axes: tuple[int, ...],
    multiply: Callable[[str, np.ndarray, np.ndarray], str],
) -> Box:  # fmt: skip
    """Append the box of a sum of products with constant weights.

    axes      those of `kernel` that are summed over
    multiply  (tensor, kernel, bias) -> name of the product
    """
    total = np.abs(kernel.astype(np.float64)).sum(axes) * box.reach + np.abs(bias, dtype=np.float64)
    reach = float(total.max())
    steps = steps_of(kernel, bias)
    steps = None if steps is None or box.steps is None else steps + box.steps
    exact = steps is not None and 2 * reach * 2.0**steps < EXACT_BELOW
    terms = int(np.prod([kernel.shape[a] for a in axes]))
    kappa = 0.0 if exact else 2 * rounding_of_sum(terms)
    s, d = doubled(t, box, kappa, terms if kernel.ndim == 2 else 0)
    widened = np.zeros_like(bias) if exact else 2 * kappa * np.abs(bias) + np.float32(TINY)
    middle = multiply(s, kernel, 2 * bias)
    half = multiply(d, np.abs(kernel), widened.astype(np.float32))
    low, high = (t.op("Mul", t.op(sign, middle, half), t.constant(0.5)) for sign in ("Sub", "Add"))
    reach *= 1 if exact else 1.001  # float32 may pass it by its own error
    return Box(low, high, -reach, reach, steps if exact else None)


@rule("Conv")
def conv(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Convolve the middles with the kernel and the widths with its absolute values."""
    kernel = t.value(node.inputs[1])
    bias = t.value(node.input(2)) if node.input(2) else None
    if kernel is None or (node.input(2) and bias is None):
        raise refuse(node, "has a kernel or a bias that is computed")
    bias = np.zeros(len(kernel), np.float32) if bias is None else bias

    def multiply(x: str, kernel: np.ndarray, bias: np.ndarray) -> str:
        return t.op("Conv", x, t.constant(kernel), t.constant(bias), **node.attributes)

    axes = tuple(range(1, kernel.ndim))
    return product(t, boxes[node.inputs[0]], kernel, bias, axes, multiply)


@rule("Gemm", "MatMul")
def matmul(t: Tape, node: Node, boxes: dict[str, Box]) -> Box:
    """Multiply with a constant matrix from the right."""
    kernel, bias = matrix(t, node)

    def multiply(x: str, kernel: np.ndarray, bias: np.ndarray) -> str:
        return t.op("Add", t.op("MatMul", x, t.constant(kernel)), t.constant(bias))

    return product(t, boxes[node.inputs[0]], kernel, bias, (0,), multiply)


def matrix(t: Tape, node: Node) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel [in, out] and bias [out] of a Gemm or MatMul with constants; ExportError for another."""
    kernel = t.value(node.inputs[1])
    if kernel is None or kernel.ndim != 2:
        raise refuse(node, "multiplies two tensors that both follow from the image")
    if node.op == "MatMul":
        return kernel, np.zeros(kernel.shape[1], np.float32)
    if node.attribute("transA", 0) or {
        node.attribute("alpha", 1.0),
        node.attribute("beta", 1.0),
    } != {1.0}:
        raise refuse(node, "scales or transposes what follows from the image")  # fmt: skip
    kernel = kernel.T if node.attribute("transB", 0) else kernel
    bias = t.value(node.input(2)) if node.input(2) else np.zeros(kernel.shape[1], np.float32)
    if bias is None:
        raise refuse(node, "has a bias that is computed")
    return kernel, np.broadcast_to(bias.reshape(-1), (kernel.shape[1],))
