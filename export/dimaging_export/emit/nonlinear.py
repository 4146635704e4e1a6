"""Emitters of activations: the functions of `keras.activations` and the layers made of them."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.table import emit_layer, emits, emits_operation, unsupported
from dimaging_export.emit.values import Value, axes, axis_of
from dimaging_export.errors import Unsupported

Function = Callable[[Builder, str], str]


def _op(op: str, **attributes: Any) -> Function:
    return lambda b, x: b.node(op, x, **attributes)


def _clip(low: float, high: float) -> Function:
    return lambda b, x: b.node("Clip", x, b.constant(low), b.constant(high))


def _silu(b: Builder, x: str) -> str:
    return b.node("Mul", x, b.node("Sigmoid", x))


def _gelu(b: Builder, x: str) -> str:
    # x / 2 * (1 + erf(x / sqrt 2)), in the order that onnxruntime knows as one kernel
    erf = b.node("Erf", b.node("Div", x, b.constant(math.sqrt(2.0))))
    return b.node("Mul", b.node("Mul", x, b.node("Add", erf, b.constant(1.0))), b.constant(0.5))


def _gelu_tanh(b: Builder, x: str) -> str:
    cube = b.node("Mul", b.node("Mul", b.node("Mul", x, x), x), b.constant(0.044715))
    inner = b.node("Mul", b.node("Add", x, cube), b.constant(math.sqrt(2 / math.pi)))
    half = b.node("Mul", x, b.constant(0.5))
    return b.node("Mul", half, b.node("Add", b.node("Tanh", inner), b.constant(1.0)))


FUNCTIONS: dict[str, Function] = {
    "linear": lambda b, x: x,
    "relu": _op("Relu"),
    "relu6": _clip(0.0, 6.0),
    "leaky_relu": _op("LeakyRelu", alpha=0.2),
    "elu": _op("Elu", alpha=1.0),
    "selu": _op("Selu"),
    "sigmoid": _op("Sigmoid"),
    "hard_sigmoid": _op("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _op("HardSwish"),
    "hard_tanh": _clip(-1.0, 1.0),
    "tanh": _op("Tanh"),
    "softplus": _op("Softplus"),
    "softsign": _op("Softsign"),
    "silu": _silu,
    "mish": _op("Mish"),
    "gelu": _gelu,
    "exponential": _op("Exp"),
}
"""Keras' name of an elementwise function -> what writes its nodes."""

OPERATIONS = {
    "Relu": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Softplus": "Softplus", "Exp": "Exp",
    "Log": "Log", "Sqrt": "Sqrt", "Absolute": "Abs", "Negative": "Neg", "Sin": "Sin", "Cos": "Cos",
    "Floor": "Floor", "Ceil": "Ceil", "Sign": "Sign", "Erf": "Erf", "Reciprocal": "Reciprocal",
}  # fmt: skip
"""Operation of `keras.ops` in a functional graph -> the op of ONNX."""


_ACTIVATIONS = {
    "Silu": "silu", "Relu6": "relu6", "Selu": "selu", "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu", "Softsign": "softsign", "HardTanh": "hard_tanh",
}  # fmt: skip
"""Operation of `keras.ops` -> the name of the activation that it is."""


def activate(b: Builder, function: Any, x: Value) -> Value:
    """Write what a layer holds as `activation`: a function of Keras or a layer."""
    if isinstance(function, keras.layers.Layer):
        return emit_layer(b, function, x)
    if isinstance(function, functools.partial) and function.keywords == {"approximate": True}:
        return b.map(x, lambda source: _gelu_tanh(b, source))
    name = getattr(function, "__name__", str(function))
    if function is None or name == "linear":
        return x
    if name in ("softmax", "log_softmax") and function is keras.activations.get(name):
        return _softmax(b, x, -1, "Softmax" if name == "softmax" else "LogSoftmax")
    if name not in FUNCTIONS or function is not keras.activations.get(name):
        raise Unsupported(
            f"activation {name!r} of layer {b.scope[-1]!r} has no emitter in dimaging_export/emit; "
            f"it knows {', '.join(FUNCTIONS)}, softmax and log_softmax of keras.activations"
        )
    return b.map(x, lambda source: FUNCTIONS[name](b, source))


@emits_operation(*OPERATIONS)
def operation(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.exp and the like."""
    return b.map(x, lambda source: b.node(OPERATIONS[type(op).__name__], source))


@emits_operation(*_ACTIVATIONS)
def activation_operation(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.silu and the like."""
    return b.map(x, lambda source: FUNCTIONS[_ACTIVATIONS[type(op).__name__]](b, source))


@emits_operation("LeakyRelu")
def leaky_relu_operation(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.leaky_relu."""
    return b.map(x, lambda source: b.node("LeakyRelu", source, alpha=float(op.negative_slope)))


@emits_operation("Softmax", "LogSoftmax")
def softmax_operation(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.softmax or log_softmax along one axis."""
    if not isinstance(op.axis, int):
        raise unsupported(op, f"runs over several axes {op.axis}")
    return _softmax(b, x, op.axis, type(op).__name__)


@emits_operation("Gelu")
def gelu(b: Builder, op: Any, x: Value) -> Value:
    """Write keras.ops.gelu, which by default is the approximation with tanh."""
    return b.map(x, lambda source: (_gelu_tanh if op.approximate else _gelu)(b, source))


@emits(layers.Activation)
def activation(b: Builder, layer: Any, x: Value) -> Value:
    """Write the function that an Activation layer holds."""
    return activate(b, layer.activation, x)


@emits(layers.ReLU)
def relu(b: Builder, layer: Any, x: Value) -> Value:
    """Write a ReLU, perhaps leaky or with a ceiling."""
    if layer.threshold or (layer.negative_slope and layer.max_value is not None):
        raise unsupported(layer, "has a threshold, or a slope and a ceiling at once")
    if layer.max_value is not None:
        return b.map(x, lambda source: _clip(0.0, float(layer.max_value))(b, source))
    if layer.negative_slope:
        return leaky_relu(b, layer, x)
    return b.map(x, lambda source: b.node("Relu", source))


@emits(layers.LeakyReLU)
def leaky_relu(b: Builder, layer: Any, x: Value) -> Value:
    """Write x, or slope * x where x is negative."""
    return b.map(x, lambda source: b.node("LeakyRelu", source, alpha=float(layer.negative_slope)))


@emits(layers.ELU)
def elu(b: Builder, layer: Any, x: Value) -> Value:
    """Write x, or alpha * (exp(x) - 1) where x is negative."""
    return b.map(x, lambda source: b.node("Elu", source, alpha=float(layer.alpha)))


@emits(layers.PReLU)
def prelu(b: Builder, layer: Any, x: Value) -> Value:
    """Write a PRelu with a slope per channel or per element; shared axes have length 1 and broadcast."""
    layout = x.working
    slope = np.asarray(layer.alpha)[None].transpose(axes(x.rank, layout))
    slope = slope[0] if slope.shape[0] == 1 else slope
    name = b.node("PRelu", b.form(x, layout), b.constant(slope, "slope"))
    return Value(x.shape, {layout: name})


@emits(layers.Softmax)
def softmax(b: Builder, layer: Any, x: Value) -> Value:
    """Write a softmax over one axis."""
    if not isinstance(layer.axis, int):
        raise unsupported(layer, f"runs over several axes {layer.axis}")
    return _softmax(b, x, layer.axis, "Softmax")


def _softmax(b: Builder, x: Value, axis: int, op: str) -> Value:
    layout = x.working
    name = b.node(op, b.form(x, layout), axis=axis_of(axis, x.rank, layout))
    return Value(x.shape, {layout: name})
