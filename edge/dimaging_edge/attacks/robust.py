"""Adversarial images that stand what happens to a photograph (lecture: "robust adversarial inputs").

    image ──one view of each kind──> gradients back through the views ──sum, with a memory──> step

Expectation over transformations (Athalye et al. 2018, arXiv 1707.07397). `Eot` gives the same mean to any
attack; this one knows besides which views are won already, and lets them count less.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dimaging_edge.attacks.table import (
    Asked,
    Result,
    check_classes,
    check_finite,
    check_images,
    check_labels,
    check_whole,
    random_of,
)
from dimaging_edge.attacks.threat import Threat, column
from dimaging_edge.attacks.wrapped import Bpda, Draw, check_draws
from dimaging_edge.common.camera import View
from dimaging_edge.common.errors import DimagingError, InputError

SETTLED = 3.0
"""Margin beyond which a view is won: 95 % for the target, or 5 % left for the right class."""
_WON = 0.1
"""What a view that is won counts: enough to stay so."""


def robust(
    oracle: Any, x: np.ndarray, y: Any, threat: Threat, draws: Sequence[Draw],
    *, steps: int = 40, decay: float = 0.8, seed: int = 0, front: View | None = None,
) -> Result:  # fmt: skip
    """Images x [N, H, W, C] moved so that they deceive in every view of `draws`, drawn anew in each step.

    Steps are 15 % of eps long, in the second half 5 %. `success` says whether the image itself deceives; what
    views do is counted by `survival`. front: the view through which the image is judged, where the model
    takes only what the views give it, such as scenes in which the image is a plate. InputError without
    draws, and for what other attacks refuse too.
    """
    check_whole("robust", steps=steps)
    check_draws("robust", draws)
    if not draws or steps < 1:
        raise InputError(
            f"robust: expected at least one view and one step, received {len(draws)} and {steps}"
        )
    if threat.norm != "linf":
        raise InputError(f"robust works in linf; received the norm {threat.norm!r}")
    asked = Asked(oracle, "robust")
    judge = asked if front is None else Bpda(asked, front.apply, front.back)
    y, _ = check_images(judge, x, y, threat)
    wanted, rng = threat.wanted(y), random_of(seed)
    moved, memory, box = x.copy(), np.zeros_like(x), threat.box(x)
    for step in range(steps):
        total = np.zeros_like(x)
        for draw in draws:
            view = draw(rng)
            gradient, margin, _ = asked(view.apply(moved).astype(np.float32, copy=False), wanted)
            weight = np.where(threat.sign * margin > SETTLED, _WON, 1.0).astype(np.float32)
            total += view.back(gradient * column(weight, x))
        if not np.isfinite(total).all():
            raise DimagingError("robust: a gradient of the model is NaN or infinite")
        mean = np.abs(total).reshape(len(x), -1).mean(1)
        memory = decay * memory + threat.sign * total / column(np.maximum(mean, 1e-30), x)
        length = threat.reach(x) * (0.15 if step < steps // 2 else 0.05)
        moved = threat.project(moved + np.float32(length) * np.sign(memory), x, box)
    success = threat.reached(judge.score(moved), y)
    return Result(moved, success, threat.norms(moved, x), asked.queries, seed, "robust")


def survival(
    score: Any, x: np.ndarray, y: Any, threat: Threat, draws: Sequence[Draw], seed: int = 0
) -> np.ndarray:
    """Whether images x [N, H, W, C] deceive in one view of each of `draws`: bool [views, N].

    score: images -> logits, such as `oracle.score` of another file than the one attacked. An image or a
    logit that is not finite is an error: it neither deceives nor withstands.
    """
    rng, y = random_of(seed), check_labels(y, x)
    check_draws("survival", draws)
    if not draws or not np.isfinite(x).all():
        raise InputError(
            f"survival: expected at least one view and finite images, received {len(draws)} and "
            f"{np.count_nonzero(~np.isfinite(x))} values that are NaN or infinite"
        )
    found = []
    for draw in draws:
        logits = check_finite(score(draw(rng).apply(x).astype(np.float32, copy=False)))
        check_classes(y, threat, logits.shape[1])
        found.append(threat.reached(logits, y))
    return np.stack(found)
