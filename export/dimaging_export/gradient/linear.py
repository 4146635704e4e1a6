"""Rules of matrix products, normalisations and the softmax; y is the output, dy its gradient."""

import numpy as np

from dimaging_export.gradient.elementwise import unbroadcast
from dimaging_export.gradient.table import Gradients, Node, refuse, rule
from dimaging_export.gradient.tape import Tape


@rule("MatMul")
def matmul(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy B^T to A, and A^T dy to B."""
    a, b = node.inputs
    ranks = len(t.shape(a)), len(t.shape(b))
    weights = t.value(b)
    if weights is not None and weights.ndim == 2 and ranks[0] >= 2:
        return [t.op("MatMul", dy, t.constant(weights.T))]
    if ranks[0] != ranks[1] or ranks[0] < 2 or t.shape(a)[:-2] != t.shape(b)[:-2]:
        raise refuse(
            node, f"multiplies shapes {t.shape(a)} and {t.shape(b)}; the rule repeats no axis"
        )
    turned = [*range(ranks[0] - 2), ranks[0] - 1, ranks[0] - 2]
    to_a, to_b = (t.op("Transpose", name, perm=turned) for name in (b, a))
    return [t.op("MatMul", dy, to_a), t.op("MatMul", to_b, dy)]


@rule("Gemm")
def gemm(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand alpha dy B^T to A, and beta dy to C."""
    weights = t.value(node.inputs[1])
    if weights is None or node.attribute("transA", 0):
        raise refuse(
            node, "has a second factor that follows from the image, or a first one transposed"
        )
    weights = weights if node.attribute("transB", 0) else weights.T
    to_a = t.op("MatMul", dy, t.constant(weights * node.attribute("alpha", 1.0)))
    if not node.input(2) or t.value(node.inputs[2]) is not None:
        return [to_a]
    scaled = t.op("Mul", dy, t.constant(node.attribute("beta", 1.0)))
    return [to_a, None, unbroadcast(t, scaled, node, 2)]


@rule("BatchNormalization")
def batch_normalization(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by scale / sqrt(variance + epsilon), a constant of each channel."""
    scale, variance = t.value(node.inputs[1]), t.value(node.inputs[4])
    if scale is None or variance is None or node.attribute("training_mode", 0):
        raise refuse(node, "is in training mode, or has statistics that follow from the image")
    factor = scale.astype(np.float64) / np.sqrt(
        variance.astype(np.float64) + node.attribute("epsilon", 1e-5)
    )
    ones = [1] * (len(t.shape(node.inputs[0])) - 2)
    return [t.op("Mul", dy, t.constant(factor.reshape(1, -1, *ones)))]


@rule("LayerNormalization")
def layer_normalization(t: Tape, node: Node, dy: str) -> Gradients:
    """Return (g - mean(g) - n mean(g n)) / deviation, where g is dy scale and n the normalised input."""
    x, rank = node.inputs[0], len(t.shape(node.inputs[0]))
    if t.value(node.inputs[1]) is None:
        raise refuse(node, "has a scale that follows from the image")
    axes = t.integers(*range(node.attribute("axis", -1) % rank, rank))

    def mean(name: str) -> str:
        return t.op("ReduceMean", name, axes, keepdims=1)

    centred = t.op("Sub", x, mean(x))
    variance = mean(t.op("Mul", centred, centred))
    deviation = t.op("Sqrt", t.op("Add", variance, t.constant(node.attribute("epsilon", 1e-5))))
    n, g = t.op("Div", centred, deviation), t.op("Mul", dy, node.inputs[1])
    rest = t.op("Sub", t.op("Sub", g, mean(g)), t.op("Mul", n, mean(t.op("Mul", g, n))))
    return [t.op("Div", rest, deviation)]


@rule("Softmax")
def softmax(t: Tape, node: Node, dy: str) -> Gradients:
    """Return y (dy - sum(dy y))."""
    y = node.outputs[0]
    weighted = t.op("Mul", dy, y)
    sums = t.op("ReduceSum", weighted, t.integers(node.attribute("axis", -1)), keepdims=1)
    return [t.op("Sub", weighted, t.op("Mul", y, sums))]


@rule("LogSoftmax")
def log_softmax(t: Tape, node: Node, dy: str) -> Gradients:
    """Return dy - e^y sum(dy)."""
    sums = t.op("ReduceSum", dy, t.integers(node.attribute("axis", -1)), keepdims=1)
    return [t.op("Sub", dy, t.op("Mul", t.op("Exp", node.outputs[0]), sums))]
