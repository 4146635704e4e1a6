"""DeepFool: onto the nearest linearised boundary (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599)."""

from typing import Any

import numpy as np

from dimaging_edge.attacks.table import attack
from dimaging_edge.attacks.threat import Threat, column, length
from dimaging_edge.common.errors import InputError


@attack(needs="gradient", targeted=False)
def deepfool(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, steps: int = 50, classes: int = 10, overshoot: float = 0.02,
) -> np.ndarray:  # fmt: skip
    """Step onto the nearest of the linearised boundaries until the class changes.

    classes: how many of the likeliest others are looked at. overshoot: share by which the whole change is
    lengthened to be past the boundary. Where that is more than eps, the image keeps eps and mostly fails.
    """
    if steps < 1 or classes < 1 or not 0 <= overshoot < np.inf:
        raise InputError(
            "deepfool: steps and classes are 1 or more, overshoot is 0 or more; received "
            f"{steps}, {classes}, {overshoot}"
        )
    low, high = threat.bounds
    total, moved = np.zeros(x.shape, np.float64), x.copy()
    alive = np.arange(len(x))
    for _ in range(steps):
        logits = oracle.score(moved[alive]).astype(np.float64)
        alive, logits = (part[~threat.reached(logits, y[alive])] for part in (alive, logits))
        if not len(alive):
            break
        total[alive] += _to_boundary(oracle, moved[alive], y[alive], logits, classes, threat.norm)
        moved[alive] = np.clip(x[alive] + (1 + overshoot) * total[alive], low, high)
    return moved


def _to_boundary(
    oracle: Any, x: np.ndarray, y: np.ndarray, logits: np.ndarray, classes: int, norm: str
) -> np.ndarray:
    """The shortest change that brings each image onto a boundary of its linearised model, float64."""
    rows, count = np.arange(len(x)), logits.shape[1]
    others = np.argsort(-np.where(np.eye(count, dtype=bool)[y], -np.inf, logits), axis=1)
    nearest, best = np.full(len(x), np.inf), np.zeros(x.shape, np.float64)
    for k in range(min(classes, count - 1)):
        direction = (
            np.eye(count, dtype=np.float32)[others[:, k]] - np.eye(count, dtype=np.float32)[y]
        )
        w = oracle.along(x, direction)[0].astype(np.float64)
        gap = np.abs(logits[rows, others[:, k]] - logits[rows, y]) + 1e-6
        dual = length(w) if norm == "l2" else np.abs(w).reshape(len(x), -1).sum(1)
        distance = gap / np.maximum(dual, 1e-30)
        step = column(distance, x) * (
            w / column(np.maximum(dual, 1e-30), x) if norm == "l2" else np.sign(w)
        )
        closer = distance < nearest
        nearest[closer], best[closer] = distance[closer], step[closer]
    return best
