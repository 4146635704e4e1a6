"""What an attacker may do: how far an image may move, in which norm, inside which bounds, to which class."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from dimaging_edge.common.errors import InputError, near

NORMS = ("linf", "l2")


@dataclass(frozen=True, eq=False)
class Threat:
    """A threat model, complete: nothing in it is left to an attack.

    InputError for an unknown norm, an eps that is negative or larger than the whole range, and bounds that
    are none.
    """

    norm: str
    """"linf": the largest change of a value. "l2": the root of the sum of all squared changes of an image."""
    eps: float
    """Largest change, in the unit of `bounds`; infinity where the smallest change is looked for."""
    bounds: tuple[float, float] = (0.0, 1.0)
    """Legal values of an image."""
    target: int | Sequence[int] | np.ndarray | None = None
    """The class to reach, one or one an image [N]; None: any class but the right one."""

    def __post_init__(self) -> None:
        if not isinstance(self.norm, str) or self.norm not in NORMS:
            raise InputError(f"unknown norm {self.norm!r}; {near(str(self.norm), NORMS)}")
        if np.shape(self.bounds) != (2,) or not all(map(is_number, self.bounds)):
            raise InputError(
                f"bounds: expected two numbers, low and high, received {self.bounds!r}"
            )
        low, high = self.bounds
        if not -math.inf < low < high < math.inf:
            raise InputError(f"bounds: expected low < high, received {self.bounds}")
        if not is_number(self.eps) or not self.eps >= 0:  # NaN fails too
            mend = f"; read_eps({self.eps!r}) makes one of it" if isinstance(self.eps, str) else ""
            raise InputError(f"eps: expected a number of 0 or more, received {self.eps!r}{mend}")
        if self.norm == "linf" and high - low < self.eps < math.inf:
            unit = "" if high - low == 1 else f"{high - low:g}*"
            raise InputError(
                f"eps={self.eps:g} is more than the whole range of an image, {low:g} to {high:g}; eps is in "
                f"the unit of the range: for grey levels of 8 bits write eps={unit}{self.eps:g}/255"
            )
        # Plain numbers: those of numpy's float32 would neither compute nor be written as JSON like them.
        object.__setattr__(self, "eps", float(self.eps))
        object.__setattr__(self, "bounds", (float(low), float(high)))
        object.__setattr__(self, "target", _classes(self.target))

    def wanted(self, y: np.ndarray) -> np.ndarray:
        """The label whose margin an attack works on, int64 [N]: the target, or the right one."""
        if self.target is None:
            return y
        target = np.asarray(self.target, np.int64)
        if target.ndim and target.shape != y.shape:
            raise InputError(
                f"target: expected one class, or {len(y)}, one for each image; received {len(target)}"
            )
        return np.broadcast_to(target, y.shape)

    def reach(self, x: np.ndarray) -> float:
        """The largest change that eps and the bounds allow of an image of `x` [N, ...]; it is finite."""
        low, high = self.bounds
        whole = high - low if self.norm == "linf" else (high - low) * math.sqrt(x[0].size)
        return min(self.eps, whole)

    @property
    def sign(self) -> int:
        """1 where the margin of `wanted` shall grow, -1 where it shall fall (a target)."""
        return 1 if self.target is None else -1

    def reached(self, logits: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether each image is where the attacker wants it, bool [N]; a tie of two logits is no success."""
        own, others = split_logits(logits, self.wanted(y))
        return others > own if self.target is None else own > others

    def box(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least and largest float32 values that keep `eps` (of linf) and `bounds`, exactly.

        x + eps in float32 may round to a neighbour that is further away than eps; here it never does.
        """
        low, high = (np.float64(bound) for bound in self.bounds)
        eps = self.eps if self.norm == "linf" else math.inf
        wide = x.astype(np.float64)
        least, most = np.maximum(wide - eps, low), np.minimum(wide + eps, high)
        lower, upper = least.astype(np.float32), most.astype(np.float32)
        lower = np.where(lower < least, np.nextafter(lower, np.float32(np.inf)), lower)
        upper = np.where(upper > most, np.nextafter(upper, np.float32(-np.inf)), upper)
        return np.minimum(lower, x), np.maximum(upper, x)

    def project(self, moved: np.ndarray, x: np.ndarray, box: Any = None) -> np.ndarray:
        """The nearest legal images to `moved`, float32; `box` of the same x spares computing it again."""
        low, high = self.box(x) if box is None else box
        if self.norm == "linf" or self.eps == math.inf:
            return np.clip(moved, low, high)
        start = x.astype(np.float64)
        delta = moved.astype(np.float64) - start
        size = length(delta)
        # Rounding to float32 moves an image by no more than this, so what is shorter stays inside.
        slack = 2.0**-24 * max(map(abs, self.bounds)) * np.sqrt(x[0].size)
        scale = np.where(size > self.eps, max(self.eps - slack, 0) / np.maximum(size, 1e-300), 1.0)
        return np.clip((start + delta * column(scale, x)).astype(np.float32), low, high)

    def norms(self, moved: np.ndarray, x: np.ndarray) -> np.ndarray:
        """How far each image was moved, in `norm`, float64 [N]."""
        delta = moved.astype(np.float64) - x
        if self.norm == "l2":
            return length(delta)
        return np.abs(delta).reshape(len(x), -1).max(1)


def _classes(target: Any) -> int | np.ndarray | None:
    """A target as a number or as int64 [N]; InputError where it is no class."""
    if target is None:
        return None
    found = as_array(target)
    if found.dtype.kind not in "iu" or found.ndim > 1:
        raise InputError(
            f"target: expected the number of a class, or one for each image [N], received {target!r}"
        )
    return int(found) if found.ndim == 0 else found.astype(np.int64)


def is_number(value: Any) -> bool:
    """Whether a value is one real number, of Python or numpy; truth values and text are none."""
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def as_array(value: Any) -> np.ndarray:
    """A value as an array; of objects where its rows differ in length, which numpy refuses."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(value, object)


def length(delta: np.ndarray) -> np.ndarray:
    """The Euclidean norm of each image, float64 [N]."""
    return np.linalg.norm(delta.reshape(len(delta), -1).astype(np.float64), axis=1)


def column(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """[N] as [N, 1, 1, ...], to be multiplied with images."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def split_logits(logits: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logit of a label, and the largest of all others, [N] each."""
    rows = np.arange(len(logits))
    rest = logits.copy()
    rest[rows, label] = -np.inf
    return logits[rows, label], rest.max(1)


def read_eps(text: str) -> float:
    """A number or a fraction, such as 8/255; InputError for anything else."""
    above, slash, below = text.partition("/")
    try:
        value = float(above) / (float(below) if slash else 1.0)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(f"eps: expected a number such as 0.03 or 8/255, received {text!r}")
    return value
