"""What symbols cost: counts of 2^12 slots for each of 64 scales, as the entropy coder reads them."""

import numpy as np

from dimaging_tf.compression import SYMBOL
from dimaging_tf.layers.codec import QUALITIES, table_scale

SLOTS = 1 << 12
SHARE = 300
"""The density that the model was trained with counts as much as so many symbols seen."""


def scale_counts(seen: np.ndarray) -> np.ndarray:
    """Uint16 [64, 256]: symbols -127..127 and ESCAPE; each row sums to 2^12, row 0 is not used.

    seen: how often each symbol was met with each table, [64, 255]. Real latents are more peaked than
    the logistic density, so what was seen decides where enough was.
    """
    counts = np.zeros((QUALITIES, 2 * SYMBOL + 2), np.uint16)
    counts[0, SYMBOL] = SLOTS
    for k in range(1, QUALITIES):
        expected = logistic(float(table_scale(np.array(k))))
        both = (seen[k] + seen[k][::-1]) / 2
        counts[k] = _row((both + SHARE * expected) / (both.sum() + SHARE))
    return counts


def logistic(scale: float) -> np.ndarray:
    """Probabilities of the symbols -127..127."""
    edges = np.arange(-SYMBOL - 0.5, SYMBOL + 1) / scale
    mass = np.diff(0.5 * (1 + np.tanh(edges / 2)))
    return mass / mass.sum()


def _row(p: np.ndarray) -> np.ndarray:
    """Whole counts of a symmetric density: at least 1 inside its support, ESCAPE for the rest."""
    tail = np.array([p[SYMBOL + n + 1 :].sum() for n in range(SYMBOL + 1)])
    reach = int(np.argmax(2 * tail * SLOTS < 0.5))
    inside = np.zeros(len(p), bool)
    inside[SYMBOL - reach : SYMBOL + reach + 1] = True
    escape = 0 if reach == SYMBOL else 1
    free = SLOTS - escape - inside.sum()
    count = np.where(inside, 1 + np.floor(p / p[inside].sum() * free), 0)
    count[SYMBOL] += SLOTS - escape - count.sum()
    return np.append(count, escape).astype(np.uint16)
