"""Decoupled direction and norm: the smallest change in l2 (Rony et al. 2019, arXiv 1811.09600)."""

from typing import Any

import numpy as np

from dimaging_edge.attacks.ascent import climb
from dimaging_edge.attacks.table import attack
from dimaging_edge.attacks.threat import Threat, column, length
from dimaging_edge.common.errors import InputError


@attack(needs="gradient", norms=("l2",))
def ddn(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, steps: int = 100, gamma: float = 0.05,
) -> np.ndarray:  # fmt: skip
    """Walk on a sphere around the image that shrinks where it fools, and grows where it does not.

    Its first radius is the range of a value, as 1 is of images in [0, 1].
    gamma: by how much at each step. The shortest change that fooled is kept; with eps infinite every image is
    fooled in the end, and the norms are the result.
    """
    if steps < 1 or not 0 < gamma < 1:
        raise InputError(
            f"ddn: expected steps of 1 or more and gamma in 0 to 1; received {steps}, {gamma}"
        )
    low, high = threat.bounds
    delta, radius = np.zeros(x.shape, np.float64), np.full(len(x), high - low)
    nearest, best = np.full(len(x), np.inf), x.copy()
    for number in range(steps):
        moved = np.clip(x + delta, low, high).astype(np.float32)
        gradient, _, logits = climb(oracle, moved, y, threat)
        fooled = threat.reached(logits, y)
        size = length(moved.astype(np.float64) - x)
        shorter = fooled & (size < nearest)
        nearest[shorter], best[shorter] = size[shorter], moved[shorter]
        # A cosine from 1 to 0.01: large steps first, then ever finer ones.
        pace = 0.01 + 0.99 * (1 + np.cos(np.pi * number / steps)) / 2
        step = gradient / column(np.maximum(length(gradient), 1e-30), gradient)
        delta += (high - low) * pace * step
        radius *= np.where(fooled, 1 - gamma, 1 + gamma)
        delta *= column(radius / np.maximum(length(delta), 1e-30), delta)
        delta = np.clip(x + delta, low, high) - x
    return best
