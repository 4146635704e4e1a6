"""The checklist of an honest evaluation as gates, each PASS, FAIL or NOT RUN (Carlini et al., 1902.06705).

Most evaluations that were overturned later failed one of these on the day they were made. A gate is a
function in the table; it looks at one `Case` and says what it measured. Those of `setting_gates` come first.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from dimaging_edge.attacks import Transfer, apgd, fgsm, pgd, square
from dimaging_edge.attacks.apgd import least_classes
from dimaging_edge.attacks.table import Result, threat_of
from dimaging_edge.attacks.threat import as_array, split_logits
from dimaging_edge.robustness import setting_gates  # noqa: F401, they come first in the table
from dimaging_edge.robustness.case import Case, gate
from dimaging_edge.robustness.ensemble import has_gradient
from dimaging_edge.robustness.report import FAIL, NOT_RUN, PASS
from dimaging_edge.robustness.scaled import Scaled

POINT = 0.01
"""One point of accuracy."""


@gate("white box")
def white_box(case: Case) -> tuple[str, str]:
    """Attacks by gradients are in the plan; scores alone overstate robustness, on quantised heads by far."""
    if not has_gradient(case.oracle):
        return (
            FAIL,
            "no gradient, so only queries were made; make one: dimaging export RUN --gradient",
        )
    if not any(step.attack in ("apgd", "pgd") for step in case.plan):
        return FAIL, "the plan has no attack by gradients; add apgd"
    if isinstance(case.oracle, Transfer):
        return PASS, "attacked through another model's gradient, which the next gate looks at"
    return PASS, "attacked through its own gradient"


@gate("gradient points uphill")
def uphill(case: Case) -> tuple[str, str]:
    """A step along the gradient raises the margin of the deployed logits for nearly every image."""
    if not has_gradient(case.oracle) or not len(case.some):
        return NOT_RUN, "no gradient" if len(case.some) else "no image is right on clean"
    x, y = case.x[case.some], case.y[case.some]
    part = threat_of(case.threat, case.some)
    wanted = part.wanted(y)
    gradient = case.oracle(x, wanted)[0]
    size = np.abs(gradient).reshape(len(x), -1).max(1)
    dead = float((size == 0).mean())
    reach = min(case.threat.eps, float(np.ptp(case.threat.bounds)))
    reach /= 1.0 if case.threat.norm == "linf" else np.sqrt(x[0].size)
    before = np.subtract(*split_logits(case.oracle.score(x), wanted)[::-1])
    rise = np.zeros(len(x))
    for share in (
        0.25,
        0.5,
        1.0,
    ):  # images in whole steps, such as grey levels, may need a longer one
        flat = np.flatnonzero(rise == 0)
        if not len(flat):
            break
        step = np.float32(share * reach) * part.sign * np.sign(gradient[flat])
        moved = np.clip(x[flat] + step, *case.threat.bounds)
        after = np.subtract(*split_logits(case.oracle.score(moved), wanted[flat])[::-1])
        rise[flat] = part.sign * (after - before[flat])
    rising = float((rise > 0).mean())
    said = f"the margin rises for {rising:.0%} of the images, {dead:.0%} have a gradient of 0"
    return (PASS if rising >= 0.95 and dead <= 0.01 else FAIL), said


@gate("monotone in eps")
def monotone(case: Case) -> tuple[str, str]:
    """More room for the attacker never makes the model better; a clean image is eps 0."""
    if not len(case.some) or not np.isfinite(case.threat.eps):
        return NOT_RUN, "needs an image that is right on clean, and an eps"
    run, given = _quick(case)
    high = float(np.ptp(case.threat.bounds))
    cap = high if case.threat.norm == "linf" else high * np.sqrt(case.x[0].size)
    sizes = [min(s * case.threat.eps, cap) for s in (0.25, 0.5, 1.0, 2.0)]
    case.curve[:] = [(0.0, 1.0)]
    for eps in dict.fromkeys(sizes):
        case.curve.append((eps, 1 - case.attack(run, case.threat_at(eps), **given).rate))
    shares = [share for _, share in case.curve]
    rise = max(b - a for a, b in pairwise(shares))
    said = ", ".join(f"{eps:.3g}: {share:.0%}" for eps, share in case.curve)
    return (PASS if rise <= case.least(2 * POINT) else FAIL), f"still right at eps {said}"


@gate("unbounded eps reaches 100 %")
def unbounded(case: Case) -> tuple[str, str]:
    """With any change allowed every image is fooled, or the attack does not work."""
    if not len(case.some):
        return NOT_RUN, "no image is right on clean"
    run, given = _quick(case)
    high = float(np.ptp(case.threat.bounds))
    eps = high if case.threat.norm == "linf" else high * float(np.sqrt(case.x[0].size))
    rate = case.attack(run, case.threat_at(eps), **given).rate
    return (PASS if rate >= 1 - POINT else FAIL), f"{rate:.0%} fooled at eps {eps:g}"


@gate("many steps beat one")
def many_steps(case: Case) -> tuple[str, str]:
    """PGD fools at least as many images as FGSM: else its gradients lead it astray."""
    if not has_gradient(case.oracle) or not len(case.some):
        return NOT_RUN, "no gradient" if len(case.some) else "no image is right on clean"
    one, said = case.attack(fgsm).rate, ""
    # From one start a few images of a coarse model, such as one of bytes, are missed by chance.
    for steps, restarts in ((20, 1), (50, 3)):
        many = case.attack(pgd, steps=steps, restarts=restarts).rate
        said = f"FGSM fools {one:.0%}, PGD-{steps} {many:.0%}"
        if many >= one - case.least(POINT):
            return PASS, said
    return FAIL, said


@gate("white box beats black box")
def white_beats_black(case: Case) -> tuple[str, str]:
    """Nearly nothing falls to random squares that the gradients missed: else the gradient is masked."""
    suits = has_gradient(case.oracle) and case.threat.norm == "linf" and case.x.ndim == 4
    if not suits or not len(case.some):
        return NOT_RUN, "needs a gradient, linf and images [N, H, W, C] that are right on clean"
    queries = max(
        (s.settings.get("queries", 1000) for s in case.plan if s.attack == "square"), default=1000
    )
    white = case.attack(apgd, steps=50).success
    black = case.attack(square, queries=min(queries, 1000)).success
    # By chance, or however long one looks, and along the other loss?
    ratio = case.outcome.classes >= least_classes(case.threat)
    for loss in ("ce", "dlr") if ratio else ("ce",):
        missed = np.flatnonzero(black & ~white)
        if len(missed) <= case.least(2 * POINT) * len(black):
            break
        rest = case.some[missed]
        white[missed] = apgd(
            case.oracle, case.x[rest], case.y[rest], threat_of(case.threat, rest), seed=case.seed,
            steps=100, restarts=5, loss=loss,
        ).success  # fmt: skip
    only = float((black & ~white).mean())
    said = (
        f"gradients fool {white.mean():.0%}, squares {black.mean():.0%}, {only:.1%} squares alone"
    )
    return (PASS if only <= case.least(2 * POINT) else FAIL), said


@gate("more steps and restarts change nothing")
def converged(case: Case) -> tuple[str, str]:
    """Twice the steps from two more starts fool less than half a point more of the images."""
    if not has_gradient(case.oracle):
        return NOT_RUN, "no gradient"
    left = np.flatnonzero(case.outcome.right)
    if not len(left):
        return PASS, "nothing is left to fool"
    steps = max(
        (s.settings.get("steps", 100) for s in case.plan if s.attack in ("apgd", "pgd")), default=50
    )
    allowed = max(POINT / 2, 1.0 / len(case.x)) + 1e-9
    share = 0.0
    # Of a hundred images one is a point; where that is too many, all that are left are looked at.
    for part in dict.fromkeys((min(max(len(case.some), 1), len(left)), len(left))):
        chosen = left[:part]
        result = apgd(
            case.oracle, case.x[chosen], case.y[chosen], threat_of(case.threat, chosen),
            seed=case.seed + 1000, steps=2 * max(steps, 25), restarts=2,
        )  # fmt: skip
        share = result.rate * float(case.outcome.right.mean())
        if share <= allowed:
            return PASS, f"{share:.1%} more of all images are fooled"
    return (
        FAIL,
        f"{share:.1%} more of all images are fooled; take a plan of more steps and restarts",
    )


@gate("scale of the logits")
def scale_invariant(case: Case) -> tuple[str, str]:
    """Logits multiplied by 100 decide alike, so they must be as robust: float32 may not eat the gradient."""
    if not has_gradient(case.oracle) or not hasattr(case.oracle, "along") or not len(case.some):
        return NOT_RUN, "needs a gradient along any direction and an image that is right on clean"
    x, y = case.x[case.some], case.y[case.some]
    part = threat_of(case.threat, case.some)
    said = ""
    # Ten steps along two gradients differ by a few images, and many steps do not; a gradient that is eaten
    # moves tens of points, and does so after many steps too.
    for steps, restarts in ((10, 1), (50, 3)):
        plain, scaled = (
            pgd(oracle, x, y, part, seed=case.seed, steps=steps, restarts=restarts).rate
            for oracle in (case.oracle, Scaled(case.oracle, 100.0))
        )
        said = f"PGD-{steps} fools {plain:.1%} as it is, {scaled:.1%} with logits times 100"
        if abs(plain - scaled) <= case.least(5 * POINT):
            return PASS, said
    return FAIL, said


@gate("adaptive attack on a detector")
def adaptive(case: Case) -> tuple[str, str]:
    """A detector is attacked by somebody who knows it."""
    if not case.detector:
        return NOT_RUN, "no detector"
    if case.adaptive:
        return PASS, "the attack knows the detector"
    return FAIL, "the attack does not know the detector; attack both at once (a joint loss)"


@gate("the deployed file is attacked")
def deployed(case: Case) -> tuple[str, str]:
    """The gradient is that of the file that answers."""
    if case.logits_of_file is None:
        return NOT_RUN, "not a bundle"
    own = case.oracle(case.x[: len(case.logits_of_file)], case.y[: len(case.logits_of_file)])[2]
    alike = float((own.argmax(1) == case.logits_of_file.argmax(1)).mean())
    return (PASS if alike >= 0.99 else FAIL), f"gradient graph and classifier agree on {alike:.1%}"


@gate("certified images stand")
def certified_stand(case: Case) -> tuple[str, str]:
    """No attack changes an image that the certificate says none can."""
    if case.certified is None:
        return NOT_RUN, "no certificate"
    broken = int((case.certified & ~case.outcome.right).sum())
    said = f"{broken} of {int(case.certified.sum())} certified images were changed"
    return (FAIL if broken else PASS), said


@gate("the claim holds")
def claim_holds(case: Case) -> tuple[str, str]:
    """A stated figure is within 2 points of the ensemble's, and its images are what they are said to be."""
    if case.claim is None:
        return NOT_RUN, "no figure was claimed"
    measured = float(case.outcome.right.mean())
    images = case.claim.images
    if images is not None:
        images = as_array(images)
        if images.shape != case.x.shape:
            return (
                FAIL,
                f"its images are {list(images.shape)}, the clean ones {list(case.x.shape)}: one for each",
            )
        if not np.isfinite(images).all():
            return FAIL, "its images are not finite: NaN is neither right nor fooled"
        worst, low, high = float(case.threat.norms(images, case.x).max()), *case.threat.bounds
        if worst > case.threat.eps * (1 + 1e-6) or images.min() < low or images.max() > high:
            return (
                FAIL,
                f"its images move by up to {worst:g}, in {images.min():g} to {images.max():g}",
            )
        fooled = case.threat.reached(case.oracle.score(images.astype(np.float32)), case.y)
        said = 1 - float(fooled.mean())
        if abs(said - case.claim.robust) > case.least(POINT / 2):
            return (
                FAIL,
                f"on its own images {said:.1%} are right (a tie fools nobody), not {case.claim.robust:.1%}",
            )
    gap = case.claim.robust - measured
    return (
        PASS if gap <= 2 * POINT else FAIL
    ), f"claimed {case.claim.robust:.1%}, measured {measured:.1%}"


def _quick(case: Case) -> tuple[Callable[..., Result], dict[str, Any]]:
    """An attack that suits the model, for gates that run it several times."""
    return (apgd, {"steps": 30}) if has_gradient(case.oracle) else (square, {"queries": 300})
