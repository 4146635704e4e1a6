"""A network of whole numbers as a list of steps; its bounds are proven while it is written down.

One program has two readers: `file` makes an ONNX file of it, and dimaging_edge/photo/prior.py runs it in
numpy. Every number is a multiple of a power of two, and no sum of absolute terms reaches 2^24 of its
smallest steps, so float32 rounds nothing, in whatever order it adds: the same bits on every device.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dimaging_export.errors import ExportError
from dimaging_export.integer.twin import LIMIT
from dimaging_export.precision.weight_storage import byte_scale

FINEST = 16
"""Binary digits after the point of the finest weights: they are multiples of 2^-16 or coarser."""
COARSEST = 4
"""Binary digits after the point that the weights of a channel must have at least, or it is refused."""
BYTE = 127
"""Largest weight in its own steps where files hold bytes; costs 0.2 % of the rate, saves half of a file."""
HALF = 2047
"""Largest weight in its own steps where files hold float16."""
DIGITS = 10
"""Binary digits of the mantissa of a factor from a table."""

Step = list[Any]
"""A step [op, output, [inputs], {parameters}]; a parameter that is a text names an array of the program."""


@dataclass(frozen=True)
class Part:
    """A term of a sum: a convolution of the tensor `source`, which holds whole numbers."""

    source: str
    kernel: np.ndarray
    """[k, k, in, out], in steps of the output for a step of the input."""


class Program:
    """A program under construction.

    inputs: name of an input -> its largest absolute value. heaviest: the largest weight in its own steps,
    BYTE or HALF.
    """

    def __init__(self, inputs: Mapping[str, float], heaviest: int = BYTE):
        self.heaviest = heaviest
        self.steps: list[Step] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.largest: dict[str, float] = dict(inputs)

    def sum(self, name: str, parts: list[Part], bias: Any, table: Any = None) -> str:
        """Write a sum of convolutions, a bias [out] and perhaps the row of `table` [64, out] for the quality.

        Each output channel has weights as fine as its worst case allows. One half is added, so that the
        floor that follows rounds. Raises ExportError where no weights are fine enough.
        """
        bias = np.asarray(bias, np.float64) + 0.5
        extra = np.zeros((1, len(bias))) if table is None else np.asarray(table, np.float64)
        worst = np.abs(bias) + np.abs(extra).max(0)
        taps = 2.0
        for part in parts:
            worst = worst + np.abs(part.kernel).sum((0, 1, 2)) * self.largest[part.source]
            taps += np.prod(part.kernel.shape[:3]) * self.largest[part.source]
        # Each rounded weight may be half a step larger.
        digits = np.floor(np.log2((LIMIT - 1 - taps / 2) / worst)) if taps < LIMIT else worst * 0
        largest = np.max([np.abs(part.kernel).max((0, 1, 2)) for part in parts], 0)
        digits = np.minimum(digits, np.floor(np.log2(self.heaviest / (largest + 2.0**-FINEST))))
        digits = np.minimum(digits, FINEST)
        if digits.min() < COARSEST:
            raise ExportError(
                f"{name}: channel {int(digits.argmin())} could add up to {worst.max():.4g}, expected sums "
                f"below 2^24 with weights in steps of 2^-{COARSEST} or finer; train with fewer channels"
            )
        unit = 2.0**digits
        total = [
            self._add("conv", f"{name}_{i}", [part.source], kernel=np.rint(part.kernel * unit) / unit,
                      **({"bias": np.rint(bias * unit) / unit} if i == 0 else {}))
            for i, part in enumerate(parts)
        ]  # fmt: skip
        if table is not None:
            total.append(self.row(f"{name}_row", np.rint(extra * unit) / unit))
        return self._add("add", name, total) if len(total) > 1 else total[0]

    def settle(self, source: str, low: float, high: float) -> str:
        """Write a floor to whole numbers, clipped to [low, high]."""
        floor = self._add("floor", f"{source}_floor", [source])
        found = self._add("clip", f"{source}_whole", [floor], low=low, high=high)
        self.largest[found] = max(abs(low), abs(high))
        return found

    def row(self, name: str, table: np.ndarray) -> str:
        """Write the look-up of the row of a table [64, n] that belongs to the quality."""
        return self._add("take", name, ["quality"], table=table)

    def scaled(self, name: str, source: str, table: np.ndarray, limit: float) -> str:
        """Write `source` times the row of a table [64, n] for the quality, rounded and clipped to +-limit.

        Factors keep 10 binary digits. Raises ExportError where a product would not be exact.
        """
        if self.largest[source] * 2**DIGITS >= LIMIT:
            raise ExportError(
                f"{name}: {source} reaches {self.largest[source]:g}, expected less than 2^{24 - DIGITS}, "
                "so that its product with a factor is exact"
            )
        product = self._add(
            "mul", f"{name}_product", [source, self.row(f"{name}_row", short(table))]
        )
        return self.settle(self._add("plus", f"{name}_half", [product], by=0.5), -limit, limit)

    def step(self, op: str, name: str, *sources: str, **parameters: Any) -> str:
        """Write another op of dimaging_edge/photo/prior.py, whose result is no larger than its sources."""
        self._add(op, name, list(sources), **parameters)
        self.largest[name] = max(self.largest[source] for source in sources)
        return name

    def rename(self, source: str, name: str) -> None:
        """Give the tensor `source` another name wherever it is made or read."""
        for step in self.steps:
            step[1] = name if step[1] == source else step[1]
            step[2] = [name if x == source else x for x in step[2]]

    def stored(self) -> dict[str, np.ndarray]:
        """Return the arrays of prior.npz, the steps as JSON in "program".

        Kernels of weights up to BYTE are int8 with a scale a channel, other arrays float16 where it is exact.
        """
        steps, arrays = [], dict(self.arrays)
        for op, output, sources, given in self.steps:
            if op == "conv" and self.heaviest <= BYTE:
                name = given["kernel"]
                kernel = arrays[name]
                scale = byte_scale(kernel)
                arrays[name] = np.rint(kernel / scale).astype(np.int8)
                arrays[f"{name}/scale"] = scale
                given = {**given, "scale": f"{name}/scale"}
            steps.append([op, output, sources, given])
        text = json.dumps(steps).encode()
        return {
            "program": np.frombuffer(text, np.uint8),
            **{k: _half(v) for k, v in arrays.items()},
        }

    def _add(self, op: str, name: str, sources: list[str], **parameters: Any) -> str:
        for key, value in parameters.items():
            if isinstance(value, np.ndarray):
                self.arrays[f"{name}/{key}"] = value.astype(np.float32)
                parameters[key] = f"{name}/{key}"
        self.steps.append([op, name, sources, parameters])
        return name


def _half(x: np.ndarray) -> np.ndarray:
    if x.dtype == np.int8:
        return x
    with np.errstate(over="ignore"):
        half = x.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), x) else x


def short(x: np.ndarray) -> np.ndarray:
    """Round to the nearest numbers whose mantissa has `DIGITS` binary digits."""
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    return np.ldexp(np.rint(mantissa * 2**DIGITS), exponent - DIGITS)
