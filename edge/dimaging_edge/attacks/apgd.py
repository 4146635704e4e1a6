"""Auto-PGD: steps that halve themselves where they stop paying (Croce and Hein 2020, arXiv 2003.01690).

No step size to choose, so no way to choose it badly: the one attack by gradients that every figure of
robustness here rests on. Its loss is the margin ("ce": the cross-entropy's gradient, without its vanishing)
or the difference of logits ratio ("dlr"), which no scale or shift of the logits changes.
"""

import math
from typing import Any

import numpy as np

from dimaging_edge.attacks.ascent import Found, climb, random_start, steepest
from dimaging_edge.attacks.table import attack, threat_of
from dimaging_edge.attacks.threat import Threat, column
from dimaging_edge.common.errors import InputError

_MOMENTUM = 0.75
_ENOUGH = 0.75
"""Share of the steps since the last look that must have raised the loss, else the step is halved."""


@attack(needs="gradient")
def apgd(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, steps: int = 100, restarts: int = 1, loss: str = "ce",
) -> np.ndarray:  # fmt: skip
    """Auto-PGD on the margin (loss="ce") or on the difference of logits ratio (loss="dlr").

    dlr asks the model twice a step, and needs 3 classes (4 with a target).
    """
    if loss not in ("ce", "dlr") or steps < 1 or restarts < 1:
        raise InputError(
            f"apgd: expected loss 'ce' or 'dlr', steps and restarts of 1 or more; received {loss!r}, "
            f"{steps}, {restarts}"
        )
    found = Found(x)
    for _ in range(restarts):
        todo = found.left
        if len(todo):
            part = threat_of(threat, todo)
            _ascend(oracle, x[todo], y[todo], part, todo, found, steps, loss, rng)
    return found.x


def _ascend(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, which: np.ndarray, found: Found,
    steps: int, loss: str, rng: np.random.Generator,
) -> None:  # fmt: skip
    box, ask = threat.box(x), climb if loss == "ce" else _climb_ratio

    def look(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gradient, value, logits = ask(oracle, at, y, threat)
        found.note(which, at, value, threat.reached(logits, y))
        return gradient, value

    now = last = random_start(x, threat, rng)
    gradient, value = look(now)
    best, best_value, best_gradient = now.copy(), value.copy(), gradient.copy()
    step = np.full(len(x), 2 * threat.reach(x))
    step_before, best_before = step.copy(), best_value.copy()
    raised, looks, looked = np.zeros(len(x)), _checkpoints(steps), 0
    for number in range(1, steps + 1):
        if found.done[which].all():
            return
        ahead = now + column(step, x).astype(np.float32) * steepest(gradient, threat.norm)
        ahead = threat.project(ahead, x, box)
        share = _MOMENTUM if number > 1 else 1.0
        mixed = now + np.float32(share) * (ahead - now) + np.float32(1 - share) * (now - last)
        last, now = now, threat.project(mixed, x, box)
        value_before = value
        gradient, value = look(now)
        raised += value > value_before
        better = value > best_value
        best[better], best_gradient[better] = now[better], gradient[better]
        best_value = np.maximum(best_value, value)
        if number in looks:
            stuck = raised < _ENOUGH * (number - looked)
            stuck |= (step == step_before) & (best_value == best_before)
            step_before, best_before = step.copy(), best_value.copy()
            step = np.where(stuck, step / 2, step)
            now, gradient = now.copy(), gradient.copy()
            now[stuck], gradient[stuck] = best[stuck], best_gradient[stuck]
            value = np.where(stuck, best_value, value)
            raised[:], looked = 0, number


def _checkpoints(steps: int) -> set[int]:
    """The steps at which the length of a step is looked at: 22 %, then ever closer, down to 6 % apart."""
    places = [0.0, 0.22]
    while places[-1] < 1:
        places.append(places[-1] + max(places[-1] - places[-2] - 0.03, 0.06))
    return {math.ceil(place * steps) for place in places[1:] if place <= 1}


def least_classes(threat: Threat) -> int:
    """How many classes a model must have for the loss dlr."""
    return 3 if threat.target is None else 4


def _climb_ratio(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient, value and logits of the difference of logits ratio.

    Untargeted (max over others - z_y) / (z_1 - z_3), targeted (z_t - z_y) / (z_1 - (z_3 + z_4) / 2), with
    z_1 >= z_2 >= ... the logits in order.
    """
    logits = oracle.score(x)
    top = logits.astype(np.float64)
    least = least_classes(threat)
    if top.shape[1] < least:
        raise InputError(
            f"apgd: loss 'dlr' needs {least} classes, the model has {top.shape[1]}; take 'ce'"
        )
    rows, order = np.arange(len(x)), np.argsort(-top, axis=1)
    if threat.target is None:
        goal = np.where(order[:, 0] == y, order[:, 1], order[:, 0])
        low = [order[:, 2]]
    else:
        goal, low = threat.wanted(y), [order[:, 2], order[:, 3]]
    gap = top[rows, order[:, 0]] - sum(top[rows, i] for i in low) / len(low)
    gap = np.maximum(gap, 1e-12)
    value = (top[rows, goal] - top[rows, y]) / gap
    direction = np.zeros_like(top)
    np.add.at(direction, (rows, goal), 1 / gap)
    np.add.at(direction, (rows, y), -1 / gap)
    np.add.at(direction, (rows, order[:, 0]), -value / gap)
    for i in low:
        np.add.at(direction, (rows, i), value / gap / len(low))
    # One scale for each image: the sign and the direction of its gradient do not need it, float32 does.
    direction /= np.maximum(np.abs(direction).max(1, keepdims=True), 1e-30)
    gradient, logits = oracle.along(x, direction.astype(np.float32))
    return gradient, value, logits
