"""The integer-valued twin of a trained causal network: the same bits on every device.

Post-training quantisation: activations become whole numbers of `BITS` bits at a power-of-two scale each,
weights multiples of a power of two, as fine as the bound lets them be. Convolution by convolution the worst
case sum of |weight| |input| + |bias|, counted in the smallest steps, is proven to stay below 2^24, so
float32 computes it exactly in any order (see dimaging_tf/layers/integer.py); export refuses otherwise.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from dimaging_export.errors import ExportError
from dimaging_export.walk import Call, trace
from dimaging_tf.density import ExplicitDensity
from dimaging_tf.layers.integer import IntegerGate, Settle
from dimaging_tf.layers.masked import Gate, MaskedConv2D, PositionBias
from dimaging_tf.likelihoods import Bernoulli, Categorical
from dimaging_tf.likelihoods_integer import REACH, STEPS, IntegerBernoulli, IntegerCategorical

LIMIT = 1 << 24
"""float32 holds every whole number up to here."""
BITS = 10
"""Of an activation; one bit more until it is clipped."""
GATE = 5
"""Bits after the point of what enters a gate."""


def integer_twin(
    model: ExplicitDensity, image: np.ndarray, condition: np.ndarray | None
) -> ExplicitDensity:
    """A model like `model` whose network and likelihood are integer-valued.

    image [N, H, W, C] on the alphabet, condition: what activations are scaled by.
    Raises ExportError for a likelihood or layer without an integer form, and for a sum that could
    reach 2^24.
    """
    twin = type(model)(model.config)
    if isinstance(model.likelihood, Bernoulli):
        twin.likelihood = IntegerBernoulli(model.likelihood.channels)
    elif isinstance(model.likelihood, Categorical):
        twin.likelihood = IntegerCategorical(model.likelihood.channels, model.likelihood.levels)
    else:
        raise ExportError(
            f"a {type(model.likelihood).__name__} has no integer form; train with components=0 "
            "(a softmax), or export with precision='fp32'"
        )
    inputs = {"image": image} | ({} if condition is None else {model.condition: condition})
    twin.network = _Quantiser(model, inputs).network()
    return twin


@dataclass(eq=False)
class _Part:
    """A convolution that has joined a sum which is not settled yet."""

    layer: MaskedConv2D
    kernel: np.ndarray
    bias: np.ndarray
    """Both in units of the output, not rounded."""
    half: float = 0.5
    """The rounding offset; one part of a sum carries it."""

    def write(self, steps: int) -> None:
        """Round the weights to multiples of 2^-steps."""
        self.layer.kernel.assign(_multiple(self.kernel, steps))
        self.layer.bias.assign(_multiple(self.bias, steps) + self.half)


@dataclass(eq=False)
class _Signal:
    """A tensor of the twin: real value = number * 2^-exponent."""

    tensor: Any
    exponent: int
    largest: float
    """Bound of |number|."""
    steps: int = 0
    """The number is a multiple of 2^-steps; 0: whole."""
    parts: tuple[_Part, ...] = ()
    """The convolutions in it, as long as it is not settled."""
    symbols: bool = False
    """The image itself: its real values are the numbers / (levels - 1)."""
    settled: Any = None
    """The same in whole numbers."""


class _Quantiser:
    def __init__(self, model: ExplicitDensity, inputs: dict[str, np.ndarray]):
        self.model = model
        self.levels = model.likelihood.levels
        self.walk = trace(model.network)
        self.ranges = self._calibrate(inputs)
        self.exponents = self._exponents()
        self.uses = self.walk.uses()

    def network(self) -> keras.Model:
        """Call by call; then prove the sums again from the finished weights."""
        signals: dict[int, _Signal] = {}
        inputs = {}
        for tensor, name in zip(self.walk.inputs, self._names(), strict=True):
            inputs[name] = keras.Input(tensor.shape[1:], name=name)
            top = self.levels - 1 if name == "image" else 1
            signals[id(tensor)] = _Signal(inputs[name], 0, top, symbols=name == "image")
        for call in self.walk.calls:
            sources = [self._source(x, signals[id(x)]) for x in _sources(call)]
            signals[id(call.output)] = self._call(call, sources)
        (last,) = self.walk.outputs
        logits = self._settle(signals[id(last)], REACH)
        source = inputs if len(inputs) > 1 else inputs["image"]
        return keras.Model(source, {"parameters": logits.tensor}, name="integer")

    def _names(self) -> list[str]:
        return [tensor.name for tensor in self.model.network.inputs]

    def _calibrate(self, inputs: dict[str, np.ndarray]) -> dict[int, float]:
        """Largest |value| of every tensor over the images."""
        originals = [call.op.output for call in self.walk.calls]
        probe = keras.Model(self.model.network.inputs, originals)
        found = keras.tree.flatten(probe([inputs[name] for name in self._names()], training=False))
        return {
            id(call.output): max(float(np.abs(np.asarray(y)).max()), 1e-3)
            for call, y in zip(self.walk.calls, found, strict=True)
        }

    def _exponents(self) -> dict[int, int]:
        """A scale for each tensor; terms of a sum and the sum share theirs."""
        group = {id(call.output): id(call.output) for call in self.walk.calls}

        def root(t: int) -> int:
            return t if group[t] == t else root(group[t])

        gated = set()
        for call in self.walk.calls:
            if isinstance(call.op, Gate):
                gated.add(id(_sources(call)[0]))
            elif not isinstance(call.op, MaskedConv2D | layers.Dense):
                for x in _sources(call):
                    if id(x) in group:
                        group[root(id(x))] = root(id(call.output))
        largest: dict[int, float] = {}
        for t in group:
            largest[root(t)] = max(largest.get(root(t), 0.0), self.ranges[t])
        fine = {root(t) for t in gated}
        found = {
            t: GATE if root(t) in fine else math.floor(math.log2((2**BITS - 1) / largest[root(t)]))
            for t in group
        }
        for call in self.walk.calls:
            if isinstance(call.op, Gate):
                found[id(call.output)] = int(math.log2(IntegerGate.unit))
        (last,) = self.walk.outputs
        found[id(last)] = int(math.log2(STEPS))
        return found

    def _call(self, call: Call, sources: list[_Signal]) -> _Signal:
        layer, out = call.op, id(call.output)
        if isinstance(layer, MaskedConv2D):
            return self._convolution(layer, self._reached(sources[0]), self.exponents[out])
        if isinstance(layer, layers.Dense):
            return self._dense(layer, sources[0], self.exponents[out])
        if isinstance(layer, layers.Reshape):
            shape = layers.Reshape(layer.target_shape)
            return _Signal(shape(sources[0].tensor), sources[0].exponent, sources[0].largest)
        if isinstance(layer, layers.ReLU):
            top = self._top(self.ranges[out], sources[0].exponent)
            return self._relu(sources[0], top)
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
        """What several calls read, such as a trunk, is settled once for all of them."""
        shared = self.uses[id(tensor)] > 1 and signal.steps
        return self._settle(signal, 2 ** (BITS + 1) - 1) if shared else signal

    def _top(self, largest: float, exponent: int) -> int:
        """The number that the calibrated range reaches, and a quarter more."""
        return math.ceil(1.25 * largest * 2.0**exponent)

    def _reached(self, signal: _Signal) -> _Signal:
        """Whole and not larger than calibrated, as the input of a convolution."""
        small = signal.steps == 0 and signal.largest < 2 ** (BITS + 1)
        return signal if small else self._settle(signal, 2 ** (BITS + 1) - 1)

    def _settle(self, signal: _Signal, top: int) -> _Signal:
        if signal.settled is None:
            settle = Settle(-top, top)
            signal.settled = _Signal(settle(signal.tensor), signal.exponent, top)
        return signal.settled

    def _relu(self, signal: _Signal, top: int) -> _Signal:
        """Floor only where needed, clip in any case."""
        tensor = signal.tensor
        if signal.steps:
            return _Signal(Settle(0, top)(tensor), signal.exponent, top)
        return _Signal(layers.ReLU(max_value=float(top))(tensor), signal.exponent, top)

    def _convolution(self, layer: MaskedConv2D, source: _Signal, exponent: int) -> _Signal:
        kernel = np.asarray(layer.masked_kernel(), np.float64)
        bias = np.zeros(layer.filters) if layer.bias is None else np.asarray(layer.bias, np.float64)
        if source.symbols:
            kernel = kernel / (self.levels - 1)
        twin = MaskedConv2D(
            layer.filters, layer.kernel_size, layer.mask, layer.groups, name=f"{layer.name}_integer"
        )
        tensor = twin(source.tensor)
        unit = 2.0 ** (exponent - source.exponent)
        part = _Part(twin, kernel * unit, bias * 2.0**exponent)
        # Half a step more for each weight that is rounded up.
        worst = np.abs(part.kernel).sum((0, 1, 2)) * source.largest + np.abs(part.bias)
        taps = np.prod(kernel.shape[:3]) * source.largest / 2
        steps = next(
            (n for n in range(16, -1, -1) if self._fits(worst.max() * 2.0**n + taps)), None
        )
        if steps is None:
            raise ExportError(
                f"layer {layer.name!r}: its sums could reach 2^24 at any precision of the weights; "
                "train with fewer channels, or export with precision='fp32'"
            )
        part.write(steps)
        largest = float(worst.max() + taps / 2**steps) + 1
        return _Signal(tensor, exponent, largest, steps, (part,))

    def _fits(self, worst: float) -> bool:
        return worst < LIMIT / 2

    def _dense(self, layer: layers.Dense, source: _Signal, exponent: int) -> _Signal:
        """Of a one-hot label: a table of whole numbers."""
        twin = layers.Dense(layer.units, use_bias=False)
        tensor = twin(source.tensor)
        kernel = np.rint(np.asarray(layer.kernel, np.float64) * 2.0**exponent)
        twin.kernel.assign(kernel)
        return _Signal(tensor, exponent, float(np.abs(kernel).max()))

    def _position(self, layer: PositionBias, source: _Signal) -> _Signal:
        twin = PositionBias()
        tensor = twin(source.tensor)
        bias = np.rint(np.asarray(layer.bias, np.float64) * 2.0 ** (source.exponent + 4)) / 16
        twin.bias.assign(bias)
        largest = source.largest + float(np.abs(bias).max())
        return self._joined(tensor, source.exponent, largest, max(source.steps, 4), source.parts)

    def _sum(self, call: Call, sources: list[_Signal]) -> _Signal:
        tensor = layers.Add()([s.tensor for s in sources])
        parts = tuple(part for s in sources for part in s.parts)
        for part in parts[1:]:
            part.half = 0.0
        largest, steps = sum(s.largest for s in sources), max(s.steps for s in sources)
        return self._joined(tensor, sources[0].exponent, largest, steps, parts)

    def _joined(
        self, tensor: Any, exponent: int, largest: float, steps: int, parts: tuple[_Part, ...]
    ) -> _Signal:
        """Coarser weights where the whole sum could reach 2^24 of the finest steps."""
        while largest * 2.0**steps >= LIMIT:
            steps -= 1
        if steps < 4 and parts:
            raise ExportError(
                f"a sum of {len(parts)} convolutions could reach {largest:.3g}, too much for exact "
                "weights; train with fewer channels, or export with precision='fp32'"
            )
        for part in parts:
            part.write(steps)
        return _Signal(tensor, exponent, largest, steps if parts else 0, parts)


def _multiple(x: np.ndarray, steps: int) -> np.ndarray:
    return np.rint(x * 2.0**steps) / 2.0**steps


def _sources(call: Call) -> list[Any]:
    return [x for x in keras.tree.flatten(call.args) if isinstance(x, keras.KerasTensor)]
