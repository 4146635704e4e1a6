"""Emitters of explicit densities: masked convolutions, gates, the log-likelihood of a pixel."""

import math
from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_export.emit.linear import convolution
from dimaging_export.emit.table import emits
from dimaging_export.emit.values import FIRST, LAST, Value, axis_of, first_value, last_value
from dimaging_tf.density.layers import LogLikelihood
from dimaging_tf.density.likelihoods import Bernoulli, Categorical
from dimaging_tf.layers.masked import Gate, MaskedConv2D, PositionBias


@emits(MaskedConv2D)
def masked_conv2d(b: Builder, layer: Any, x: Value) -> Value:
    """Write one Conv with the masked kernel, padded above and on both sides."""
    kernel = np.asarray(layer.masked_kernel())
    if layer.mask == "above":  # one row more below, of zeros: the own row does not count
        kernel = np.concatenate([kernel, np.zeros_like(kernel[:1])])
    pads = [layer.above, layer.left, 0, layer.right]
    return convolution(b, x, kernel, layer.bias, x.shape[1:3], {"pads": pads})


@emits(Gate)
def gate(b: Builder, layer: Any, x: Value) -> Value:
    """Write tanh(a) * sigmoid(b), where a and b are the two halves of the channels."""
    layout = x.layout if x.rank == 4 else LAST
    axis = axis_of(-1, x.rank, layout)
    halves = b.nodes_of("Split", [b.form(x, layout)], 2, axis=axis, num_outputs=2)
    name = b.node("Mul", b.node("Tanh", halves[0]), b.node("Sigmoid", halves[1]))
    return Value(tuple(layer.compute_output_shape(x.shape)), {layout: name})


@emits(PositionBias)
def position_bias(b: Builder, layer: Any, x: Value) -> Value:
    """Write the addition of a constant map [H, W, C]."""
    bias = np.asarray(layer.bias)[None].transpose(0, 3, 1, 2)
    return first_value(b.node("Add", b.first(x), b.constant(bias, "bias")), x.shape)


@emits(LogLikelihood)
def log_likelihood(b: Builder, layer: Any, parameters: Value, image: Value) -> Value:
    """Write the log-likelihood of each pixel in nats, [B, H, W, 1]."""
    kind = layer.likelihood
    shape = (*image.shape[:-1], 1)
    if isinstance(kind, Bernoulli):
        # log p = x logit - softplus(logit)
        layout = FIRST if parameters.layout == FIRST else LAST
        logit = b.form(parameters, layout)
        found = b.node("Mul", b.form(image, layout), logit)
        found = b.node("Sub", found, b.node("Softplus", logit))
        if kind.channels > 1:
            axis = b.constant([axis_of(-1, 4, layout)])
            found = b.node("ReduceSum", found, axis, keepdims=1)
        return Value(shape, {layout: found})
    write = _categorical if isinstance(kind, Categorical) else _mixture
    return last_value(write(b, kind, b.last(parameters), b.last(image)), shape)


def _categorical(b: Builder, kind: Categorical, parameters: str, image: str) -> str:
    shape = b.constant([0, 0, 0, kind.levels, kind.channels], "shape")
    logits = b.node("LogSoftmax", b.node("Reshape", parameters, shape), axis=3)
    symbol = b.node("Round", b.node("Mul", image, b.constant(float(kind.levels - 1))))
    index = b.node("Unsqueeze", b.node("Cast", symbol, to=7), b.constant([3]))
    found = b.node("GatherElements", logits, index, axis=3)
    total = b.node("ReduceSum", found, b.constant([3, 4]), keepdims=0)
    return b.node("Unsqueeze", total, b.constant([3]))


def _mixture(b: Builder, kind: Any, parameters: str, image: str) -> str:
    k, c = kind.components, kind.channels
    pairs = c * (c - 1) // 2
    sizes = [k] * (1 + 2 * c + pairs)
    weights, *rest = b.nodes_of("Split", [parameters, b.constant(sizes)], len(sizes), axis=3)
    values = b.node("Sub", b.node("Mul", image, b.constant(2.0)), b.constant(1.0))
    colours = b.nodes_of("Split", [values], c, axis=3, num_outputs=c) if c > 1 else [values]
    half = 1 / (kind.levels - 1)
    total, pair = b.node("LogSoftmax", weights, axis=3), 0
    for colour in range(c):
        mean = rest[colour]
        for earlier in range(colour):
            coupling = b.node("Tanh", rest[2 * c + pair])
            mean = b.node("Add", mean, b.node("Mul", coupling, colours[earlier]))
            pair += 1
        scale = b.node("Max", rest[c + colour], b.constant(-7.0))
        narrow = b.node("Exp", b.node("Neg", scale))
        centred = b.node("Sub", colours[colour], mean)
        upper = b.node("Mul", narrow, b.node("Add", centred, b.constant(half)))
        lower = b.node("Mul", narrow, b.node("Sub", centred, b.constant(half)))
        # Sinh of more would overflow, and log(sinh(x)) - x is -log 2 from far below on.
        width = b.node("Min", b.node("Mul", narrow, b.constant(half)), b.constant(40.0))
        inside = b.node("Sub", b.node("Log", b.node("Sinh", width)), width)
        inside = b.node("Add", inside, b.constant(math.log(2)))
        below = b.node("Neg", b.node("Softplus", b.node("Neg", upper)))
        above = b.node("Neg", b.node("Softplus", lower))
        inside = b.node("Add", inside, b.node("Add", below, above))
        top = b.node("Greater", colours[colour], b.constant(1 - half))
        bottom = b.node("Less", colours[colour], b.constant(half - 1))
        inside = b.node("Where", top, above, inside)
        total = b.node("Add", total, b.node("Where", bottom, below, inside))
    return b.node("ReduceLogSumExp", total, b.constant([3]), keepdims=1)
