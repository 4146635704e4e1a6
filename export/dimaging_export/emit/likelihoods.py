"""The likelihoods of dimaging_tf.density.likelihoods as ONNX nodes that draw a pixel inside a sampler.

`prepare` runs once on whole images, `draw` at every pixel, so it has as few nodes as possible. All tensors
have the channels last; how many dimensions come before does not matter.
"""

from typing import Any

import numpy as np

from dimaging_export.emit import likelihoods_integer
from dimaging_export.emit.builder import Builder
from dimaging_export.emit.likelihoods_integer import by_colour
from dimaging_tf.density.likelihoods import Bernoulli, Categorical, LogisticMixture
from dimaging_tf.density.likelihoods_integer import IntegerBernoulli, IntegerLikelihood

_NEVER = 1e30
"""A threshold that no logit exceeds."""


def prepare(
    b: Builder, likelihood: Any, noise: str, canvas: str, mask: str
) -> list[tuple[str, int]]:
    """Write what `draw` reads at each pixel; returns the tensors, each with its number of channels."""
    channels = likelihood.channels
    half = b.constant(0.5)
    if isinstance(likelihood, IntegerBernoulli):
        # noise * 2^16 < table[logit]
        known = b.node("Where", b.node("Less", canvas, half), b.constant(_NEVER), b.constant(-1.0))
        scaled = b.node("Mul", noise, b.constant(65536.0))
        return [(b.node("Where", b.node("Greater", mask, half), known, scaled), channels)]
    canvas = encode(b, likelihood, canvas)
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
    """Write the drawn pixel [..., C]: from its parameters, or from the canvas where the mask keeps it.

    prepared: the tensors of `prepare`, at this pixel.
    """
    if isinstance(likelihood, Bernoulli):
        return b.node("Cast", b.node("Greater", parameters, prepared[0]), to=1)
    if isinstance(likelihood, IntegerBernoulli):
        one = likelihoods_integer.table_of_logit(b, likelihood, parameters)
        return b.node("Cast", b.node("Less", prepared[0], one), to=1)
    noise, canvas, mask = prepared
    write: Any = _mixture if isinstance(likelihood, LogisticMixture) else _categorical
    if isinstance(likelihood, IntegerLikelihood):
        write = likelihoods_integer.symbols
    drawn = write(b, likelihood, parameters, noise)
    return b.node("Where", b.node("Greater", mask, b.constant(0.5)), canvas, drawn)


def encode(b: Builder, likelihood: Any, image: str) -> str:
    """Write what the network sees of an image in [0, 1]: the image, or with integers its symbols."""
    if not isinstance(likelihood, IntegerLikelihood):
        return image
    if likelihood.levels > 2:
        image = b.node("Mul", image, b.constant(float(likelihood.levels - 1)))
    return b.node("Round", image)


def decode(b: Builder, likelihood: Any, seen: str) -> str:
    """Write the inverse of `encode`."""
    if not isinstance(likelihood, IntegerLikelihood) or likelihood.levels == 2:
        return seen
    return b.node("Div", seen, b.constant(float(likelihood.levels - 1)))


def _count_below(b: Builder, logits: str, noise: str) -> str:
    """Write the index that the noise draws: how many cumulated probabilities, but the last, it passes."""
    probability = b.node("Softmax", logits, axis=-1)
    cumulated = b.node("CumSum", probability, b.constant(-1))
    ends = (b.constant([0]), b.constant([-1]), b.constant([-1]))
    passed = b.node("LessOrEqual", b.node("Slice", cumulated, *ends), noise)
    return b.node("ReduceSum", b.node("Cast", passed, to=1), b.constant([-1]), keepdims=1)


def _categorical(b: Builder, likelihood: Categorical, parameters: str, noise: str) -> str:
    colours = by_colour(b, likelihood, parameters, noise)
    symbols = [_count_below(b, logits, u) for logits, u in colours]
    symbol = b.node("Concat", *symbols, axis=-1) if symbols[1:] else symbols[0]
    return b.node("Div", symbol, b.constant(float(likelihood.levels - 1)))


def _mixture(b: Builder, likelihood: LogisticMixture, parameters: str, noise: str) -> str:
    k, c = likelihood.components, likelihood.channels
    pairs = c * (c - 1) // 2
    sizes = [k] * (1 + 2 * c + pairs)
    logits, *rest = b.nodes_of("Split", [parameters, b.constant(sizes)], len(sizes), axis=-1)
    noises = b.nodes_of("Split", [noise], 1 + c, axis=-1, num_outputs=1 + c)
    index = b.node("Cast", _count_below(b, logits, noises[0]), to=7)
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
