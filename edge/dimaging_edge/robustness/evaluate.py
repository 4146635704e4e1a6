"""The only place that turns attacks into a figure of robustness; where a gate fails, there is none."""

import hashlib
import platform
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_edge.attacks.oracle import CERTIFICATE, GRAPH, bounds_of, of_bundle
from dimaging_edge.attacks.table import Asked, check_array, check_images, check_whole, random_of
from dimaging_edge.attacks.threat import Threat
from dimaging_edge.common.errors import InputError, near
from dimaging_edge.robustness import gates  # noqa: F401, it fills the table
from dimaging_edge.robustness.case import Case, Claim, run_gates
from dimaging_edge.robustness.certificate import certify
from dimaging_edge.robustness.ensemble import PLANS, Step, run_plan, suited_steps
from dimaging_edge.robustness.report import FAIL, Report, wilson

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle


def evaluate(
    oracle: Any,
    x: np.ndarray,
    y: Any,
    threat: Threat,
    *,
    plan: str | tuple[Step, ...] = "standard",
    seed: int = 0,
    some: int = 100,
    claim: Claim | None = None,
    detector: bool = False,
    adaptive: bool = False,
    logits_of_file: np.ndarray | None = None,
    certified: np.ndarray | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Attack images x, float32 [N, ...], with labels y, int [N]; the worst attack counts for each image.

    plan: a name of PLANS, or steps of your own; those that do not suit the model and the threat are left out,
    and the report names those that ran. some: on so many images the dearer gates run. claim:
    somebody's figure to examine. detector: the model also refuses images; adaptive: the attack knows that.
    logits_of_file: what a deployed file answers for the first images, to compare with the oracle.
    certified: bool [N], the images that a certificate says no attack can change.
    """
    steps = _steps(plan)
    random_of(seed)
    check_whole("evaluate", some=some)
    if claim is not None and not isinstance(claim, Claim):
        raise InputError(f"claim: expected a Claim, such as Claim(0.93), received {claim!r}")
    if some < 1:
        raise InputError(
            f"some: the gates look at 1 image or more, received {some}; without them there is no figure"
        )
    y, logits = check_images(Asked(oracle), x, y, threat)
    if certified is not None and np.shape(certified) != y.shape:
        raise InputError(
            f"certified: expected {len(y)} truth values, one for each image, received {np.shape(certified)}"
        )
    steps = suited_steps(steps, oracle, threat, logits.shape[1], x.ndim)
    outcome = run_plan(oracle, x, y, threat, steps, seed, progress, logits)
    clean = np.array([step != "clean" for step in outcome.broken_by])
    case = Case(
        oracle, x, y, threat, outcome, steps, seed, np.flatnonzero(clean)[:some], claim,
        detector, adaptive, logits_of_file, certified,
    )  # fmt: skip
    verdicts = run_gates(case, progress)
    robust = wilson(int(outcome.right.sum()), len(x))
    return Report(
        norm=threat.norm,
        eps=threat.eps,
        bounds=threat.bounds,
        target="any" if threat.target is None else "given",
        images=len(x),
        plan=tuple((step.name, step.attack, step.settings) for step in steps),
        clean=wilson(int(clean.sum()), len(x)),
        robust=None if any(gate.verdict == FAIL for gate in verdicts) else robust,
        certified=None if certified is None else wilson(int(certified.sum()), len(x)),
        rows=outcome.rows,
        gates=verdicts,
        curve=tuple(case.curve),
        queries=outcome.queries,
        seed=seed,
        digest=hashlib.sha256(np.ascontiguousarray(outcome.x).tobytes()).hexdigest(),
        tools={
            "python": platform.python_version(), "numpy": np.__version__,
            "onnxruntime": _version("onnxruntime"),
        },
    )  # fmt: skip


def evaluate_bundle(
    bundle: "Bundle", x: np.ndarray, y: Any, norm: str, eps: float, **settings: Any
) -> Report:
    """The same for a classifier's bundle: its range, its certificate, the gate that compares its graphs."""
    oracle = of_bundle(bundle)
    threat = Threat(norm, eps, bounds_of(bundle))
    check_array(x, threat.bounds)
    logits = oracle.score(x[:100]) if GRAPH in bundle.graphs else None
    if CERTIFICATE in bundle.graphs and norm == "linf":
        settings.setdefault("certified", certify(bundle, x, y, eps).certified)
    return evaluate(oracle, x, y, threat, logits_of_file=logits, **settings)


def _steps(plan: str | tuple[Step, ...]) -> tuple[Step, ...]:
    if not isinstance(plan, str):
        if not isinstance(plan, tuple | list) or not all(isinstance(step, Step) for step in plan):
            raise InputError(
                f"plan: expected one of {', '.join(PLANS)}, or Steps such as Step('PGD', 'pgd', "
                f"{{'steps': 40}}), received {plan!r}"
            )
        return tuple(plan)
    if plan not in PLANS:
        raise InputError(f"unknown plan {plan!r}; {near(plan, tuple(PLANS))}")
    return PLANS[plan]


def _version(name: str) -> str:
    for distribution in (name, f"{name}-gpu", f"{name}-openvino"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"
