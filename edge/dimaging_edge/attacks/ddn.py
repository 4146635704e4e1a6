"""Decoupled direction and norm: the smallest change in l2 (Rony et al. 2019, arXiv 1811.09600)."""

from typing import Any

import numpy as np

from dimaging_edge.attacks.table import attack
from dimaging_edge.attacks.threat import Threat, column, length
from dimaging_edge.common.errors import InputError

_HALVINGS = 8
"""Bisections at the end, between the image and what was found."""


@attack(needs="gradient", norms=("l2",))
def ddn(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, steps: int = 100, gamma: float = 0.05,
) -> np.ndarray:  # fmt: skip
    """Walk on a sphere around the image that shrinks where it fools, and grows where it does not.

    Its first radius is the range of a value, as 1 is of images in [0, 1]. It climbs the difference of the
    wanted logit to its nearest rival, as FMN does (Pintor et al. 2021, arXiv 2102.12827): of a linear model
    that is straight to the boundary, where the gradient of the cross-entropy is pulled by every other class.
    gamma: by how much at each step. The shortest change that fooled is kept and halved as long as it fools;
    with eps infinite every image is fooled in the end, and the norms are the result.
    """
    if steps < 1 or not 0 < gamma < 1:
        raise InputError(
            f"ddn: expected steps of 1 or more and gamma in 0 to 1; received {steps}, {gamma}"
        )
    low, high = threat.bounds
    delta, radius = np.zeros(x.shape, np.float64), np.full(len(x), high - low)
    nearest, best = np.full(len(x), np.inf), x.copy()
    rows, wanted, logits = np.arange(len(x)), threat.wanted(y), oracle.score(x)
    for number in range(steps):
        moved = np.clip(x + delta, low, high).astype(np.float32)
        rivals = logits.copy()
        rivals[rows, wanted] = -np.inf
        direction = np.zeros(logits.shape, np.float32)
        direction[rows, rivals.argmax(1)] = threat.sign
        direction[rows, wanted] = -threat.sign
        gradient, logits = oracle.along(moved, direction)
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
    change, least, most = best.astype(np.float64) - x, np.zeros(len(x)), np.ones(len(x))
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        moved = (x + change * column(middle, x)).astype(np.float32)
        fooled = threat.reached(oracle.score(moved), y)
        best[fooled] = moved[fooled]
        least, most = np.where(fooled, least, middle), np.where(fooled, middle, most)
    return best
