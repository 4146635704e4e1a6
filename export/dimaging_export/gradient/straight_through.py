"""Rules that differentiate quantisation straight through, so that the gradient of an int8 file is not zero.

The true derivative of rounding is zero almost everywhere. The straight-through estimator (Bengio, Leonard and
Courville 2013, arXiv 1308.3432) takes that of the identity instead, where the value did not saturate; weights
are the dequantised ones. A ReLU that the quantiser dropped, since unsigned integers begin at 0, so lives on
as the saturation at the lower end.

The mask is made of the quantised value and not of what went in: a second reader of a convolution's float
output would keep onnxruntime from computing it in int8, and the gradient would be that of another file.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from dimaging_export.gradient.table import Gradients, Node, refuse, rule

if TYPE_CHECKING:
    from dimaging_export.gradient.tape import Tape


def dequantised(node: Node, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return (q - zero point) * scale of a constant DequantizeLinear, float32; per channel or block."""
    q, scale = values[node.inputs[0]].astype(np.float32), values[node.inputs[1]]
    zero = values[node.inputs[2]] if node.input(2) else np.zeros_like(scale)
    if block := node.attribute("block_size", 0):  # a scale for each block along the axis
        axis = node.attribute("axis", 1)
        scale, zero = (
            np.take(part, np.arange(q.shape[axis]) // block, axis) for part in (scale, zero)
        )
    elif scale.size > 1:
        shape = [1] * q.ndim
        shape[node.attribute("axis", 1)] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    else:
        scale, zero = scale.reshape(()), zero.reshape(())
    return ((q - zero.astype(np.float32)) * scale).astype(np.float32)


@rule("QuantizeLinear")
def quantize(t: "Tape", node: Node, dy: str) -> Gradients:
    """Pass dy where the value lies inside the integer type's range."""
    low, high = _ends(t, node)
    q = t.op("Cast", node.outputs[0], to=TensorProto.FLOAT)
    above = t.op("HardSigmoid", q, alpha=1.0, beta=-float(low))
    below = t.op("HardSigmoid", q, alpha=-1.0, beta=float(high))
    return [t.op("Mul", dy, t.op("Mul", above, below))]


def _ends(t: "Tape", node: Node) -> tuple[int, int]:
    """Return the least and largest integer of a QuantizeLinear's type: of its zero point, or its own word."""
    zero = t.value(node.input(2)) if node.input(2) else None
    if node.input(2) and zero is None:
        raise refuse(node, "has a zero point that is computed")
    if zero is not None:
        name = zero.dtype.name
    else:
        name = TensorProto.DataType.Name(
            node.attribute("output_dtype", 0) or TensorProto.UINT8
        ).lower()
    found = re.fullmatch(r"(u?)int(\d+)", name)
    if not found:
        raise refuse(node, f"quantises to {name}; the rule knows integers")
    bits = int(found[2])
    return (0, 2**bits - 1) if found[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@rule("DequantizeLinear")
def dequantize(t: "Tape", node: Node, dy: str) -> Gradients:
    """Pass dy: together with QuantizeLinear it is the identity."""
    return [dy]


@rule("DynamicQuantizeLinear")
def dynamic_quantize(t: "Tape", node: Node, dy: str) -> Gradients:
    """Divide dy by the scale; the range is taken anew from each input, so nothing saturates."""
    return [t.op("Div", dy, node.outputs[1])]


@rule("MatMulInteger")
def matmul_integer(t: "Tape", node: Node, dy: str) -> Gradients:
    """Hand dy (B - b)^T to A, for (A - a) (B - b) with constant weights B, as real numbers."""
    weights = t.value(node.inputs[1])
    if weights is None:
        raise refuse(node, "multiplies two tensors that both follow from the image")
    zero = t.value(node.input(3)) if node.input(3) else np.zeros((), np.int8)
    if zero is None:
        raise refuse(node, "has a zero point that is computed")
    matrix = weights.astype(np.float32) - zero.astype(np.float32)
    return [t.op("MatMul", dy, t.constant(np.swapaxes(matrix, -1, -2)))]
