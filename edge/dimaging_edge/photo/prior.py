"""The prior network in numpy, which stands in for an engine that computes the network otherwise.

`prior.npz` of a bundle holds `program`, the bytes of a JSON list of steps [op, output, inputs, params],
and the arrays that the steps name. The inputs are those of the graph `prior`; the names `index` and
`mean` are its outputs. Arrays are NHWC; all values are whole numbers (or multiples of a power of two)
below 2^24, so float64 is exact. An op is a function of this file that is listed in `OPS`.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dimaging_edge.common.errors import BundleError, near

PROGRAM = "prior.npz"
"""The file of a bundle that holds the program and its arrays."""
OUTPUTS = ("index", "mean")
"""The outputs of the graph `prior`."""


def conv(
    x: np.ndarray, *, kernel: np.ndarray, bias: Any = None, groups: int = 1, scale: Any = 1.0
) -> np.ndarray:
    """Convolve with stride 1 and padding SAME; the kernel [k, k, Cin / groups, Cout], k odd, is multiplied by
    scale [Cout].
    """
    kernel = kernel * np.asarray(scale, np.float64)
    size, _, inner, outer = kernel.shape
    half = size // 2
    batch, height, width, _ = x.shape
    around = np.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    found = np.zeros((batch, height, width, outer))
    for g in range(groups):
        from_, to = slice(g * inner, (g + 1) * inner), np.arange(outer).reshape(groups, -1)[g]
        for i in range(size):
            for j in range(size):
                part = around[:, i : i + height, j : j + width, from_]
                found[..., to] += part @ kernel[i, j][:, to]
    return found if bias is None else found + bias


def take(x: np.ndarray, *, table: np.ndarray) -> np.ndarray:
    """Return the entries of a table [n] or [n, ...] at whole numbers x."""
    return table[x.astype(np.int64)]


def upsample(x: np.ndarray, *, by: int) -> np.ndarray:
    """Repeat every pixel `by` times in each direction."""
    return x.repeat(by, axis=1).repeat(by, axis=2)


def depth_to_space(x: np.ndarray, *, by: int) -> np.ndarray:
    """Make blocks of by x by pixels of channels, as TensorFlow: channel (i by + j) C + c is pixel (i, j)."""
    batch, height, width, channels = x.shape
    blocks = x.reshape(batch, height, width, by, by, channels // by**2)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * by, width * by, -1)


def checkerboard(x: np.ndarray, *, odd: int) -> np.ndarray:
    """Return x where row + column has this parity, and 0 elsewhere."""
    rows, columns = np.arange(x.shape[1]), np.arange(x.shape[2])
    return x * ((rows[:, None] + columns) % 2 == odd)[..., None]


OPS: dict[str, Callable[..., Any]] = {
    "conv": conv,
    "take": take,
    "upsample": upsample,
    "depth_to_space": depth_to_space,
    "checkerboard": checkerboard,
    "add": lambda *x: sum(x[1:], x[0]),
    "mul": lambda x, *more, by=1.0: math.prod(more, start=x * by),
    "plus": lambda x, *, by: x + by,
    "floor": lambda x: np.floor(x),
    "clip": lambda x, *, low, high: np.clip(x, low, high),
    "concat": lambda *x: np.concatenate(x, axis=-1),
    "slice": lambda x, *, start, stop: x[..., start:stop],
    "where": lambda condition, x, y: np.where(condition != 0, x, y),
}


class NumpyPrior:
    """Runs the program of a bundle on the inputs of its graph `prior`."""

    def __init__(self, path: Path):
        """BundleError for a program with ops or arrays that are not there."""
        with np.load(path, allow_pickle=False) as stored:
            self._arrays = {key: stored[key] for key in stored.files}
        program = self._arrays.pop("program", np.zeros(0, np.uint8))
        self._steps: list[Any] = json.loads(program.tobytes() or b"[]")
        for op, *_ in self._steps:
            if op not in OPS:
                raise BundleError(f"{PROGRAM}: unknown op {op!r}; {near(op, tuple(OPS))}")

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return `index` and `mean`, int32."""
        values = {name: array.astype(np.float64) for name, array in feeds.items()}
        for op, output, inputs, params in self._steps:
            given = {
                key: self._arrays.get(x, x) if isinstance(x, str) else x
                for key, x in params.items()
            }
            values[output] = OPS[op](*(values[name] for name in inputs), **given)
        return {name: values[name].astype(np.int32) for name in OUTPUTS}
