"""An attack on a classifier that can refuse, by somebody who knows that it can.

    wrong class above all others ─gradient, as long as that is missing─┐
    wrong class above the refusal ─gradient, as long as that is missing┴─ step, with a memory

The refusal is the last class. An image that ends there has been caught, so wrong alone is no success: the
image is driven to one class after the other, the likeliest first. Both aims have a gradient of their own,
each brought to the same length, for the logits of a classifier and the decision of a detector have units
that nobody compared; and the one that is reached already counts a tenth, so that it stays so.
"""

from typing import Any

import numpy as np

from dimaging_edge.attacks.ascent import random_start, steepest
from dimaging_edge.attacks.table import (
    Asked,
    Result,
    check_array,
    check_images,
    check_labels,
    check_whole,
    random_of,
)
from dimaging_edge.attacks.threat import Threat, column
from dimaging_edge.common.errors import InputError

_MOMENTUM = 0.75
_REACHED = 0.1
"""What an aim counts that is reached."""
_WEIGHTS = (1.0, 3.0, 0.3)
"""How much the refusal counts against the class, by restart."""


def evade(
    oracle: Any, x: np.ndarray, y: Any, threat: Threat, *, classes: int = 3, steps: int = 40,
    restarts: int = 1, seed: int = 0,
) -> Result:  # fmt: skip
    """Look for images that are wrong and not refused; returns them, and where that succeeded.

    oracle: logits [N, classes + 1], of which the last says "refused". y: the right classes, int [N].
    classes: how many targets are tried for each image. restarts: starts for each of them, in turn at the
    image itself, at a random one, and at what came nearest so far. InputError where the threat has a target,
    a label is the refusal, or a number is below 1.
    """
    if threat.target is not None:
        raise InputError("evade chooses its targets itself; leave the target out")
    check_whole("evade", classes=classes, steps=steps, restarts=restarts)
    if min(classes, steps, restarts) < 1:
        raise InputError(
            f"evade: classes, steps and restarts are 1 or more; received {classes}, {steps}, {restarts}"
        )
    asked = Asked(oracle, "evade")
    rng = random_of(seed)
    logits = asked.score(check_array(x, threat.bounds))
    y = check_labels(y, x)
    refused = logits.shape[1] - 1
    if (y >= refused).any():
        raise InputError(
            f"labels: expected 0 to {refused - 1}, received {y.max()}; the last class is the refusal"
        )
    y, _ = check_images(asked, x, y, threat)
    order = logits[:, :refused].copy()
    order[np.arange(len(y)), y] = -np.inf
    targets = order.argsort(1)[:, ::-1][:, : min(classes, refused - 1)]
    found, success = x.copy(), _wrong_and_accepted(logits, y)
    nearest, gap = x.copy(), np.full(len(x), np.inf, np.float32)
    for restart in range(restarts):
        for goal in targets.T:
            todo = np.flatnonzero(~success)
            if not len(todo):
                break
            start = (nearest if restart % 3 == 2 else x)[todo]
            if restart % 3 == 1:
                start = random_start(start, threat, rng)
            weight = _WEIGHTS[restart % len(_WEIGHTS)]
            moved, missed = _drive(
                asked, x[todo], start, y[todo], goal[todo], threat, steps, weight
            )
            done, closer = np.isneginf(missed), missed < gap[todo]
            nearest[todo[closer]], gap[todo[closer]] = moved[closer], missed[closer]
            found[todo[done]], success[todo[done]] = moved[done], True
    success = _wrong_and_accepted(asked.score(found), y)
    return Result(found, success, threat.norms(found, x), asked.queries, seed, "evade")


def _drive(
    oracle: Any, x: np.ndarray, moved: np.ndarray, y: np.ndarray, goal: np.ndarray, threat: Threat,
    steps: int, weight: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Ascend towards the class `goal` [N] and away from the refusal.

    Returns the images that came nearest, and how much their logit of the goal missed, -inf where it is done.
    """
    best, missed, box = moved.copy(), np.full(len(x), np.inf, np.float32), threat.box(x)
    memory, rows = np.zeros_like(x), np.arange(len(x))
    for step in range(steps + 1):
        logits = oracle.score(moved)
        others = logits.copy()
        others[rows, goal] = -np.inf
        gap = others.max(1) - logits[rows, goal]
        gap[_wrong_and_accepted(logits, y)] = -np.inf
        new = gap < missed
        best[new], missed[new] = moved[new], gap[new]
        if step == steps or np.isneginf(missed).all():
            break
        refused = logits.shape[1] - 1
        others[:, refused] = -np.inf
        gradient = np.zeros_like(x)
        for rival, counts in ((others.argmax(1), 1.0), (np.full(len(x), refused), weight)):
            direction = np.zeros_like(logits, np.float32)
            direction[rows, goal], direction[rows, rival] = 1, -1
            slope = oracle.along(moved, direction)[0]
            size = np.abs(slope).reshape(len(x), -1).mean(1)
            missing = np.where(logits[rows, goal] > logits[rows, rival], _REACHED, 1.0)
            gradient += slope * column(counts * missing / np.maximum(size, 1e-30), x).astype(
                np.float32
            )
        memory = _MOMENTUM * memory + gradient
        # From a half of eps to a fiftieth: far at first, then exact.
        length = np.float32(threat.reach(x) * (0.02 + 0.24 * (1 + np.cos(np.pi * step / steps))))
        moved = threat.project(moved + length * steepest(memory, threat.norm), x, box)
    return best, missed


def _wrong_and_accepted(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    answer = logits.argmax(1)
    return (answer != y) & (answer != logits.shape[1] - 1)
