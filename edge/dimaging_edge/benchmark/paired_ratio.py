"""The time of a graph as a ratio to the reference convolution, which holds on a busy machine.

Milliseconds on a shared machine say more about its other users than about the graph. So the graph
and a fixed convolution are timed in turns, in one process, with as many threads, and the ratio is
kept. One round is four blocks, graph-reference-reference-graph, the next the other way round, so
that a drift hits both sides alike; all blocks last equally long, so that a pause is equally likely
in each. The statistic is the median over rounds, with a bootstrap interval.

The clock of a round is the CPU time of the calling thread: it stands still while other programs
have the core. Only if the thread itself waited (for a device, a disk, a sleep) in any of the
round's blocks is the wall clock taken for all four. With every core of a small machine kept busy
by others, medians over short times then agree several times better than on the wall clock.
onnxruntime's own waiting for its threads is spinning, hence counted.

What is left is company: code of other programs on the same core's other hardware thread slows
graphs much smaller than the convolution more than it slows the convolution. Company comes and
goes, a slower graph stays slow. So `best`, the lowest median among fifths of the time, is kept
too, and only long measurements make good alarms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns, thread_time_ns

import numpy as np

from dimaging_edge.benchmark.stats import median_interval, spread
from dimaging_edge.benchmark.timing import no_collection

Run = Callable[[], object]

BLOCK_NS = 5_000_000
"""The least time of a block, in ns."""
FEWEST = 12
"""The fewest rounds before anything is decided."""
SHORTEST_S = 2.0
"""The least time before anything is decided, in s: the interval then rests on more than luck."""
UNEVEN = 0.5
"""A reference whose spread is wider than this measures the machine, not the graph."""

try:
    from resource import RUSAGE_THREAD, getrusage  # Linux
except ImportError:  # no count of waits: every round is taken on the wall clock
    getrusage = None


@dataclass(frozen=True)
class Ratio:
    """The time of one run of a graph over that of one run of the reference."""

    ratio: float  # median over rounds
    low: float  # ends of the interval
    high: float
    spread: float  # of the reference itself, quartile distance over median
    rounds: tuple[float, ...]  # every ratio measured
    waited: int  # rounds on the wall clock
    seconds: float

    @property
    def best(self) -> float:
        """The lowest median among five consecutive parts of the rounds, the one least disturbed."""
        fifths = np.array_split(self.rounds, 5)
        return min(float(np.median(one)) for one in fifths if one.size)

    @property
    def steady(self) -> bool:
        """Whether one can decide: False for too few rounds, or a reference that was too uneven."""
        return len(self.rounds) >= FEWEST and self.spread <= UNEVEN


def compare(
    graph: Run, reference: Run, *, enough: Callable[[Ratio], bool], limit_s: float
) -> Ratio:
    """Time rounds until `enough(ratio so far)`, or until `limit_s` seconds are over.

    `enough` is asked from FEWEST rounds and SHORTEST_S on, each time that half as many again are
    in: a question asked after every round would sooner or later be answered by luck.
    """
    start = perf_counter_ns()
    sides = _matched(graph, reference)
    rounds: list[_Round] = []
    due = FEWEST
    with no_collection():
        while True:
            rounds.append(_round(*sides, forwards=len(rounds) % 2 == 0))
            seconds = (perf_counter_ns() - start) / 1e9
            if seconds < limit_s and (len(rounds) < due or seconds < SHORTEST_S):
                continue
            due = len(rounds) + len(rounds) // 2
            ratio = _summary(rounds, seconds)
            if seconds >= limit_s or (ratio.steady and enough(ratio)):
                return ratio


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the two sides, with the number of runs that fill a block."""

    run: Run
    runs: int


@dataclass(frozen=True)
class _Block:
    wall: int  # ns
    cpu: int  # ns of the calling thread
    waited: bool  # the thread gave up the core by itself, or nobody can tell


@dataclass(frozen=True)
class _Round:
    ratio: float
    reference: float  # ns of one run
    waited: bool


def _waits() -> int:
    return getrusage(RUSAGE_THREAD).ru_nvcsw if getrusage else 0


def _block(side: _Side) -> _Block:
    waits = _waits()
    cpu, wall = thread_time_ns(), perf_counter_ns()
    for _ in range(side.runs):
        side.run()
    wall, cpu = perf_counter_ns() - wall, thread_time_ns() - cpu
    return _Block(wall, cpu, waited=not getrusage or _waits() > waits)


def _round(graph: _Side, reference: _Side, *, forwards: bool) -> _Round:
    order = (graph, reference, reference, graph)
    order = order if forwards else (reference, graph, graph, reference)
    blocks = [(side, _block(side)) for side in order]
    waited = any(block.waited for _, block in blocks)
    one_run = {}
    for side in (graph, reference):
        mine = [block for other, block in blocks if other is side]
        one_run[side] = sum(b.wall if waited else b.cpu for b in mine) / (len(mine) * side.runs)
    return _Round(one_run[graph] / one_run[reference], one_run[reference], waited)


def _matched(graph: Run, reference: Run) -> tuple[_Side, _Side]:
    """Return both sides with so many runs a block that their blocks last equally long."""
    mine, other = _fastest(graph), _fastest(reference)
    length = max(mine, other, BLOCK_NS)
    return _Side(graph, round(length / mine)), _Side(reference, round(length / other))


def _fastest(run: Run) -> int:
    """Return the nanoseconds of the fastest of a few runs, at least 1."""
    once = _Side(run, 1)
    fastest, end = 0, perf_counter_ns() + 300_000_000
    for tried in range(20):
        block = _block(once)
        taken = block.wall if block.waited else block.cpu
        fastest = min(fastest, taken) if tried > 1 else taken  # the first one warms up
        if tried > 1 and perf_counter_ns() > end:
            break
    return max(1, fastest)


def _summary(rounds: list[_Round], seconds: float) -> Ratio:
    ratios = [one.ratio for one in rounds]
    low, high = median_interval(ratios)
    return Ratio(
        ratio=median(ratios),
        low=low,
        high=high,
        spread=spread([one.reference for one in rounds]),
        rounds=tuple(ratios),
        waited=sum(one.waited for one in rounds),
        seconds=seconds,
    )
