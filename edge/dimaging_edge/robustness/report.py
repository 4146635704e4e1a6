"""What an evaluation says: the figure and its interval, every gate's verdict; no figure where one fails."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from dimaging_edge.common.tables import table

PASS, FAIL, NOT_RUN = "PASS", "FAIL", "NOT RUN"


@dataclass(frozen=True)
class Verdict:
    """One gate of the checklist."""

    gate: str
    verdict: str  # PASS, FAIL or NOT RUN
    found: str
    """What was measured, and what mends it where it fails."""


@dataclass(frozen=True)
class Figure:
    """A share of images with its 95 % interval."""

    share: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True)
class Report:
    """An evaluation of robustness; `robust` is None where a gate failed."""

    norm: str
    eps: float
    bounds: tuple[float, float]
    target: str
    images: int
    plan: tuple[tuple[str, str, dict[str, Any]], ...]
    clean: Figure
    robust: Figure | None
    rows: tuple[tuple[str, float], ...]
    """(attack, share that is still right after it; with a target, that is not taken for the target)."""
    gates: tuple[Verdict, ...]
    curve: tuple[tuple[float, float], ...]
    """(eps, share that is still right), of the gate that looks at several eps."""
    queries: int
    seed: int
    digest: str
    """SHA-256 of the adversarial images."""
    certified: Figure | None = None
    """What a certificate proves against any attack; None where there is none."""
    tools: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """The gates that failed."""
        return tuple(gate for gate in self.gates if gate.verdict == FAIL)

    @property
    def headline(self) -> str:
        """The one line that may be quoted, or why there is none."""
        bounds = f"{self.bounds[0]:g} to {self.bounds[1]:g}"
        at = f"{self.norm}, eps {self.eps:g} of {bounds}, {self.images} images"
        sound = "certified images stand" not in {gate.gate for gate in self.failed}
        proven = f"; certified {self.certified}" if self.certified and sound else ""
        if self.robust is None:
            names = ", ".join(gate.gate for gate in self.failed)
            return f"no figure of robustness: {names} failed ({at}){proven}"
        if self.target != "any":
            return f"not taken for the target {self.robust}, clean {self.clean} ({at}){proven}"
        return f"robust accuracy {self.robust}, clean {self.clean} ({at}){proven}"

    def table(self) -> str:
        """The whole report as text."""
        (clean, share), *others = self.rows
        steps = [["attack", "still right"], [clean, f"{100 * share:.1f} %"]]
        for name, share in others:
            steps.append([name, f"{100 * share:.1f} %" if self.robust else "withheld"])
        gates = [["gate", "verdict", "found"]]
        gates += [[gate.gate, gate.verdict, gate.found] for gate in self.gates]
        return "\n\n".join([table(steps), table(gates), self.headline])

    def to_json(self) -> str:
        """Everything, for a machine; what is withheld is null here too, and so is an eps without end."""
        facts = asdict(self)
        facts["eps"] = self.eps if math.isfinite(self.eps) else None
        if self.robust is None:
            facts["rows"] = facts["rows"][:1]
        facts["headline"] = self.headline
        return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def wilson(hits: int, count: int) -> Figure:
    """The share hits / count and its interval of 95 % (Wilson 1927), which never leaves [0, 1]."""
    z = 1.959964
    share = hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return Figure(share, max(middle - half, 0.0), min(middle + half, 1.0), count)
