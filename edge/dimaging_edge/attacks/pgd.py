"""Many small steps: BIM, PGD with random starts, and MI-FGSM, which remembers where it was going."""

from typing import Any

import numpy as np

from dimaging_edge.attacks.ascent import Found, climb, random_start, steepest
from dimaging_edge.attacks.table import attack, threat_of
from dimaging_edge.attacks.threat import Threat, column
from dimaging_edge.common.errors import InputError


@attack(needs="gradient")
def pgd(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, steps: int = 40, step: float | None = None, restarts: int = 1, confident: bool = False,
    certainty: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Projected gradient ascent from random starts (Madry et al. 2018, arXiv 1706.06083).

    step: the length of one, in the unit of the image, as eps is; None takes 2.5 eps / steps. restarts:
    starts an image, as long as it has not been fooled. Every image on the way counts, not the last alone.
    certainty: below 1, goes on until the classes that the attacker wants have this probability together,
    such as .9; 0: until it deceives. confident: go on to the last step, for what the model is surest of.
    """
    _check(step, steps=steps, restarts=restarts)
    if not 0 <= certainty < 1:
        raise InputError(f"certainty: expected a probability of 0 to below 1, received {certainty}")
    found = Found(x, confident, certainty)
    for _ in range(restarts):
        todo = found.left
        if not len(todo):
            break
        part = threat_of(threat, todo)
        _walk(oracle, x, y, part, random_start(x[todo], part, rng), todo, found, steps, step)
    return found.x


@attack(needs="gradient")
def bim(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, steps: int = 10, step: float | None = None,
) -> np.ndarray:  # fmt: skip
    """The basic iterative method: PGD from the image itself (Kurakin et al. 2017, arXiv 1607.02533).

    step: the length of one, in the unit of the image, as eps is; None takes 2.5 eps / steps.
    """
    _check(step, steps=steps)
    found = Found(x)
    _walk(oracle, x, y, threat, x.copy(), np.arange(len(x)), found, steps, step)
    return found.x


@attack(needs="gradient")
def momentum(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, rng: np.random.Generator,
    *, steps: int = 10, decay: float = 1.0, confident: bool = False,
) -> np.ndarray:  # fmt: skip
    """MI-FGSM: steps along a decaying sum of gradients (Dong et al. 2018, arXiv 1710.06081).

    decay: of the sum at each step, 0 (BIM) to 1. confident: as of pgd. Steps are eps / steps long. It
    transfers better than PGD.
    """
    _check(steps=steps)
    if not 0 <= decay <= 1:
        raise InputError(f"decay: expected 0 to 1, received {decay}")
    found = Found(x, confident)
    _walk(
        oracle,
        x,
        y,
        threat,
        x.copy(),
        np.arange(len(x)),
        found,
        steps,
        threat.reach(x) / steps,
        decay,
    )
    return found.x


def _walk(
    oracle: Any, x: np.ndarray, y: np.ndarray, threat: Threat, start: np.ndarray, which: np.ndarray,
    found: Found, steps: int, step: float | None, decay: float | None = None,
) -> None:  # fmt: skip
    """Ascend from `start`, the images `which`, and note what is met; `threat` is that of these images."""
    size = np.float32(2.5 * threat.reach(x) / steps if step is None else step)
    alive, moved, box = which, start, threat.box(x[which])
    memory = np.zeros_like(start)
    for number in range(steps + 1):
        part = threat_of(threat, np.searchsorted(which, alive))
        gradient, loss, logits = climb(oracle, moved, y[alive], part)
        reached = part.reached(logits, y[alive])
        found.note(alive, moved, loss, reached)
        go = ~found.done[alive]
        alive, moved, gradient, memory = alive[go], moved[go], gradient[go], memory[go]
        box = (box[0][go], box[1][go])
        if number == steps or not len(alive):
            return
        if decay is not None:
            mean = np.abs(gradient).reshape(len(gradient), -1).mean(1)
            memory = decay * memory + gradient / column(np.maximum(mean, 1e-30), gradient)
            gradient = memory
        part = threat_of(threat, np.searchsorted(which, alive))
        moved = part.project(moved + size * steepest(gradient, threat.norm), x[alive], box)


def _check(step: float | None = None, **numbers: int) -> None:
    if step is not None and not 0 < step < np.inf:
        raise InputError(f"step: expected a number above 0, received {step}")
    for name, value in numbers.items():
        if value < 1:
            raise InputError(f"{name}: expected 1 or more, received {value}")
