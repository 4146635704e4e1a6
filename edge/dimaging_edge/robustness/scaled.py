"""The same classifier with its logits multiplied by a number: it decides alike, so it must be as robust."""

from typing import Any

import numpy as np


class Scaled:
    """An oracle whose logits are multiplied; the slope of the margin is computed in float64."""

    def __init__(self, oracle: Any, scale: float):
        self._oracle, self._scale = oracle, scale

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradient, margin and logits of the scaled model."""
        logits = self._scale * self._oracle.score(x).astype(np.float64)
        rows, rest = np.arange(len(x)), logits.copy()
        rest[rows, y] = -np.inf
        top = rest.max(1)
        powers = np.exp(rest - top[:, None])
        slope = powers / powers.sum(1, keepdims=True)
        slope[rows, y] = -1
        margin = top + np.log(powers.sum(1)) - logits[rows, y]
        return self._oracle.along(x, slope.astype(np.float32))[0], margin, logits

    def score(self, x: np.ndarray) -> np.ndarray:
        """The scaled logits."""
        return self._scale * self._oracle.score(x)
