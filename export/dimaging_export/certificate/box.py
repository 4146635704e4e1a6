"""A box: the least and the largest value of every number of a tensor, and what is known of all of them.

Two facts are kept beside the names of its two tensors, because they decide how exact the bounds are:

    least, most   no value ever lies outside these two numbers, whatever the image
    steps         every value is a multiple of 2^-steps; None: it is any float32

Whole numbers of a power of two whose sums stay below 2^24 are added by float32 without any error, so such
bounds are exact. Any other sum is widened by what rounding can do to it: n terms added in whatever order are
off by at most gamma = n u / (1 - n u) times the sum of the absolute terms, u = 2^-24 (Higham,
Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from dataclasses import dataclass

import numpy as np

UNIT = 2.0**-24
"""Largest relative error of one float32 operation."""
EXACT_BELOW = 2.0**24
"""Whole numbers up to here are float32 numbers."""
FINEST = 40
"""Most binary digits after the point that `steps_of` looks for."""
TINY = 1e-30
"""What denormal numbers, which a device may take for 0, can do to a sum: added to every width."""


@dataclass(frozen=True)
class Box:
    """A tensor's bounds as two tensors of the certificate, by name, and what holds for all its values."""

    low: str
    high: str
    least: float
    most: float
    steps: int | None = None

    @property
    def reach(self) -> float:
        """The largest absolute value that any number of the tensor can have."""
        return max(abs(self.least), abs(self.most))


def steps_of(*arrays: np.ndarray) -> int | None:
    """Return how many binary digits after the point all numbers have; None for more than `FINEST`."""
    for steps in range(FINEST + 1):
        if all((a * 2.0**steps == np.floor(a * 2.0**steps)).all() for a in arrays):
            return steps
    return None


SPARE = 8
"""Terms that are added to a sum's, for the few single operations beside it."""


def rounding_of_sum(terms: int) -> float:
    """Return gamma / (1 - gamma): what a sum of so many terms is off by, in shares of its absolute terms.

    Widths that this widens are sums themselves, which may come out gamma too small: hence the divisor.
    """
    gamma = (terms + SPARE) * UNIT / (1 - (terms + SPARE) * UNIT)
    return gamma / (1 - gamma)
