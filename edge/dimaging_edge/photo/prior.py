"""The prior network in numpy, which stands in for an engine that computes the network otherwise.

`prior.npz` of a bundle holds `program`, the bytes of a JSON list of steps [op, output, inputs, params],
and the arrays that the steps name. The inputs are those of the graph `prior`; the names `index` and
`mean` are its outputs. Arrays are NHWC; all values are whole numbers (or multiples of a power of two)
below 2^24, so float64 is exact. An op is a function of this file that is listed in `OPS`.
"""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from dimaging_edge.bundle.arrays import read_npz
from dimaging_edge.bundle.strict_json import read_json
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
"""The function of each op."""
_MOST_STEPS, _MOST_BY, _MOST_VALUES = 10_000, 32, 1 << 27


class NumpyPrior:
    """The program of a bundle, which runs on the inputs of its graph `prior`."""

    def __init__(self, data: bytes, inputs: Collection[str] = ("z", "y", "pass", "quality")):
        """Take the bytes of `prior.npz` and the names of the inputs; BundleError for another program."""
        self._arrays = read_npz(data, PROGRAM)
        program = self._arrays.pop("program", np.zeros(0, np.uint8))
        try:
            found = read_json(program.tobytes().decode("utf-8"))
        except ValueError as error:
            raise BundleError(f"{PROGRAM}: its program is not valid JSON: {error}") from None
        self._steps = self._checked(found, set(inputs))

    def _checked(self, found: Any, known: set[str]) -> list[Any]:
        if not isinstance(found, list) or not len(found) <= _MOST_STEPS:
            raise BundleError(f"{PROGRAM}: expected a list of at most {_MOST_STEPS} steps")
        for number, step in enumerate(found):
            at = f"{PROGRAM}: step {number}"
            match step:
                case [str(op), str(output), [*inputs], dict(params)]:
                    pass
                case _:
                    raise BundleError(
                        f"{at}: expected [op, output, inputs, params], found {step!r:.80}"
                    )
            if op not in OPS:
                raise BundleError(f"{at}: unknown op {op!r}; {near(op, tuple(OPS))}")
            if unknown := [
                name for name in inputs if not isinstance(name, str) or name not in known
            ]:
                raise BundleError(f"{at}: no value {unknown[0]!r:.40} has been computed before")
            for key, value in params.items():
                self._check_parameter(f"{at}: {key}", key, value)
            known.add(output)
        if missing := [name for name in OUTPUTS if name not in known]:
            raise BundleError(f"{PROGRAM}: its program does not compute {' and '.join(missing)}")
        return found

    def _check_parameter(self, at: str, key: str, value: Any) -> None:
        if isinstance(value, str):
            if value not in self._arrays:
                raise BundleError(
                    f"{at}: no array {value!r:.40}; {near(value, tuple(self._arrays))}"
                )
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise BundleError(
                f"{at}: expected a number or the name of an array, found {value!r:.40}"
            )

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return `index` and `mean`, int32; BundleError where the program cannot be computed."""
        values = {name: array.astype(np.float64) for name, array in feeds.items()}
        for number, (op, output, inputs, params) in enumerate(self._steps):
            given = {
                key: self._arrays.get(x, x) if isinstance(x, str) else x
                for key, x in params.items()
            }
            try:
                _check_size(op, [values[name] for name in inputs], given)
                with np.errstate(all="ignore"):
                    values[output] = np.asarray(
                        OPS[op](*(values[name] for name in inputs), **given)
                    )
            except Exception as error:  # whatever a forged program makes numpy raise
                raise BundleError(
                    f"{PROGRAM}: step {number} ({op}) cannot be computed: {error}; export the bundle again"
                ) from None
        return {name: _whole(values[name]) for name in OUTPUTS}


def _check_size(op: str, inputs: list[np.ndarray], params: Mapping[str, Any]) -> None:
    """Refuse a step that would take far more memory than any real one."""
    times = 1
    if op in ("upsample", "depth_to_space"):
        by = params.get("by")
        if isinstance(by, bool) or not isinstance(by, int) or not 1 <= by <= _MOST_BY:
            raise ValueError(f"expected by from 1 to {_MOST_BY}, found {by!r}")
        times = by * by if op == "upsample" else 1
    if op == "conv":
        kernel = np.asarray(params["kernel"])
        times = kernel.shape[-1] if kernel.ndim == 4 else 1
        inputs = [x[..., 0] if x.ndim == 4 else x for x in inputs]
    if times * sum(x.size for x in inputs) > _MOST_VALUES:
        raise ValueError(f"it has more than {_MOST_VALUES} values")


def _whole(values: np.ndarray) -> np.ndarray:
    if not np.all(np.abs(values) < 1 << 31):  # NaN fails, too
        raise BundleError(f"{PROGRAM}: its program answers values that are no 32-bit integers")
    return values.astype(np.int32)
