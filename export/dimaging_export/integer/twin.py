"""The integer-valued twin of a trained causal network: the same bits on every device.

After training, activations become whole numbers of `BITS` bits at a power-of-two scale each, and weights
multiples of a power of two, as fine as the bound lets them be. In every sum the worst case of
|weight| |input| + |bias|, from the weights as written and counted in the smallest steps, stays below 2^24,
so float32 computes it exactly in any order (see dimaging_tf/layers/integer.py); export refuses otherwise.
A tensor is settled when it is floored to whole numbers and clipped.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_export.errors import ExportError
from dimaging_export.graph.trace import Call, Trace, trace
from dimaging_export.integer.scales import (
    BITS,
    GATE,
    TRUNK,
    Range,
    calibrate,
    exponent_of,
    exponents,
    sources_of,
)
from dimaging_tf.density.base import ExplicitDensity
from dimaging_tf.density.likelihoods import Categorical, Likelihood, LogisticMixture
from dimaging_tf.density.likelihoods_integer import (
    STEPS,
    IntegerBernoulli,
    IntegerCategorical,
    IntegerLikelihood,
    IntegerLogisticMixture,
)
from dimaging_tf.layers.integer import FloorClip, IntegerGate
from dimaging_tf.layers.masked import Gate, MaskedConv2D, PositionBias

LIMIT = 1 << 24
"""Bound up to which float32 holds every whole number."""


class SumTooLargeError(ExportError):
    """A sum could reach 2^24, so that float32 would round it; coarser trunks may keep it below."""


def integer_twin(
    model: ExplicitDensity, image: np.ndarray, condition: np.ndarray | None
) -> ExplicitDensity:
    """Return a model like `model` whose network and likelihood are integer-valued.

    image: [N, H, W, C] on the alphabet. condition: the model's second input, or None. Activations are scaled
    by what these give. Raises ExportError for a layer without an integer form, and for a sum that could
    reach 2^24.
    """
    twin = type(model)(model.config)
    twin.likelihood = _integer_form(model.likelihood)
    inputs = {"image": image} | ({} if condition is None else {model.condition: condition})
    ranges = _Ranges.of(model, inputs)
    for more in range(TRUNK, -1, -1):
        try:
            twin.network = _Quantiser(ranges, twin.likelihood, more).network()
            break
        except SumTooLargeError:
            if more == 0:
                raise
    return twin


def _integer_form(likelihood: Likelihood) -> IntegerLikelihood:
    if isinstance(likelihood, LogisticMixture):
        return IntegerLogisticMixture(likelihood.channels, likelihood.components, likelihood.levels)
    if isinstance(likelihood, Categorical):
        return IntegerCategorical(likelihood.channels, likelihood.levels)
    return IntegerBernoulli(likelihood.channels)


@dataclass(eq=False)
class _Part:
    """A convolution that has joined a sum which is not settled yet."""

    layer: MaskedConv2D
    kernel: np.ndarray
    """Weights in units of the output, not rounded."""
    bias: np.ndarray
    """Bias in units of the output, not rounded."""
    reach: float
    """Upper bound of |input|."""
    mean: np.ndarray
    """Mean of each channel of the input; what rounding the weights changes there goes to the bias."""
    half: float = 0.5
    """Offset that makes the floor round; one part of a sum carries it."""

    def write(self, steps: int) -> None:
        """Round the weights to multiples of 2^-steps."""
        rounded = _multiple(self.kernel, steps)
        lost = (self.kernel - rounded).sum((0, 1)).T @ self.mean
        self.layer.kernel.assign(rounded)
        self.layer.bias.assign(_multiple(self.bias + lost, steps) + self.half)

    def bound(self) -> float:
        """Return the upper bound of |sum|, from the weights as they were written."""
        kernel, bias = (np.abs(np.asarray(x, np.float64)) for x in self.layer.get_weights())
        return float((kernel.sum((0, 1, 2)) * self.reach + bias).max())


@dataclass(eq=False)
class _Signal:
    """A tensor of the twin: real value = number * 2^-exponent."""

    tensor: Any
    exponent: int
    largest: float
    """Upper bound of |number|."""
    steps: int = 0
    """Binary digits after the point of the number, which is a multiple of 2^-steps."""
    parts: tuple[_Part, ...] = ()
    """Convolutions whose sum it is, as long as it is not settled."""
    symbols: bool = False
    """True for the image itself, whose real values are its numbers / (levels - 1)."""
    settled: Any = None
    """The settled signal of the same tensor, once somebody needs it."""

    def rest(self) -> float:
        """Return the upper bound of the part of the number that is not a convolution."""
        return self.largest - sum(part.bound() for part in self.parts)


@dataclass(frozen=True)
class _Ranges:
    """The calls of a network, and how far each of its tensors reaches."""

    names: list[str]
    """Names of the inputs."""
    walk: Trace
    reached: dict[int, Range]
    """Id of a tensor -> what it holds."""

    @classmethod
    def of(cls, model: ExplicitDensity, inputs: dict[str, np.ndarray]) -> "_Ranges":
        walk = trace(model.network)
        names = [tensor.name for tensor in model.network.inputs]
        return cls(names, walk, calibrate(model.network, walk, inputs))


class _Quantiser:
    def __init__(self, found: _Ranges, likelihood: IntegerLikelihood, more: int):
        """Prepare a twin whose trunks have `more` bits than other activations."""
        self.likelihood, self.levels = likelihood, likelihood.levels
        self.names, self.walk, self.ranges = found.names, found.walk, found.reached
        self.exponents, self.trunks = exponents(self.walk, self.ranges, more)
        self.more = more
        self.uses = self.walk.uses()

    def network(self) -> keras.Model:
        """Build the twin's network, call by call."""
        signals: dict[int, _Signal] = {}
        inputs = {}
        for tensor, name in zip(self.walk.inputs, self.names, strict=True):
            inputs[name] = keras.Input(tensor.shape[1:], name=name)
            top = self.levels - 1 if name == "image" else 1
            signals[id(tensor)] = _Signal(inputs[name], 0, top, symbols=name == "image")
        for call in self.walk.calls:
            sources = [self._source(x, signals[id(x)]) for x in sources_of(call)]
            signals[id(call.output)] = self._call(call, sources)
        (last,) = self.walk.outputs
        logits = self._settle(signals[id(last)], self.likelihood.reach)
        source = inputs if len(inputs) > 1 else inputs["image"]
        return keras.Model(source, {"parameters": logits.tensor}, name="integer")

    def _call(self, call: Call, sources: list[_Signal]) -> _Signal:
        layer, out = call.op, id(call.output)
        if isinstance(layer, MaskedConv2D):
            return self._convolution(call, self._reached(call, sources[0]))
        if isinstance(layer, layers.Dense):
            return self._dense(layer, sources[0], self.exponents[out])
        if isinstance(layer, layers.Reshape):
            shape = layers.Reshape(layer.target_shape)
            return _Signal(shape(sources[0].tensor), sources[0].exponent, sources[0].largest)
        if isinstance(layer, layers.ReLU):
            return self._relu(sources[0], out)
        if isinstance(layer, layers.Add):
            return self._sum(call, sources)
        if isinstance(layer, PositionBias):
            return self._position(layer, sources[0])
        if isinstance(layer, Gate):
            whole = self._settle(sources[0], 2 ** (BITS + 1) - 1)
            return _Signal(IntegerGate(GATE)(whole.tensor), self.exponents[out], IntegerGate.unit)
        raise ExportError(
            f"layer {layer.name!r} ({type(layer).__name__}) has no integer form; "
            "export with precision='fp32'"
        )

    def _source(self, tensor: Any, signal: _Signal) -> _Signal:
        """Return what a call reads; a signal of several readers, such as a trunk, is settled once for all."""
        shared = self.uses[id(tensor)] > 1 and signal.steps
        more = self.more if id(tensor) in self.trunks else 0
        return self._settle(signal, 2 ** (BITS + 1 + more) - 1) if shared else signal

    def _top(self, largest: float, exponent: int) -> int:
        """Return the whole number that the calibrated range reaches, and a quarter more."""
        return math.ceil(1.25 * largest * 2.0**exponent)

    def _reached(self, call: Call, signal: _Signal) -> _Signal:
        """Return a signal that is whole and small enough to enter a convolution."""
        top = 2 ** (BITS + 1) - 1
        if signal.steps == 0 and signal.largest < top + 1:
            return signal
        (source,) = sources_of(call)
        fitting = exponent_of(self.ranges[id(source)].largest, BITS)
        shift = max(signal.exponent - fitting, 0) if id(source) in self.trunks else 0
        if not shift:
            return self._settle(signal, top)
        return _Signal(FloorClip(-top, top, shift)(signal.tensor), fitting, top)

    def _settle(self, signal: _Signal, top: int) -> _Signal:
        if signal.settled is None:
            settle = FloorClip(-top, top)
            signal.settled = _Signal(settle(signal.tensor), signal.exponent, top)
        return signal.settled

    def _relu(self, signal: _Signal, out: int) -> _Signal:
        """Return the ReLU of a signal: clipped in any case, floored where it is not whole or gets coarser."""
        exponent = min(self.exponents[out], signal.exponent)
        top, shift = self._top(self.ranges[out].largest, exponent), signal.exponent - exponent
        if signal.steps or shift:
            return _Signal(FloorClip(0, top, shift)(signal.tensor), exponent, top)
        return _Signal(layers.ReLU(max_value=float(top))(signal.tensor), exponent, top)

    def _convolution(self, call: Call, source: _Signal) -> _Signal:
        layer, out = call.op, id(call.output)
        exponent, mean = self.exponents[out], self.ranges[id(sources_of(call)[0])].mean
        kernel = np.asarray(layer.masked_kernel(), np.float64)
        bias = np.zeros(layer.filters) if layer.bias is None else np.asarray(layer.bias, np.float64)
        if source.symbols:
            kernel = kernel / (self.levels - 1)
        twin = MaskedConv2D(
            layer.filters, layer.kernel_size, layer.mask, layer.groups, name=f"{layer.name}_integer"
        )
        tensor = twin(source.tensor)
        if out == id(self.walk.outputs[0]):  # some parameters come in other steps than logits
            kernel, bias = (x * self.likelihood.steps / STEPS for x in (kernel, bias))
        unit = 2.0 ** (exponent - source.exponent)
        mean = mean * (self.levels - 1 if source.symbols else 2.0**source.exponent)
        part = _Part(twin, kernel * unit, bias * 2.0**exponent, source.largest, mean)
        for steps in range(16, -1, -1):
            part.write(steps)
            if part.bound() * 2.0**steps < LIMIT / 2:
                return _Signal(tensor, exponent, part.bound(), steps, (part,))
        raise SumTooLargeError(
            f"layer {layer.name!r}: its sums could reach 2^24 at any precision of the weights; "
            "train with fewer channels, or export with precision='fp32'"
        )

    def _dense(self, layer: layers.Dense, source: _Signal, exponent: int) -> _Signal:
        """Return the product with a one-hot label: a row of a table of whole numbers."""
        twin = layers.Dense(layer.units, use_bias=False)
        tensor = twin(source.tensor)
        kernel = np.rint(np.asarray(layer.kernel, np.float64) * 2.0**exponent)
        twin.kernel.assign(kernel)
        return _Signal(tensor, exponent, float(np.abs(kernel).max()))

    def _position(self, layer: PositionBias, source: _Signal) -> _Signal:
        twin = PositionBias()
        tensor = twin(source.tensor)
        digits = max(4 - self.more, 0)
        bias = _multiple(np.asarray(layer.bias, np.float64) * 2.0**source.exponent, digits)
        twin.bias.assign(bias)
        rest = source.rest() + float(np.abs(bias).max())
        return self._joined(tensor, source.exponent, rest, max(source.steps, digits), source.parts)

    def _sum(self, call: Call, sources: list[_Signal]) -> _Signal:
        tensor = layers.Add()([s.tensor for s in sources])
        parts = tuple(part for s in sources for part in s.parts)
        rest, steps = sum(s.rest() for s in sources), max(s.steps for s in sources)
        for part in parts[1:]:
            part.half = 0.0
        return self._joined(tensor, sources[0].exponent, rest, steps, parts)

    def _joined(
        self, tensor: Any, exponent: int, rest: float, steps: int, parts: tuple[_Part, ...]
    ) -> _Signal:
        """Return a sum, with coarser weights where it could otherwise reach 2^24 of the finest steps."""
        while True:
            for part in parts:
                part.write(steps)
            largest = rest + sum(part.bound() for part in parts)
            if largest * 2.0**steps < LIMIT:
                return _Signal(tensor, exponent, largest, steps if parts else 0, parts)
            steps -= 1
            if steps < max(4 - self.more, 0):
                raise SumTooLargeError(
                    f"a sum of {len(parts)} convolutions could reach {largest:.3g}, too much for exact "
                    "weights; train with fewer channels, or export with precision='fp32'"
                )


def _multiple(x: np.ndarray, steps: int) -> np.ndarray:
    return np.rint(x * 2.0**steps) / 2.0**steps
