"""Drawing a pixel inside the sampler: the likelihoods of dimaging_tf.likelihoods as ONNX nodes.

`prepare` runs once on whole images, `draw` at every pixel; the fewer nodes there the better. All tensors
have the channels last; how many dimensions come before does not matter.
"""

from typing import Any

import numpy as np

from dimaging_export.emit.builder import Builder
from dimaging_tf.likelihoods import Bernoulli, Categorical, LogisticMixture

_NEVER = 1e30
"""A threshold that no logit passes."""


def prepare(
    b: Builder, likelihood: Any, noise: str, canvas: str, mask: str
) -> list[tuple[str, int]]:
    """What `draw` reads at each pixel: tensors and their channels."""
    channels = likelihood.channels
    half = b.constant(0.5)
    if isinstance(likelihood, Bernoulli):
        # logit > log u - log(1 - u); a known pixel's threshold is out of reach on its side
        odds = b.node(
            "Sub", b.node("Log", noise), b.node("Log", b.node("Sub", b.constant(1.0), noise))
        )
        black = b.node("Less", canvas, half)
        known = b.node("Where", black, b.constant(_NEVER), b.constant(-_NEVER))
        return [(b.node("Where", b.node("Greater", mask, half), known, odds), channels)]
    return [(noise, likelihood.noise), (canvas, channels), (mask, 1)]


def draw(b: Builder, likelihood: Any, parameters: str, prepared: list[str]) -> str:
    """The pixel [..., C]."""
    if isinstance(likelihood, Bernoulli):
        return b.node("Cast", b.node("Greater", parameters, prepared[0]), to=1)
    noise, canvas, mask = prepared
    drawn = (_categorical if isinstance(likelihood, Categorical) else _mixture)(
        b, likelihood, parameters, noise
    )
    return b.node("Where", b.node("Greater", mask, b.constant(0.5)), canvas, drawn)


def _count_below(b: Builder, weights: str, noise: str, keep: bool) -> str:
    """How many of the cumulated probabilities (all but the last) the noise has passed, last axis."""
    probability = b.node("Softmax", weights, axis=-1)
    cumulated = b.node("CumSum", probability, b.constant(-1))
    ends = (b.constant([0]), b.constant([-1]), b.constant([-1]))
    passed = b.node("LessOrEqual", b.node("Slice", cumulated, *ends), noise)
    return b.node("ReduceSum", b.node("Cast", passed, to=1), b.constant([-1]), keepdims=int(keep))


def _categorical(b: Builder, likelihood: Categorical, parameters: str, noise: str) -> str:
    if likelihood.channels > 1:
        levels, channels = likelihood.levels, likelihood.channels
        index = np.arange(levels * channels).reshape(levels, channels).T.reshape(-1)
        ordered = b.node("Gather", parameters, b.constant(index, "colours"), axis=-1)
        parts = b.nodes_of("Split", [ordered], channels, axis=-1, num_outputs=channels)
        noises = b.nodes_of("Split", [noise], channels, axis=-1, num_outputs=channels)
        symbols = [_count_below(b, p, u, True) for p, u in zip(parts, noises, strict=True)]
        symbol = b.node("Concat", *symbols, axis=-1)
    else:
        symbol = _count_below(b, parameters, noise, True)
    return b.node("Div", symbol, b.constant(float(likelihood.levels - 1)))


def _mixture(b: Builder, likelihood: LogisticMixture, parameters: str, noise: str) -> str:
    k, c = likelihood.components, likelihood.channels
    pairs = c * (c - 1) // 2
    sizes = [k] * (1 + 2 * c + pairs)
    weights, *rest = b.nodes_of("Split", [parameters, b.constant(sizes)], len(sizes), axis=-1)
    noises = b.nodes_of("Split", [noise], 1 + c, axis=-1, num_outputs=1 + c)
    index = b.node("Cast", _count_below(b, weights, noises[0], True), to=7)
    one_hot = b.node("Cast", b.node("Equal", index, b.constant(np.arange(k))), to=1)

    def chosen(part: str) -> str:
        return b.node("ReduceSum", b.node("Mul", part, one_hot), b.constant([-1]), keepdims=1)

    means, scales, couplings = rest[:c], rest[c : 2 * c], rest[2 * c :]
    top = likelihood.levels - 1
    values: list[str] = []
    symbols, pair = [], 0
    for colour in range(c):
        mean = chosen(means[colour])
        for earlier in range(colour):
            coupling = chosen(b.node("Tanh", couplings[pair]))
            mean = b.node("Add", mean, b.node("Mul", coupling, values[earlier]))
            pair += 1
        scale = b.node("Exp", b.node("Max", chosen(scales[colour]), b.constant(-7.0)))
        u = noises[1 + colour]
        odds = b.node("Sub", b.node("Log", u), b.node("Log", b.node("Sub", b.constant(1.0), u)))
        x = b.node("Add", mean, b.node("Mul", scale, odds))
        x = b.node("Clip", x, b.constant(-1.0), b.constant(1.0))
        symbol = b.node("Mul", b.node("Add", x, b.constant(1.0)), b.constant(top / 2))
        symbols.append(b.node("Round", symbol))
        value = b.node("Mul", symbols[-1], b.constant(2 / top))
        values.append(b.node("Sub", value, b.constant(1.0)))
    symbol = b.node("Concat", *symbols, axis=-1) if c > 1 else symbols[0]
    return b.node("Div", symbol, b.constant(float(top)))
