"""Gates on what an evaluation is made of: the threat, the labels, the model, and where the images ended.

They need no attack of their own. See `gates` for those that attack.
"""

import numpy as np

from dimaging_edge.robustness.case import Case, gate
from dimaging_edge.robustness.report import FAIL, NOT_RUN, PASS

_ALIKE = 1e-3
"""Largest difference of two answers that are alike, as a share of the span of the logits."""
_LEAST = 10
"""Images from which a wrong numbering of the classes can be told from a few errors."""


@gate("threat complete")
def threat_complete(case: Case) -> tuple[str, str]:
    """An eps that is finite, and bounds that the images fill."""
    low, high = case.threat.bounds
    filled = float(case.x.max() - case.x.min()) / (high - low)
    if not 0 < case.threat.eps < np.inf:
        return FAIL, f"eps is {case.threat.eps:g}; state how far an image may be moved"
    if case.threat.eps < (high - low) / 510 * (1 - 1e-6):
        return FAIL, (
            f"eps {case.threat.eps:g} is less than half a grey level of the bounds {low:g} to {high:g}: is "
            f"it in their unit? 8 grey levels are {8 / 255 * (high - low):.3g}"
        )
    if filled < 0.1:
        return FAIL, (
            f"the images span {case.x.min():g} to {case.x.max():g} of the bounds {low:g} to {high:g}: these "
            "are not the model's, so eps is not what it seems"
        )
    return PASS, f"{case.threat.norm}, eps {case.threat.eps:g}, images in {low:g} to {high:g}"


@gate("labels fit")
def labels_fit(case: Case) -> tuple[str, str]:
    """The labels are those of the model's classes: no other numbering of the classes fits far better."""
    y, answers = case.y, case.outcome.answers
    clean, labels = float((answers == y).mean()), np.unique(y)
    if len(y) < _LEAST or len(labels) < 2:
        return NOT_RUN, f"needs {_LEAST} images of two classes"
    if clean <= 0.5 and len(np.unique(answers)) == 1:
        return FAIL, f"every image is taken for class {answers[0]}, whatever it shows"
    classes = max(int(y.max()), int(answers.max())) + 1
    fits = [float((answers == (y + k) % classes).mean()) for k in range(classes)]
    best = int(np.argmax(fits))
    if fits[best] >= 0.5 and fits[best] > 2 * clean:
        return FAIL, (
            f"{clean:.0%} of the labels fit, and {fits[best]:.0%} of (label + {best}) modulo {classes}: they "
            "are shifted"
        )
    # The answer that is most frequent for each label: with few images of a class it fits by chance.
    counts = [np.bincount(answers[y == label]).max() for label in labels]
    renumbered = float(sum(counts)) / len(y)
    if len(y) >= _LEAST * len(labels) and renumbered >= 0.8 and renumbered > 2 * clean:
        return FAIL, (
            f"{clean:.0%} of the labels fit, and {renumbered:.0%} with the classes in another order: is it "
            "that of the model?"
        )
    return PASS, f"{clean:.0%} of the clean images are right"


@gate("the same answer twice")
def deterministic(case: Case) -> tuple[str, str]:
    """A random model is attacked through the mean of many answers, or its noise passes for robustness."""
    first, second = (case.oracle.score(case.x[:50]) for _ in range(2))
    spread = _spread(first, second)
    if spread > _ALIKE:
        return (
            FAIL,
            f"its logits differ by {spread:.1%} from call to call; wrap it: Eot(model, (), views=20)",
        )
    return PASS, "it does not draw"


@gate("one image at a time")
def batch_independent(case: Case) -> tuple[str, str]:
    """An image is judged alone: its answer does not depend on the others of its batch."""
    head = case.x[: min(20, len(case.x))]
    others = case.x[len(head) : 2 * len(head)] if len(case.x) >= 2 * len(head) else head
    turned = (sum(case.threat.bounds) - others).astype(np.float32)
    # Alike in size and place, so that views drawn for a batch are the same.
    first, again, second = (
        case.oracle.score(np.concatenate([head, rest]))[: len(head)]
        for rest in (others, others, turned)
    )
    if _spread(first, again) > _ALIKE:
        return NOT_RUN, "its answers differ from call to call"
    spread = _spread(first, second)
    if spread > _ALIKE:
        return FAIL, (
            f"its logits change by {spread:.1%} with the other images of the batch, as of a batch "
            "normalisation in training mode: set it to inference (training=False), or score one by one"
        )
    return PASS, "its answers do not depend on the batch"


@gate("inside the threat")
def inside(case: Case) -> tuple[str, str]:
    """No image left eps or the bounds, none is NaN, and every image is counted."""
    moved, low, high = case.outcome.x, *case.threat.bounds
    worst = float(case.threat.norms(moved, case.x).max())
    legal = np.isfinite(moved).all() and low <= moved.min() and moved.max() <= high
    if not legal or worst > case.threat.eps:
        return FAIL, f"moved by up to {worst:g}, values {moved.min():g} to {moved.max():g}"
    return PASS, f"all {len(moved)} finite, moved by up to {worst:g}"


def _spread(first: np.ndarray, second: np.ndarray) -> float:
    """How far two answers [N, classes] differ, as a share of the span of the logits of an image."""
    if not np.isfinite(second).all():
        return np.inf
    return float(np.abs(first - second).max() / max(np.ptp(first, axis=1).max(), 1e-30))
