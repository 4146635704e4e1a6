"""RayS: a search over directions by labels alone (Chen and Gu 2020, arXiv 2006.12792).

What an attacker can do who sees only the answer. Each image keeps a direction of signs and the distance at
which the answer changes along it; blocks of signs are flipped, coarse first, and kept where that is nearer.
"""

from typing import Any

import numpy as np

from dimaging_edge.attacks.table import attack
from dimaging_edge.attacks.threat import Threat, column
from dimaging_edge.common.errors import InputError


@attack(needs="labels", norms=("linf",), targeted=False)
def rays(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, queries: int = 2000, precision: float = 1e-3,
) -> np.ndarray:  # fmt: skip
    """Flip blocks of signs; look along each direction, by bisection, for the change of the answer.

    As long as no direction of an image has changed the answer, its blocks get signs by chance: a step from
    one corner to the next may never do. After that each flip is kept that is nearer.
    queries: at most, an image. precision: of a distance, as a share of the range of an image. An image is
    done as soon as its distance is within eps; with eps infinite the nearest one is looked for as long as
    there are queries.
    """
    if queries < 2 or not 0 < precision < 1:
        raise InputError(
            f"rays: expected queries of 2 or more, precision above 0 and below 1; received {queries}, "
            f"{precision}"
        )
    low, high = threat.bounds
    tolerance = precision * (high - low)
    flat = x[0].size
    signs = np.ones((len(x), flat), np.float32)
    enough = threat.eps if np.isfinite(threat.eps) else 0.0

    def fooled(which: np.ndarray, direction: np.ndarray, distance: np.ndarray) -> np.ndarray:
        moved = _along(x[which], direction, distance, threat.bounds)
        return oracle.score(moved).argmax(1) != y[which]

    asked = np.ones(len(x), int)
    far = np.full(len(x), high - low, np.float64)
    known = fooled(np.arange(len(x)), signs, far)
    distance = np.where(known, far, np.inf)
    level, block = 1, 0
    while True:
        alive = np.flatnonzero((distance > enough) & (asked < queries))
        if not len(alive):
            break
        edges = np.linspace(0, flat, 2**level + 1).astype(int)
        trial = signs[alive].copy()
        trial[:, edges[block] : edges[block + 1]] *= -1
        lost = ~np.isfinite(distance[alive])
        chance = rng.choice(np.array([-1, 1], np.float32), (lost.sum(), 2**level))
        trial[lost] = chance.repeat(np.diff(edges), axis=1)
        limit = np.minimum(distance[alive], far[alive])
        nearer = fooled(alive, trial, limit)
        asked[alive] += 1
        which, direction = alive[nearer], trial[nearer]
        signs[which] = direction
        below, above = np.zeros(len(which)), limit[nearer]
        while (go := (above - below > tolerance) & (asked[which] < queries)).any():
            middle = (below[go] + above[go]) / 2
            hit = fooled(which[go], direction[go], middle)
            asked[which[go]] += 1
            above[go], below[go] = (
                np.where(hit, middle, above[go]),
                np.where(hit, below[go], middle),
            )
        distance[which] = above
        block += 1
        if block == 2**level:
            block, level = 0, level + 1
            level = level if 2**level <= flat else 1
    reach = np.minimum(np.where(np.isfinite(distance), distance, 0), threat.eps)
    return threat.project(_along(x, signs, reach, threat.bounds), x)


def _along(
    x: np.ndarray, signs: np.ndarray, distance: np.ndarray, bounds: tuple[float, float]
) -> np.ndarray:
    """Images moved by so far along their signs, inside the bounds."""
    step = column(distance, x) * signs.reshape(x.shape)
    return np.clip(x + step, *bounds).astype(np.float32)
