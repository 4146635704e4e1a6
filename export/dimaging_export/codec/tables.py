"""Probability tables of the entropy coder: for each of 64 scales, how many of 2^12 slots a symbol owns."""

import numpy as np

from dimaging_tf.compression.base import SYMBOL
from dimaging_tf.layers.codec import QUALITIES, table_scale

SLOTS = 1 << 12
"""Slots of a table, shared out among the symbols."""
SHARE = 300
"""Weight of the density that the model was trained with beside what was seen, in symbols."""


def scale_counts(seen: np.ndarray, wide: bool = False) -> np.ndarray:
    """Make the tables, uint16 [64, 256], of the symbols -127..127 and ESCAPE.

    Each row sums to 2^12; row 0 is not used. seen: how often each symbol occurred at each scale, [64, 255],
    or [64, 256] with those beyond +-127 in the last. Real latents are more peaked than the logistic density,
    so what was seen decides wherever enough was seen. wide: symbols beyond can be coded, so ESCAPE has its
    share of every row; else they are clipped.
    """
    counts = np.zeros((QUALITIES, 2 * SYMBOL + 2), np.uint16)
    counts[0, SYMBOL] = SLOTS
    for k in range(1, QUALITIES):
        inner = seen[k, : 2 * SYMBOL + 1]
        outside = logistic_outside(float(table_scale(np.array(k)))) if wide else 0.0
        expected = logistic(float(table_scale(np.array(k)))) * (1 - outside)
        both, far = (inner + inner[::-1]) / 2, wide * seen[k, 2 * SYMBOL + 1 :].sum()
        total = both.sum() + far + SHARE
        counts[k] = _row(
            (both + SHARE * expected) / total, (far + SHARE * outside) / total if wide else None
        )
    return counts


def logistic(scale: float) -> np.ndarray:
    """Return the probabilities [255] of the symbols -127..127 under a logistic density of this scale."""
    edges = np.arange(-SYMBOL - 0.5, SYMBOL + 1) / scale
    mass = np.diff(0.5 * (1 + np.tanh(edges / 2)))
    return mass / mass.sum()


def logistic_outside(scale: float) -> float:
    """Return the probability of all other symbols under a logistic density of this scale."""
    return float(1 - np.tanh((SYMBOL + 0.5) / scale / 2))


def _row(p: np.ndarray, outside: float | None) -> np.ndarray:
    """Turn probabilities [255] of a symmetric density into counts [256] that sum to 2^12.

    Every symbol inside the support has at least 1, and ESCAPE stands for all others. outside: probability
    of symbols beyond +-127; None where they are clipped.
    """
    tail = np.array([p[SYMBOL + n + 1 :].sum() for n in range(SYMBOL + 1)])
    reach = int(np.argmax(2 * tail * SLOTS < 0.5))
    inside = np.zeros(len(p), bool)
    inside[SYMBOL - reach : SYMBOL + reach + 1] = True
    escape = 0 if reach == SYMBOL else 1
    if outside is not None:
        escape = max(1, round(outside * SLOTS))
    free = SLOTS - escape - inside.sum()
    count = np.where(inside, 1 + np.floor(p / p[inside].sum() * free), 0)
    count[SYMBOL] += SLOTS - escape - count.sum()
    return np.append(count, escape).astype(np.uint16)
