"""The likelihoods of dimaging_tf.density.likelihoods_integer as ONNX nodes: tables, exact sums and products.

All tensors have the channels last. Parameters come from an integer-valued network and lie within its reach.
K is the number of a mixture's components.
"""

from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_tf.density.likelihoods_integer import (
    REACH,
    STEPS,
    IntegerBernoulli,
    IntegerLogisticMixture,
)


def weights(b: Builder, likelihood: Any, parameters: str, rank: int, pixel: str) -> str:
    """Write the integer weights of the symbols, [..., C, levels].

    parameters: [..., count], of this rank. pixel: symbols [..., C], which a mixture in colour reads.
    """
    if isinstance(likelihood, IntegerLogisticMixture):
        return _mixture_weights(b, likelihood, parameters, pixel)
    if isinstance(likelihood, IntegerBernoulli):
        one = table_of_logit(b, likelihood, parameters)
        zero = b.node("Sub", b.constant(65536.0), one)
        last = b.constant([-1])
        return b.node("Concat", *(b.node("Unsqueeze", x, last) for x in (zero, one)), axis=-1)
    lead = rank - 1
    shape = b.constant([0] * lead + [likelihood.levels, likelihood.channels], "shape")
    logits = b.node("Reshape", parameters, shape)
    logits = b.node("Transpose", logits, perm=[*range(lead), lead + 1, lead])
    return _below_largest(b, likelihood.table(), logits)


def symbols(b: Builder, likelihood: Any, parameters: str, noise: str) -> str:
    """Write symbols [..., C] drawn from a categorical distribution or a mixture."""
    write = _mixture if isinstance(likelihood, IntegerLogisticMixture) else _categorical
    drawn = write(b, likelihood, parameters, noise)
    return b.node("Concat", *drawn, axis=-1) if drawn[1:] else drawn[0]


def table_of_logit(b: Builder, likelihood: IntegerBernoulli, logit: str) -> str:
    """Write 65536 times the probability of a 1."""
    index = b.node("Cast", b.node("Add", logit, b.constant(float(REACH))), to=6)
    return b.node("Gather", b.constant(likelihood.table(), "table"), index)


def by_colour(b: Builder, likelihood: Any, parameters: str, noise: str) -> list[tuple[str, str]]:
    """Write for each colour the logits of its levels, and its noise."""
    levels, channels = likelihood.levels, likelihood.channels
    if channels == 1:
        return [(parameters, noise)]
    index = np.arange(levels * channels).reshape(levels, channels).T.reshape(-1)
    ordered = b.node("Gather", parameters, b.constant(index, "colours"), axis=-1)
    parts = b.nodes_of("Split", [ordered], channels, axis=-1, num_outputs=channels)
    noises = b.nodes_of("Split", [noise], channels, axis=-1, num_outputs=channels)
    return list(zip(parts, noises, strict=True))


def _categorical(b: Builder, likelihood: Any, parameters: str, noise: str) -> list[str]:
    return [
        _passed(b, _below_largest(b, likelihood.table(), logits), u)
        for logits, u in by_colour(b, likelihood, parameters, noise)
    ]


def _mixture(
    b: Builder, likelihood: IntegerLogisticMixture, parameters: str, noise: str
) -> list[str]:
    k, c = likelihood.components, likelihood.channels
    logits, means, scales, couplings = _split(b, likelihood, parameters)
    noises = b.nodes_of("Split", [noise], 1 + c, axis=-1, num_outputs=1 + c)
    shares = _below_largest(b, likelihood.tables()["share"], logits)
    index = b.node("Cast", _passed(b, shares, noises[0]), to=7)
    one_hot = b.node("Cast", b.node("Equal", index, b.constant(np.arange(k))), to=1)

    def chosen(part: str) -> str:
        return b.node("ReduceSum", b.node("Mul", part, one_hot), b.constant([-1]), keepdims=1)

    drawn: list[str] = []
    for colour, pairs in enumerate(likelihood.pairs()):
        earlier = [(chosen(couplings[p]), drawn[e]) for e, p in enumerate(pairs)]
        mean = _moved(b, likelihood, chosen(means[colour]), earlier)
        narrow = _narrow(b, likelihood, chosen(scales[colour]))
        below = _below(b, likelihood, mean, narrow, b.constant(likelihood.edges[1:-1], "edges"))
        u = b.node("Mul", noises[1 + colour], b.constant(float(likelihood.whole)))
        drawn.append(_count(b, b.node("LessOrEqual", below, u)))
    return drawn


def _mixture_weights(
    b: Builder, likelihood: IntegerLogisticMixture, parameters: str, pixel: str
) -> str:
    k, c = likelihood.components, likelihood.channels
    logits, means, scales, couplings = _split(b, likelihood, parameters)
    colours = b.nodes_of("Split", [pixel], c, axis=-1, num_outputs=c) if c > 1 else []
    shares = _below_largest(b, likelihood.tables()["share"], logits)
    edges = b.constant(likelihood.edges, "edges")
    part, last, found = b.constant(2.0**-likelihood.shift), b.constant([-1]), []
    for colour, pairs in enumerate(likelihood.pairs()):
        earlier = [(couplings[p], colours[e]) for e, p in enumerate(pairs)]
        mean = _moved(b, likelihood, means[colour], earlier)
        narrow = _narrow(b, likelihood, scales[colour])
        terms = []
        for m, n, share in zip(*(_columns(b, x, k) for x in (mean, narrow, shares)), strict=True):
            scaled = b.node("Mul", b.node("Mul", _below(b, likelihood, m, n, edges), share), part)
            terms.append(b.node("Floor", scaled))
        total = b.node("Sum", *terms)
        upper = b.node("Slice", total, b.constant([1]), b.constant([2**31]), last)
        lower = b.node("Slice", total, b.constant([0]), last, last)
        weight = b.node("Add", b.node("Sub", upper, lower), b.constant(1.0))
        found.append(b.node("Unsqueeze", weight, b.constant([-2])))
        if colour + 1 < c:
            shares = _known(b, likelihood, shares, mean, narrow, colours[colour])
    return b.node("Concat", *found, axis=-2) if found[1:] else found[0]


def _split(
    b: Builder, likelihood: IntegerLogisticMixture, parameters: str
) -> tuple[str, list[str], list[str], list[str]]:
    """Write the parameters apart: logits, means and scales of each colour, couplings; [..., K] each."""
    k, c = likelihood.components, likelihood.channels
    logits, *rest = _columns(b, parameters, likelihood.count // k, k)
    return logits, rest[:c], rest[c : 2 * c], rest[2 * c :]


def _columns(b: Builder, x: str, count: int, width: int = 1) -> list[str]:
    """Write `count` pieces of the last axis, each of this width."""
    sizes = b.constant([width] * count)
    return b.nodes_of("Split", [x, sizes], count, axis=-1) if count > 1 else [x]


def _moved(
    b: Builder, likelihood: IntegerLogisticMixture, mean: str, earlier: list[tuple[str, str]]
) -> str:
    """Write the mean, moved by the colours before and clipped.

    earlier: (coupling, symbol [..., 1]) of each of them.
    """
    table = b.constant(likelihood.tables()["coupling"], "coupling")
    middle = b.constant(likelihood.parts * (likelihood.levels - 1) / 2)
    reach, parts = float(likelihood.reach), b.constant(float(likelihood.parts))
    for coupling, symbol in earlier:
        index = b.node("Cast", b.node("Add", coupling, b.constant(reach)), to=6)
        value = b.node("Sub", b.node("Mul", symbol, parts), middle)
        product = b.node("Mul", b.node("Gather", table, index), value)
        move = b.node("Add", b.node("Mul", product, b.constant(1 / 4096)), b.constant(0.5))
        mean = b.node("Add", mean, b.node("Floor", move))
    return b.node("Clip", mean, b.constant(-reach), b.constant(reach))


def _narrow(b: Builder, likelihood: IntegerLogisticMixture, scale: str) -> str:
    low, high = 7.0 * STEPS, float(likelihood.widest * STEPS)
    clipped = b.node("Clip", scale, b.constant(-low), b.constant(high))
    index = b.node("Cast", b.node("Add", clipped, b.constant(low)), to=6)
    return b.node("Gather", b.constant(likelihood.tables()["narrow"], "narrow"), index)


def _below(
    b: Builder, likelihood: IntegerLogisticMixture, mean: str, narrow: str, edges: str
) -> str:
    """Write the logistic distribution function at these edges between symbols, from a table."""
    top = float(likelihood.top)
    place = b.node("Floor", b.node("Mul", b.node("Sub", edges, mean), narrow))
    place = b.node("Clip", place, b.constant(-top), b.constant(top - 1))
    index = b.node("Cast", b.node("Add", place, b.constant(top)), to=6)
    return b.node("Gather", b.constant(likelihood.tables()["mass"], "mass"), index)


def _known(
    b: Builder, likelihood: IntegerLogisticMixture, shares: str, mean: str, narrow: str, symbol: str
) -> str:
    """Write the components' shares, given a colour's symbol [..., 1]."""
    place, edges = b.node("Cast", symbol, to=6), likelihood.edges
    lower, upper = (
        _below(b, likelihood, mean, narrow, b.node("Gather", b.constant(x, "edges"), place))
        for x in (edges[:-1], edges[1:])
    )
    mass = b.node("Max", b.node("Sub", upper, lower), b.constant(1.0))
    joint = b.node("Mul", shares, mass)
    largest = b.node("ReduceMax", joint, b.constant([-1]), keepdims=1)
    powers = b.constant(2.0 ** np.arange(1, 25), "powers")
    bits = b.node("Cast", _count(b, b.node("GreaterOrEqual", largest, powers)), to=6)
    power = b.node("Gather", b.constant(likelihood.tables()["power"], "power"), bits)
    return b.node("Floor", b.node("Mul", joint, power))


def _below_largest(b: Builder, table: np.ndarray, logits: str) -> str:
    """Write table[largest - logit] along the last axis."""
    largest = b.node("ReduceMax", logits, b.constant([-1]), keepdims=1)
    below = b.node("Min", b.node("Sub", largest, logits), b.constant(float(REACH)))
    return b.node("Gather", b.constant(table, "table"), b.node("Cast", below, to=6))


def _passed(b: Builder, weight: str, noise: str) -> str:
    """Write the index [..., 1] that the noise draws: how many cumulated weights, but the last, it passes."""
    cumulated = b.node("CumSum", weight, b.constant(-1))
    total = b.node("Slice", cumulated, b.constant([-1]), b.constant([2**31]), b.constant([-1]))
    ends = (b.constant([0]), b.constant([-1]), b.constant([-1]))
    return _count(
        b, b.node("LessOrEqual", b.node("Slice", cumulated, *ends), b.node("Mul", noise, total))
    )


def _count(b: Builder, which: str) -> str:
    """Write how many of the conditions hold along the last axis, [..., 1]."""
    return b.node("ReduceSum", b.node("Cast", which, to=1), b.constant([-1]), keepdims=1)
