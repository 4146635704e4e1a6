"""What attacks by the gradient share: the loss to climb, a step, a start, and the images found so far."""

from typing import Any

import numpy as np

from dimaging_edge.attacks.threat import Threat, column, length


def climb(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient, loss and logits; the loss grows towards what the attacker wants."""
    gradient, margin, logits = oracle(x, threat.wanted(y))
    return threat.sign * gradient, threat.sign * margin, logits


def steepest(gradient: np.ndarray, norm: str) -> np.ndarray:
    """The direction of length 1, in that norm, along which a loss grows fastest."""
    if norm == "linf":
        return np.sign(gradient)
    return gradient / column(np.maximum(length(gradient), 1e-30), gradient).astype(np.float32)


def random_start(x: np.ndarray, threat: Threat, rng: np.random.Generator) -> np.ndarray:
    """A random image inside the threat: evenly in the cube of linf, evenly in the ball of l2."""
    reach = threat.reach(x)
    if threat.norm == "linf":
        noise = rng.uniform(-reach, reach, x.shape)
    else:
        noise = rng.standard_normal(x.shape)
        share = rng.random(len(x)) ** (1 / x[0].size)
        noise *= column(reach * share / length(noise), x)
    return threat.project((x + noise).astype(np.float32), x)


class Found:
    """The first image of each that succeeded, and until then the one of the largest loss.

    confident: the one of the largest loss to the end, which transfers and stands views that nobody tried.
    certainty: the least probability of all that the attacker wants at which an image counts as done.
    """

    def __init__(self, x: np.ndarray, confident: bool = False, certainty: float = 0.0):
        self.x = x.copy()
        self.confident = confident
        # The loss is the log-odds of what the attacker wants.
        self.least = np.log(certainty / (1 - certainty)) if certainty > 0 else -np.inf
        self.done = np.zeros(len(x), bool)
        self.loss = np.full(len(x), -np.inf)

    def note(self, which: np.ndarray, x: np.ndarray, loss: np.ndarray, reached: np.ndarray) -> None:
        """Look at images x of the numbers `which`, with their losses and whether they succeeded."""
        reached = reached & (not self.confident) & (loss >= self.least)
        better = ~self.done[which] & (reached | (loss > self.loss[which]))
        self.x[which[better]] = x[better]
        self.loss[which[better]] = loss[better]
        self.done[which] |= reached

    @property
    def left(self) -> np.ndarray:
        """Numbers of the images that have not succeeded."""
        return np.flatnonzero(~self.done)
