"""What a gate looks at, and the table of gates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dimaging_edge.attacks.table import Result, threat_of
from dimaging_edge.attacks.threat import Threat, is_number
from dimaging_edge.common.errors import InputError
from dimaging_edge.robustness.ensemble import Outcome, Step
from dimaging_edge.robustness.report import Verdict


@dataclass(eq=False)
class Claim:
    """A figure that somebody states, to be examined: the share that stays right, and perhaps the images."""

    robust: float
    images: np.ndarray | None = None
    """The adversarial images behind it, one for each clean one."""

    def __post_init__(self) -> None:
        if not is_number(self.robust) or not 0 <= self.robust <= 1:  # NaN fails too
            raise InputError(
                f"claim: expected a share of 0 to 1, received {self.robust!r}; 93 % is 0.93"
            )


@dataclass(eq=False)
class Case:
    """What a gate looks at; `some` are the images, right on clean, on which the dearer gates run."""

    oracle: Any
    x: np.ndarray
    y: np.ndarray
    threat: Threat
    outcome: Outcome
    plan: tuple[Step, ...]
    seed: int
    some: np.ndarray
    claim: Claim | None = None
    detector: bool = False
    adaptive: bool = False
    logits_of_file: np.ndarray | None = None
    certified: np.ndarray | None = None
    curve: list[tuple[float, float]] = field(default_factory=list)

    def attack(
        self, run: Callable[..., Result], threat: Threat | None = None, **settings: Any
    ) -> Result:
        """Attack `some` of the images."""
        chosen = threat_of(threat or self.threat, self.some)
        return run(
            self.oracle, self.x[self.some], self.y[self.some], chosen, seed=self.seed, **settings
        )

    def threat_at(self, eps: float) -> Threat:
        """The same threat with another eps."""
        return Threat(self.threat.norm, eps, self.threat.bounds, self.threat.target)

    def least(self, share: float) -> float:
        """A tolerance that one image may use up."""
        return max(share, 1.0 / max(len(self.some), 1)) + 1e-9


Check = Callable[[Case], tuple[str, str]]
GATES: dict[str, Check] = {}


def gate(name: str) -> Callable[[Check], Check]:
    """Enter a check into the table."""

    def enter(check: Check) -> Check:
        GATES[name] = check
        return check

    return enter


def run_gates(
    case: Case, progress: Callable[[str], None] = lambda line: None
) -> tuple[Verdict, ...]:
    """Every gate of the table, in its order."""
    found = []
    for name, check in GATES.items():
        progress(f"gate: {name}")
        found.append(Verdict(name, *check(case)))
    return tuple(found)
