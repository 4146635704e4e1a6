"""An attack on a classifier that can refuse, by somebody who knows that it can.

The refusal is the last class. An image that ends there has been caught, so wrong alone is no success: the
image is driven to one class after the other, the likeliest first; a target's margin holds the refusal too.
"""

from typing import Any

import numpy as np

from dimaging_edge.attacks.pgd import pgd
from dimaging_edge.attacks.table import Result
from dimaging_edge.attacks.threat import Threat
from dimaging_edge.common.errors import InputError


def evade(
    oracle: Any, x: np.ndarray, y: Any, threat: Threat, *, classes: int = 3, seed: int = 0, **settings: Any
) -> Result:  # fmt: skip
    """Look for images that are wrong and not refused; returns them, and where that succeeded.

    oracle: logits [N, classes + 1], of which the last says "refused". y: the right classes, int [N].
    classes: how many targets are tried for each image. settings: those of `pgd`. InputError where the
    threat has a target, or a label is the refusal.
    """
    if threat.target is not None:
        raise InputError("evade chooses its targets itself; leave the target out")
    y = np.asarray(y)
    logits = oracle.score(x)
    refused = logits.shape[1] - 1
    if (y >= refused).any():
        raise InputError(
            f"labels: expected 0 to {refused - 1}, received {y.max()}; the last class is the refusal"
        )
    order = logits[:, :refused].copy()
    order[np.arange(len(y)), y] = -np.inf
    targets = order.argsort(1)[:, ::-1][:, : min(classes, refused - 1)]
    found, queries = x.copy(), len(x)
    success = _wrong_and_accepted(logits, y)
    for number, column in enumerate(targets.T):
        todo = np.flatnonzero(~success)
        if not len(todo):
            break
        part = Threat(threat.norm, threat.eps, threat.bounds, column[todo])
        result = pgd(oracle, x[todo], y[todo], part, seed=seed + number, **settings)
        good = _wrong_and_accepted(oracle.score(result.x), y[todo])
        found[todo[good]], success[todo[good]] = result.x[good], True
        queries += result.queries + len(todo)
    return Result(found, success, threat.norms(found, x), queries, seed, "evade")


def _wrong_and_accepted(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    answer = logits.argmax(1)
    return (answer != y) & (answer != logits.shape[1] - 1)
