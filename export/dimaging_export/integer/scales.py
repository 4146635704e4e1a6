"""Scales of an integer-valued twin: how fine the whole numbers of each tensor are, as a power of two."""

import math
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_export.graph.trace import Call, Trace
from dimaging_tf.density.likelihoods_integer import STEPS
from dimaging_tf.layers.integer import IntegerGate
from dimaging_tf.layers.masked import Gate, MaskedConv2D

BITS = 10
"""Bits of an activation after clipping; before it, one more."""
GATE = 5
"""Bits after the point of the values that enter a gate."""


def calibrate(network: keras.Model, walk: Trace, inputs: dict[str, np.ndarray]) -> dict[int, float]:
    """Return id of a tensor -> its largest |value| over the inputs."""
    probe = keras.Model(network.inputs, [call.op.output for call in walk.calls])
    found = probe([inputs[tensor.name] for tensor in network.inputs], training=False)
    return {
        id(call.output): max(float(np.abs(np.asarray(y)).max()), 1e-3)
        for call, y in zip(walk.calls, keras.tree.flatten(found), strict=True)
    }


def exponents(walk: Trace, ranges: dict[int, float]) -> dict[int, int]:
    """Return id of a tensor -> its exponent: real value = number * 2^-exponent.

    The terms of a sum and the sum share one. ranges: largest |value| of each tensor.
    """
    group = {id(call.output): id(call.output) for call in walk.calls}

    def root(t: int) -> int:
        return t if group[t] == t else root(group[t])

    gated = set()
    for call in walk.calls:
        if isinstance(call.op, Gate):
            gated.add(id(sources_of(call)[0]))
        elif not isinstance(call.op, MaskedConv2D | layers.Dense):
            for x in sources_of(call):
                if id(x) in group:
                    group[root(id(x))] = root(id(call.output))
    largest: dict[int, float] = {}
    for t in group:
        largest[root(t)] = max(largest.get(root(t), 0.0), ranges[t])
    fine = {root(t) for t in gated}
    found = {
        t: GATE if root(t) in fine else math.floor(math.log2((2**BITS - 1) / largest[root(t)]))
        for t in group
    }
    for call in walk.calls:
        if isinstance(call.op, Gate):
            found[id(call.output)] = int(math.log2(IntegerGate.unit))
    (last,) = walk.outputs
    found[id(last)] = int(math.log2(STEPS))
    return found


def sources_of(call: Call) -> list[Any]:
    """Return the tensors that a call reads."""
    return [x for x in keras.tree.flatten(call.args) if isinstance(x, keras.KerasTensor)]
