"""Random squares, kept where they help: an attack by scores (Andriushchenko et al. 2020, arXiv 1912.00049).

It needs no gradient, so a masked one does not stop it: a model that withstands PGD and falls to squares is
not robust, it hides. A square that leaves the loss as it was is kept too: the int8 head of a deployed file
gives a few hundred different logits, a quarter of all proposals tie, and a search that wants strictly
better ones stalls there and calls the file robust.
"""

from typing import Any

import numpy as np

from dimaging_edge.attacks.table import attack, threat_of
from dimaging_edge.attacks.threat import Threat, split_logits
from dimaging_edge.common.errors import InputError

_HALVED = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Numbers of queries, of 10,000, after which the share of pixels in a square is halved, as in the paper."""


@attack(needs="scores", norms=("linf",))
def square(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, queries: int = 5000, share: float = 0.8,
) -> np.ndarray:  # fmt: skip
    """Stripes, then squares of +-eps at random places, kept unless the margin of the logits shrinks.

    queries: at most, an image. share: of the pixels in the first square. Images are [N, H, W, C], or
    [N, C, H, W] where the second axis alone can be that of 1 or 3 colours.
    """
    if x.ndim != 4 or queries < 2 or not 0 < share <= 1:
        raise InputError(
            f"square: expected images [N, H, W, C], queries of 2 or more, a share in 0 to 1; received "
            f"{list(x.shape)}, {queries}, {share}"
        )
    first = x.shape[1] in (1, 3) and x.shape[3] not in (1, 3, 4)

    def as_given(images: np.ndarray) -> np.ndarray:
        return np.moveaxis(images, -1, 1) if first else images

    if first:
        x = np.moveaxis(x, 1, -1)
    low, high = threat.box(x)
    n, height, width, channels = x.shape
    stripes = rng.random((n, 1, width, channels)) < 0.5
    moved = np.where(stripes, low, high)
    loss, done = _loss(oracle, as_given(moved), y, threat)
    for number in range(1, queries):
        alive = np.flatnonzero(~done)
        if not len(alive):
            break
        side = _side(number, queries, share, height, width)
        tops = rng.integers(0, height - side + 1, len(alive))
        lefts = rng.integers(0, width - side + 1, len(alive))
        up = rng.random((len(alive), channels)) < 0.5
        trial = moved[alive]
        for k, i in enumerate(alive):
            place = slice(tops[k], tops[k] + side), slice(lefts[k], lefts[k] + side)
            trial[k][place] = np.where(up[k], high[i][place], low[i][place])
        new, reached = _loss(oracle, as_given(trial), y[alive], threat_of(threat, alive))
        keep = (new >= loss[alive]) | reached
        moved[alive[keep]], loss[alive[keep]] = trial[keep], new[keep]
        done[alive] = reached
    return as_given(moved)


def _loss(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat
) -> tuple[np.ndarray, np.ndarray]:
    """How far the attacker is, in logits (above 0: there), and whether each has succeeded."""
    logits = oracle.score(x)
    own, others = split_logits(logits, threat.wanted(y))
    return threat.sign * (others - own), threat.reached(logits, y)


def _side(number: int, queries: int, share: float, height: int, width: int) -> int:
    """The side of a square after so many queries, in pixels."""
    passed = int(number / queries * 10_000)
    share /= 2 ** sum(passed > limit for limit in _HALVED)
    return max(1, min(round((share * height * width) ** 0.5), height - 1, width - 1))
