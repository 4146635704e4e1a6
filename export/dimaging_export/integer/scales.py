"""Scales of an integer-valued twin: how fine the whole numbers of each tensor are, as a power of two."""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_export.graph.trace import Call, Trace
from dimaging_tf.density.likelihoods_integer import STEPS
from dimaging_tf.layers.integer import IntegerGate
from dimaging_tf.layers.masked import Gate, MaskedConv2D

BITS = 11
"""Bits of an activation after clipping; before it, one more."""
TRUNK = 7
"""Bits that a trunk has more than other activations, or as many fewer as its sums need to stay exact."""
GATE = 5
"""Bits after the point of the values that enter a gate."""


@dataclass(frozen=True)
class Range:
    """What a tensor [B, H, W, C] holds over the calibration inputs."""

    largest: float
    """Largest |value|."""
    mean: np.ndarray
    """Mean of each channel, [C]."""


def calibrate(network: keras.Model, walk: Trace, inputs: dict[str, np.ndarray]) -> dict[int, Range]:
    """Return id of a tensor -> its range over the inputs."""
    probe = keras.Model(network.inputs, [call.op.output for call in walk.calls])
    given = [inputs[tensor.name] for tensor in network.inputs]
    found = keras.tree.flatten(probe(given, training=False))
    tensors = [*walk.inputs, *(call.output for call in walk.calls)]
    return {
        id(tensor): _range(np.asarray(y))
        for tensor, y in zip(tensors, [*given, *found], strict=True)
    }


def _range(y: np.ndarray) -> Range:
    mean = y.reshape(-1, y.shape[-1]).mean(0, dtype=np.float64)
    return Range(max(float(np.abs(y).max()), 1e-3), mean)


def exponent_of(largest: float, bits: int) -> int:
    """Return the finest exponent at which values up to `largest` are whole numbers of so many bits."""
    return math.floor(math.log2((2**bits - 1) / largest))


def exponents(
    walk: Trace, ranges: dict[int, Range], more: int = 0
) -> tuple[dict[int, int], frozenset[int]]:
    """Return id of a tensor -> its exponent (real value = number * 2^-exponent), and the tensors of trunks.

    The terms of a sum and the sum share one exponent. What a network adds up over its depth, a trunk, grows
    from block to block, so its first values are small in units of the last: it gets `more` bits, and whoever
    reads it takes BITS of them, by its own range. What only a ReLU reads is scaled by what the ReLU lets
    through.
    """
    group = {id(call.output): id(call.output) for call in walk.calls}

    def root(t: int) -> int:
        return t if group[t] == t else root(group[t])

    gated, summed, read = set(), set(), dict[int, list[int]]()
    for call in walk.calls:
        for x in sources_of(call):
            relu = isinstance(call.op, layers.ReLU)
            read.setdefault(id(x), []).append(id(call.output) if relu else id(x))
        if isinstance(call.op, Gate):
            gated.add(id(sources_of(call)[0]))
        elif not isinstance(call.op, MaskedConv2D | layers.Dense | layers.ReLU):
            summed.add(id(call.output))
            for x in sources_of(call):
                if id(x) in group:
                    group[root(id(x))] = root(id(call.output))
    fine = {root(t) for t in gated}
    trunks = {root(t) for t in summed} - fine
    largest: dict[int, float] = {}
    for t in group:
        readers = [t] if root(t) in trunks else read.get(t, [t])
        reached = max(ranges[reader].largest for reader in readers)
        largest[root(t)] = max(largest.get(root(t), 0.0), reached)

    def exponent(t: int) -> int:
        return exponent_of(largest[root(t)], BITS + (more if root(t) in trunks else 0))

    found = {t: GATE if root(t) in fine else exponent(t) for t in group}
    for call in walk.calls:
        if isinstance(call.op, Gate):
            found[id(call.output)] = int(math.log2(IntegerGate.unit))
    (last,) = walk.outputs
    found[id(last)] = int(math.log2(STEPS))
    return found, frozenset(t for t in group if root(t) in trunks)


def sources_of(call: Call) -> list[Any]:
    """Return the tensors that a call reads."""
    return [x for x in keras.tree.flatten(call.args) if isinstance(x, keras.KerasTensor)]
