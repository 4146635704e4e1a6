"""Rules of operators that act on each element: activations, arithmetic, comparisons of two tensors.

x is the input, y the output, dy its gradient.
"""

import math

import numpy as np
from onnx import TensorProto

from dimaging_export.gradient.table import Gradients, Node, refuse, rule
from dimaging_export.gradient.tape import Tape

_STEEP = 1e30
"""Slope at which a HardSigmoid is 0 for y <= 0 and 1 for y > 1e-30: a mask in one node, faster than Where."""
_RELU6 = 6.0
"""The bound of ReLU6, whose derivative there is 0 (TensorFlow's Relu6Grad); other clips pass at theirs."""


@rule("Identity")
def identity(t: Tape, node: Node, dy: str) -> Gradients:
    """Pass dy."""
    return [dy]


@rule("Dropout")
def dropout(t: Tape, node: Node, dy: str) -> Gradients:
    """Pass dy: at inference what goes in comes out."""
    training = t.value(node.input(2)) if node.input(2) else np.False_
    if training is None or training.any():
        raise refuse(node, "leaves values out at random (training_mode); export it for inference")
    return [dy]


@rule("Cast")
def cast(t: Tape, node: Node, dy: str) -> Gradients:
    """Pass dy where floats become float32; a cast to integers, which truncates, is refused."""
    to = TensorProto.DataType.Name(node.attribute("to"))
    if to == "FLOAT":
        return [dy]
    if "INT" in to or to == "BOOL":
        raise refuse(
            node, "turns numbers into integers, whose derivative is 0; export with float inputs"
        )
    raise refuse(node, f"computes in {to}; the rules know float32: export the model in it")


@rule("Relu")
def relu(t: Tape, node: Node, dy: str) -> Gradients:
    """Pass dy where y is above 0; at 0 nothing passes, as in TensorFlow."""
    return [t.op("Mul", dy, t.op("HardSigmoid", node.outputs[0], alpha=_STEEP, beta=0.0))]


@rule("Clip")
def clip(t: Tape, node: Node, dy: str) -> Gradients:
    """Pass dy inside the bounds, and on them, except at a lower bound of 0.

    There a clip is a ReLU with a ceiling, whose derivative at 0 is 0, as in TensorFlow; that of ReLU6 at 6
    too. A clip of the image itself passes at 0 too: a pixel at its bound can still move inward.
    """
    x, low, high = node.inputs[0], _bound(t, node, 1), _bound(t, node, 2)
    if low == 0 and x != t.image:
        y = node.outputs[0]
        dy = t.op("Mul", dy, t.op("HardSigmoid", y, alpha=_STEEP, beta=0.0))
        low = None
        if high is not None and high > 0:
            below = _below(t, y, high) if high == _RELU6 else _up_to(t, x, high)
            return [t.op("Mul", dy, below)]
    if low is None and high is None:
        return [dy]
    outside = [
        t.op(test, x, t.constant(bound))
        for test, bound in (("Less", low), ("Greater", high))
        if bound is not None
    ]
    mask = t.op("Or", *outside) if len(outside) == 2 else outside[0]
    return [t.op("Where", mask, t.constant(0.0), dy)]


def _below(t: Tape, x: str, high: float) -> str:
    """Append a mask: 1 for x < high, 0 from there on; `high` is positive.

    A HardSigmoid is one node where a comparison and Where are two. It is exact: its slope is the inverse of
    the distance to the float32 below `high`; product and sum are whole numbers up to 2^24 around it.
    """
    step = high - float(np.nextafter(np.float32(high), np.float32(0)))
    return t.op("HardSigmoid", x, alpha=-1 / step, beta=high / step)


def _up_to(t: Tape, x: str, high: float) -> str:
    """Append a mask: 1 for x <= high, 0 above; `high` is positive."""
    step = float(np.spacing(np.float32(high)))
    return t.op("HardSigmoid", x, alpha=-1 / step, beta=high / step + 1)


def _bound(t: Tape, node: Node, index: int) -> float | None:
    if not node.input(index):
        return None
    value = t.value(node.input(index))
    if value is None:
        raise refuse(node, "has a bound that is computed")
    number = float(value)
    return number if abs(number) < np.finfo(np.float32).max else None


@rule("LeakyRelu")
def leaky_relu(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by alpha where x is below 0."""
    return [_below_zero(t, node, dy, t.constant(node.attribute("alpha", 0.01)))]


@rule("PRelu")
def prelu(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by a constant slope where x is below 0; there is one, or one a channel."""
    if t.value(node.inputs[1]) is None:
        raise refuse(node, "has a slope that follows from the image")
    return [_below_zero(t, node, dy, node.inputs[1])]


@rule("Elu")
def elu(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by alpha e^x, which is y + alpha, where x is below 0."""
    slope = t.op("Add", node.outputs[0], t.constant(node.attribute("alpha", 1.0)))
    return [_below_zero(t, node, dy, slope)]


@rule("Selu")
def selu(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by gamma where x is above 0, and by gamma alpha e^x, or y + gamma alpha, where below."""
    alpha = node.attribute("alpha", 1.6732632423543772)
    gamma = node.attribute("gamma", 1.0507009873554805)
    below = t.op("Add", node.outputs[0], t.constant(alpha * gamma))
    above = t.op("Greater", node.inputs[0], t.constant(0.0))
    return [t.op("Mul", dy, t.op("Where", above, t.constant(gamma), below))]


def _below_zero(t: Tape, node: Node, dy: str, slope: str) -> str:
    """Return dy where x is above 0, and dy * slope elsewhere."""
    above = t.op("Greater", node.inputs[0], t.constant(0.0))
    return t.op("Where", above, dy, t.op("Mul", dy, slope))


@rule("Sigmoid")
def sigmoid(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by y (1 - y)."""
    y = node.outputs[0]
    return [t.op("Mul", dy, t.op("Mul", y, t.op("Sub", t.constant(1.0), y)))]


@rule("HardSigmoid")
def hard_sigmoid(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by alpha where y lies between 0 and 1, and by 0 elsewhere."""
    y = node.outputs[0]
    above = t.op("HardSigmoid", y, alpha=_STEEP, beta=0.0)
    below = t.op("HardSigmoid", t.op("Sub", t.constant(1.0), y), alpha=_STEEP, beta=0.0)
    slope = t.constant(node.attribute("alpha", 0.2))
    return [t.op("Mul", t.op("Mul", dy, slope), t.op("Mul", above, below))]


@rule("HardSwish")
def hard_swish(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by h + x h', for y = x h(x) with h = clip(x / 6 + 1/2, 0, 1)."""
    x = node.inputs[0]
    h = t.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    inside = t.op("Less", t.op("Abs", x), t.constant(3.0))
    steep = t.op("Where", inside, t.op("Mul", x, t.constant(1 / 6)), t.constant(0.0))
    return [t.op("Mul", dy, t.op("Add", h, steep))]


@rule("Tanh")
def tanh(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by 1 - y^2."""
    y = node.outputs[0]
    return [t.op("Mul", dy, t.op("Sub", t.constant(1.0), t.op("Mul", y, y)))]


@rule("Softplus")
def softplus(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by the sigmoid of x."""
    return [t.op("Mul", dy, t.op("Sigmoid", node.inputs[0]))]


@rule("Softsign")
def softsign(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by (1 - |y|)^2."""
    rest = t.op("Sub", t.constant(1.0), t.op("Abs", node.outputs[0]))
    return [t.op("Mul", dy, t.op("Mul", rest, rest))]


@rule("Erf")
def erf(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by 2 / sqrt(pi) e^(-x^2); a GELU is made of Erf."""
    x = node.inputs[0]
    bell = t.op("Exp", t.op("Neg", t.op("Mul", x, x)))
    return [t.op("Mul", dy, t.op("Mul", bell, t.constant(2 / math.sqrt(math.pi))))]


@rule("Exp")
def exp(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by y."""
    return [t.op("Mul", dy, node.outputs[0])]


@rule("Log")
def log(t: Tape, node: Node, dy: str) -> Gradients:
    """Divide dy by x."""
    return [t.op("Div", dy, node.inputs[0])]


@rule("Sqrt")
def sqrt(t: Tape, node: Node, dy: str) -> Gradients:
    """Divide dy by 2 y."""
    return [t.op("Div", t.op("Mul", dy, t.constant(0.5)), node.outputs[0])]


@rule("Reciprocal")
def reciprocal(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by -y^2."""
    y = node.outputs[0]
    return [t.op("Neg", t.op("Mul", dy, t.op("Mul", y, y)))]


@rule("Neg")
def neg(t: Tape, node: Node, dy: str) -> Gradients:
    """Negate dy."""
    return [t.op("Neg", dy)]


@rule("Abs")
def absolute(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by the sign of x."""
    return [t.op("Mul", dy, t.op("Sign", node.inputs[0]))]


@rule("Add")
def add(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy to both inputs."""
    return [unbroadcast(t, dy, node, i) for i in range(2)]


@rule("Sum")
def total(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy to each input."""
    return [unbroadcast(t, dy, node, i) for i in range(len(node.inputs))]


@rule("Sub")
def sub(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy to the first input, and -dy to the second."""
    return [unbroadcast(t, dy, node, 0), unbroadcast(t, t.op("Neg", dy), node, 1)]


@rule("Mul")
def mul(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand each factor dy times the other one."""
    return [unbroadcast(t, t.op("Mul", dy, node.inputs[1 - i]), node, i) for i in range(2)]


@rule("Div")
def div(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy / b to a, and -dy y / b to b, for y = a / b."""
    first = t.op("Div", dy, node.inputs[1])
    second = t.op("Neg", t.op("Mul", first, node.outputs[0]))
    return [unbroadcast(t, first, node, 0), unbroadcast(t, second, node, 1)]


@rule("Pow")
def power(t: Tape, node: Node, dy: str) -> Gradients:
    """Multiply dy by p x^(p - 1), for a constant exponent p."""
    exponent = t.value(node.inputs[1])
    if exponent is None:
        raise refuse(node, "has an exponent that follows from the image")
    p = exponent.astype(np.float32)
    slope = t.op("Mul", t.op("Pow", node.inputs[0], t.constant(p - 1)), t.constant(p))
    return [unbroadcast(t, t.op("Mul", dy, slope), node, 0)]


@rule("Max", "Min")
def extreme(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy to the larger (smaller) of two inputs, to the first if they are equal, as TensorFlow does."""
    if len(node.inputs) != 2:
        raise refuse(node, f"takes {len(node.inputs)} tensors; the rule knows two")
    test = "GreaterOrEqual" if node.op == "Max" else "LessOrEqual"
    first = t.op(test, *node.inputs)
    zero = t.constant(0.0)
    pairs = [(dy, zero), (zero, dy)]
    return [unbroadcast(t, t.op("Where", first, *pair), node, i) for i, pair in enumerate(pairs)]


@rule("Where")
def where(t: Tape, node: Node, dy: str) -> Gradients:
    """Hand dy to the tensor that was chosen."""
    zero, condition = t.constant(0.0), node.inputs[0]
    pairs = [(dy, zero), (zero, dy)]
    chosen = [t.op("Where", condition, *pair) for pair in pairs]
    return [None, *(unbroadcast(t, dx, node, i + 1) for i, dx in enumerate(chosen))]


def unbroadcast(t: Tape, dy: str, node: Node, index: int) -> str | None:
    """Sum a gradient over the axes along which input `index` was repeated; None for a constant input."""
    name = node.inputs[index]
    if t.value(name) is not None:
        return None
    shape, full = t.shape(name), t.shape(node.outputs[0])
    more = len(full) - len(shape)
    repeated = [i + more for i, size in enumerate(shape) if size == 1 and full[i + more] != 1]
    if repeated:
        dy = t.op("ReduceSum", dy, t.integers(*repeated), keepdims=1)
    if more:
        dy = t.op("ReduceSum", dy, t.integers(*range(more)), keepdims=0)
    return dy
