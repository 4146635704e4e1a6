"""Several attacks in a row, each on the images that are still right: the worst case of every image counts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dimaging_edge.attacks.apgd import least_classes
from dimaging_edge.attacks.table import ATTACKS, threat_of
from dimaging_edge.attacks.threat import Threat
from dimaging_edge.common.errors import InputError, near


@dataclass(frozen=True)
class Step:
    """One attack of a plan, with its settings."""

    name: str
    attack: str
    settings: dict[str, Any] = field(default_factory=dict)


def _plan(steps: int, queries: int, restarts: int = 1) -> tuple[Step, ...]:
    given = {"steps": steps, "restarts": restarts}
    return (
        Step("APGD-CE", "apgd", given),
        Step("APGD-DLR", "apgd", {**given, "loss": "dlr"}),
        Step("Square", "square", {"queries": queries}),
    )


PLANS = {
    "quick": _plan(30, 200), "standard": _plan(100, 1000), "thorough": _plan(100, 5000, 2),
}  # fmt: skip
"""Name -> attacks in their order. Figures to be compared with the literature are of "thorough"."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a plan found."""

    x: np.ndarray
    """The image of each example that fooled first; where none did, the one that was tried last."""
    right: np.ndarray
    """bool [N]: right on the clean image and after every attack."""
    rows: tuple[tuple[str, float], ...]
    """(name, share that is still right after it), "clean" first."""
    broken_by: tuple[str, ...]
    """The step that fooled each image; "clean" where none was needed, "" where none did."""
    queries: int
    answers: np.ndarray
    """int64 [N]: what the model says of the clean images."""
    classes: int
    """How many classes the model knows."""


def run_plan(
    oracle: Any,
    x: np.ndarray,
    y: np.ndarray,
    threat: Threat,
    plan: tuple[Step, ...],
    seed: int,
    progress: Callable[[str], None] = lambda line: None,
    logits: np.ndarray | None = None,
) -> Outcome:
    """Run the steps of a plan that suit the model and the threat; InputError where none does.

    logits: of the clean images [N, classes], where they are known.
    """
    clean = oracle.score(x) if logits is None else logits
    suited = suited_steps(plan, oracle, threat, clean.shape[1], x.ndim)
    answers = clean.argmax(1)
    right = answers == y if threat.target is None else ~threat.reached(clean, y)
    found, broken = x.copy(), np.where(right, "", "clean").astype(object)
    rows, queries = [("clean", float(right.mean()))], len(x)
    for number, step in enumerate(suited):
        todo = np.flatnonzero(right)
        if len(todo):
            result = ATTACKS[step.attack].run(
                oracle,
                x[todo],
                y[todo],
                threat_of(threat, todo),
                seed=seed + number,
                **step.settings,
            )
            found[todo], right[todo[result.success]] = result.x, False
            broken[todo[result.success]] = step.name
            queries += result.queries
        rows.append((step.name, float(right.mean())))
        progress(f"{step.name}: {rows[-1][1]:.1%} still right")
    return Outcome(found, right, tuple(rows), tuple(broken), queries, answers, clean.shape[1])


def suited_steps(
    plan: tuple[Step, ...], oracle: Any, threat: Threat, classes: int, ndim: int
) -> tuple[Step, ...]:
    """The steps of a plan that suit the model, the threat and images of `ndim` axes; InputError for none."""
    suited = tuple(step for step in plan if _suits(step, oracle, threat, classes, ndim))
    if not suited:
        raise InputError(
            f"no attack of the plan ({', '.join(step.name for step in plan)}) suits this model and threat; "
            "a model without a gradient is attacked by square, in linf"
        )
    return suited


def _suits(step: Step, oracle: Any, threat: Threat, classes: int, ndim: int) -> bool:
    if step.attack not in ATTACKS:
        raise InputError(f"unknown attack {step.attack!r}; {near(step.attack, tuple(ATTACKS))}")
    entry = ATTACKS[step.attack]
    for name in step.settings:
        if name not in entry.settings:
            raise InputError(
                f"{step.name}: {step.attack} takes no setting {name!r}; {near(name, entry.settings)}"
            )
    if entry.needs == "gradient" and not has_gradient(oracle):
        return False
    if step.settings.get("loss") == "dlr" and classes < least_classes(threat):
        return False
    if step.attack == "square" and ndim != 4:  # squares are of images
        return False
    return threat.norm in entry.norms and (threat.target is None or entry.targeted)


def has_gradient(oracle: Any) -> bool:
    """Whether an oracle answers with gradients: one of scores alone says that it does not."""
    return getattr(oracle, "has_gradient", True)
