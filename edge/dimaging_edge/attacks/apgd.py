"""Auto-PGD: steps that halve themselves where they stop paying (Croce and Hein 2020, arXiv 2003.01690).

No step size to choose, so no way to choose it badly: the one attack by gradients that every figure of
robustness here rests on. Its loss is the margin ("ce": the cross-entropy's gradient, without its vanishing)
or the difference of logits ratio ("dlr"), which no scale or shift of the logits changes.
"""

import math
from dataclasses import dataclass, fields
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
    """Ascend from random starts, the images `which`, and note what is met; done ones are left out."""
    ask = climb if loss == "ce" else _climb_ratio
    box = threat.box(x)
    now = random_start(x, threat, rng)
    gradient, value, logits = ask(oracle, now, y, threat)
    found.note(which, now, value, threat.reached(logits, y))
    at = _Climb(
        which, x, y, *box, now, now, gradient, value, now.copy(), value.copy(), gradient.copy(),
        np.full(len(x), 2 * threat.reach(x)), np.full(len(x), 2 * threat.reach(x)), value.copy(),
        np.zeros(len(x)),
    )  # fmt: skip
    whole, looks, looked = which, _checkpoints(steps), 0
    for number in range(1, steps + 1):
        at = at.left(~found.done[at.which])
        if not len(at.which):
            return
        part, box = threat_of(threat, np.searchsorted(whole, at.which)), (at.low, at.high)
        ahead = at.now + column(at.step, at.x).astype(np.float32) * steepest(
            at.gradient, threat.norm
        )
        ahead = threat.project(ahead, at.x, box)
        share = _MOMENTUM if number > 1 else 1.0
        mixed = (
            at.now
            + np.float32(share) * (ahead - at.now)
            + np.float32(1 - share) * (at.now - at.last)
        )
        at.last, at.now = at.now, threat.project(mixed, at.x, box)
        value_before = at.value
        at.gradient, at.value, logits = ask(oracle, at.now, at.y, part)
        found.note(at.which, at.now, at.value, part.reached(logits, at.y))
        at.raised += at.value > value_before
        better = at.value > at.best_value
        at.best[better], at.best_gradient[better] = at.now[better], at.gradient[better]
        at.best_value = np.maximum(at.best_value, at.value)
        if number in looks:
            stuck = at.raised < _ENOUGH * (number - looked)
            stuck |= (at.step == at.step_before) & (at.best_value == at.best_before)
            at.step_before, at.best_before = at.step.copy(), at.best_value.copy()
            at.step = np.where(stuck, at.step / 2, at.step)
            at.now, at.gradient = at.now.copy(), at.gradient.copy()
            at.now[stuck], at.gradient[stuck] = at.best[stuck], at.best_gradient[stuck]
            at.value = np.where(stuck, at.best_value, at.value)
            at.raised[:], looked = 0, number


@dataclass(eq=False)
class _Climb:
    """Where each image is on its way up, a row each: its bounds, the last two steps, and the best so far."""

    which: np.ndarray
    """Numbers of the images that are not done."""
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    now: np.ndarray
    last: np.ndarray
    gradient: np.ndarray
    value: np.ndarray
    best: np.ndarray
    best_value: np.ndarray
    best_gradient: np.ndarray
    step: np.ndarray
    step_before: np.ndarray
    best_before: np.ndarray
    """`step` and `best_value` at the last look."""
    raised: np.ndarray
    """Steps since the last look that raised the loss."""

    def left(self, keep: np.ndarray) -> "_Climb":
        """The rows to keep, bool [N]."""
        if keep.all():
            return self
        return _Climb(*(getattr(self, field.name)[keep] for field in fields(self)))


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
