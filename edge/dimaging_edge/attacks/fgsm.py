"""One step of the full size (Goodfellow, Shlens and Szegedy 2015, arXiv 1412.6572)."""

from typing import Any

import numpy as np

from dimaging_edge.attacks.ascent import climb, steepest
from dimaging_edge.attacks.table import attack
from dimaging_edge.attacks.threat import Threat


@attack(needs="gradient")
def fgsm(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator
) -> np.ndarray:
    """X + eps sign(gradient), the lecture's formula; in l2 along the gradient itself.

    With a target it descends towards it. On a linear model it is the strongest attack there is.
    """
    gradient, _, _ = climb(oracle, x, y, threat)
    return threat.project(x + np.float32(threat.reach(x)) * steepest(gradient, threat.norm), x)
