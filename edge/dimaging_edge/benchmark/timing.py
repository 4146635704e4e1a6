"""The runs of one graph on the wall clock: warm-up until the median settles, then every sample is kept."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns

WINDOW = 8
"""The number of runs whose median is looked at."""
TOLERANCE = 0.05
"""The share by which two medians in a row may differ when it has settled."""
FEWEST = 10
"""The fewest timed runs, however slow the graph is."""


@dataclass(frozen=True)
class WarmUp:
    """The number of runs until two windows of WINDOW runs had medians within TOLERANCE."""

    runs: int
    settled: bool  # False: the time for warming up ran out first


def warm_up(run: Callable[[], object], limit_s: float) -> WarmUp:
    """Run until the running median settles or `limit_s` seconds are over."""
    samples: list[int] = []
    end = perf_counter_ns() + int(limit_s * 1e9)
    while perf_counter_ns() < end or len(samples) < 2:
        samples.append(_timed(run))
        if len(samples) % WINDOW == 0 and len(samples) >= 2 * WINDOW:
            before, now = median(samples[-2 * WINDOW : -WINDOW]), median(samples[-WINDOW:])
            if abs(now - before) <= TOLERANCE * before:
                return WarmUp(len(samples), True)
    return WarmUp(len(samples), False)


def time_runs(run: Callable[[], object], seconds: float) -> list[int]:
    """Return the nanoseconds of each run, for `seconds` and at least FEWEST runs."""
    samples: list[int] = []
    with no_collection():
        end = perf_counter_ns() + int(seconds * 1e9)
        while perf_counter_ns() < end or len(samples) < FEWEST:
            samples.append(_timed(run))
    return samples


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python's garbage collector out of the timings, as timeit does."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _timed(run: Callable[[], object]) -> int:
    start = perf_counter_ns()
    run()
    return perf_counter_ns() - start
