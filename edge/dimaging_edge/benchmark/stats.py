"""Percentiles without clipping, and an interval for the median of paired ratios."""

from collections.abc import Sequence

import numpy as np

P99_SAMPLES = 500
"""The fewest samples for a p99; with less it would rest on five of them or fewer."""
CONFIDENCE = 0.99
"""The share of intervals that hold the true median."""
_RESAMPLES = 2000


def percentiles(samples: Sequence[int] | Sequence[float]) -> dict[str, float | None]:
    """Return p50, p90 and p99 of all samples (linear interpolation), in their unit.

    p99 is None below P99_SAMPLES samples. Nothing is clipped: an outlier is a measurement.
    """
    if not len(samples):
        return {"p50": None, "p90": None, "p99": None}
    p50, p90, p99 = (float(value) for value in np.percentile(samples, [50, 90, 99]))
    return {"p50": p50, "p90": p90, "p99": p99 if len(samples) >= P99_SAMPLES else None}


def median_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the bootstrap interval (CONFIDENCE, percentile method) of the median of `values`."""
    data = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(data), (_RESAMPLES, len(data)))
    medians = np.median(data[picks], axis=1)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(medians, [tail, 100 - tail])
    return float(low), float(high)


def spread(values: Sequence[float]) -> float:
    """Return the distance between the quartiles as a share of the median: 0 is perfectly even."""
    q1, q2, q3 = np.percentile(values, [25, 50, 75])
    return float((q3 - q1) / q2)
