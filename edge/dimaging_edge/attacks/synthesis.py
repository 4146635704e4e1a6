"""An image out of nothing: from noise or grey to a class the model is sure of (the lecture's "iguana")."""

from typing import Any

import numpy as np

from dimaging_edge.attacks.table import check_finite, check_logits, check_whole
from dimaging_edge.common.errors import InputError


def synthesise(
    oracle: Any, start: np.ndarray, target: int, *, confidence: float = 0.9, step: float | None = None,
    steps: int = 200, bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Images like `start`, float32 [N, ...], that show `target` to the model; and their probabilities [N].

    Steps of the signs of the gradient, of the length `step` (None: 1/255 of the bounds), until every
    probability is at least `confidence`, or `steps` are done. InputError for a start outside the
    bounds, and for no class.
    """
    low, high = bounds
    array = isinstance(start, np.ndarray)
    if not array or start.dtype != np.float32 or not start.size:
        found = f"{start.dtype} {list(start.shape)}" if array else type(start).__name__
        raise InputError(
            f"start: expected float32 in {low:g} to {high:g}, [N, ...], received {found}"
        )
    if not (start.min() >= low and start.max() <= high):  # NaN fails too
        raise InputError(
            f"start: expected float32 in {low:g} to {high:g}, received {start.min():g} to {start.max():g}"
        )
    check_whole("synthesise", target=target, steps=steps)
    if steps < 1 or not 0 < confidence < 1 or not (step is None or 0 < step < np.inf):
        raise InputError(
            "synthesise: expected steps of 1 or more, a confidence in 0 to 1, a step above 0; received "
            f"{steps}, {confidence}, {step}"
        )
    logits = check_finite(oracle.score(start[:1]))
    check_logits(logits)
    if not 0 <= target < logits.shape[-1]:
        raise InputError(f"target: expected 0 to {logits.shape[-1] - 1}, received {target}")
    step = (high - low) / 255 if step is None else step
    x, y = start.copy(), np.full(len(start), target, np.int64)
    for _ in range(steps):
        gradient, margin, _ = oracle(x, y)
        going = 1 / (1 + np.exp(np.minimum(margin.astype(np.float64), 500))) < confidence
        if not going.any():
            break
        x[going] = np.clip(x[going] - np.float32(step) * np.sign(gradient[going]), low, high)
    return x, probability(oracle.score(x))[:, target]


def probability(logits: np.ndarray) -> np.ndarray:
    """The softmax of [N, classes], in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
