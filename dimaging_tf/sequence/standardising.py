"""A fixed first layer for series in any unit: each channel gets mean 0 and standard deviation 1.

    y = x @ kernel + bias        kernel = diag(1 / spread), bias = -mean / spread, of the training series

A recurrent layer sees nothing of volts, whose signals are a millionth, and of counts around 1000 only that
they are large. The layer is measured once, does not learn, and leaves with the network.
"""

import numpy as np

ROUNDING = 1e-7
"""A spread that is a smaller share of the largest magnitude is the rounding of float32."""


def standardising(x: np.ndarray) -> list[np.ndarray]:
    """Return the weights [kernel [C, C], bias [C]] of a dense layer for series x [N, T, C].

    A channel that never changes says nothing and becomes 0.
    """
    numbers = np.asarray(x, np.float64).reshape(-1, x.shape[-1])
    mean, spread = numbers.mean(0), numbers.std(0)
    least = np.maximum(ROUNDING * np.abs(numbers).max(0), np.finfo(np.float32).tiny)
    scale = 1 / np.where(spread > least, spread, 1.0)
    return [np.diag(scale), -mean * scale]
