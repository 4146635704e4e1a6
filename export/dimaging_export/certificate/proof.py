"""The proof of a certificate: against interval bounds in Keras and float64, and against images inside eps.

never below   the bound of the file is nowhere less than that of float64: it would be a lie
hardly above  it is not more than .5 % of the largest above, so what was widened for rounding costs little
no surprise   of images drawn inside eps, in the corners too, none has a margin above the bound
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from dimaging_export.errors import ParityError
from dimaging_export.gradient.proof import in_float64
from dimaging_export.prove.runners import Graph
from dimaging_tf.defenses.intervals import worst_logits

RADII = (0.0137, 0.0713, 0.2171)
"""Values of eps, as shares of the image's range, that bring no grey level just to a threshold."""
_DRAWS = 6
_LOOSE = 5e-3
"""Share of the largest bound by which float32 may be widened for its rounding."""

Bound = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""bound(image [N, ...], label int [N], eps) -> worst margin [N]."""


def keras_bound(graph: keras.Model) -> Bound | None:
    """Return the worst margin of images in [0, 1] in float64; None for a network without bounds in Keras."""
    clone = in_float64(graph)

    def bound(image: np.ndarray, label: np.ndarray, eps: float) -> np.ndarray:
        given = tf.constant(image, tf.float64), tf.constant(label), tf.constant(eps, tf.float64)
        worst = np.array(worst_logits(clone, *given))
        worst[np.arange(len(label)), label] = -np.inf
        return worst.max(1)

    try:
        bound(np.zeros((1, *graph.input_shape[1:])), np.zeros(1, np.int64), 0.0)
    except TypeError:
        return None
    return bound


def prove_certificate(
    found: Bound, expected: Bound | None, score: Graph, image: np.ndarray, label: np.ndarray,
    limits: tuple[float, float],
) -> dict[str, float]:  # fmt: skip
    """Return the largest difference to float64; ParityError where the certificate is not sound or not tight.

    found     the file, for images in `limits`           expected  float64, for the same images
    score     the classifier's file: {"image"} -> logits
    """
    span = limits[1] - limits[0]
    rng = np.random.default_rng(0)
    worst = 0.0
    for radius in RADII:
        eps = radius * span
        bound = found(image, label, eps)
        if not np.isfinite(bound).all():
            raise ParityError("the certificate gives NaN or infinity. Nothing was written")
        if expected is not None:
            truth = expected(image, label, eps)
            gap, allowed = bound - truth, _LOOSE * (1 + np.abs(truth).max())
            if gap.min() < -1e-9 * (1 + np.abs(truth).max()) or gap.max() > allowed:
                raise ParityError(
                    f"the certificate lies {gap.min():.3g} to {gap.max():.3g} above interval bounds in "
                    f"float64; expected 0 to {allowed:.3g}. Nothing was written"
                )
            worst = max(worst, float(np.abs(gap).max()))
        for draw in range(_DRAWS):
            shape = image.shape
            step = rng.uniform(-1, 1, shape) if draw % 2 else rng.choice([-1.0, 1.0], shape)
            moved = np.clip(image + (0.999 * eps * step).astype(np.float32), *limits)
            if (over := margins(score({"image": moved}), label) - bound).max() > 0:
                raise ParityError(
                    f"an image within eps={eps:.3g} has a margin {over.max():.3g} above the certificate's "
                    "bound. Nothing was written"
                )
    return {"max_abs": worst, "allowed": max(2 * worst, _LOOSE)}


def margins(outputs: dict[str, np.ndarray], label: np.ndarray) -> np.ndarray:
    """Return the largest other logit minus the own one, [N]."""
    (logits,) = outputs.values()
    rows, others = np.arange(len(label)), logits.astype(np.float64)
    own = others[rows, label]
    others[rows, label] = -np.inf
    return others.max(1) - own
