"""The comparison of graphs with the reference convolution, and with a budget."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dimaging_edge.benchmark.budget import NO_BUDGET, NOISY, PATIENCE_S, Budget, verdict
from dimaging_edge.benchmark.paired_ratio import Ratio, Run, compare
from dimaging_edge.bundle.open import REFERENCE, Bundle
from dimaging_edge.bundle.session import make_session

Feeds = dict[str, np.ndarray]

REFERENCE_SHAPE = (1, 64, 56, 56)
"""The shape of the input of the reference convolution."""
PRECISE = 0.02
"""Without a budget one measures until the interval reaches no more than this share of the ratio each way."""

# Both sessions have threads of their own; without this, those of the one still spin on the
# cores for a while when it is the other's turn.
_CONFIG = {"session.force_spinning_stop": "1"}


@dataclass(frozen=True)
class GateReport:
    """The result for one graph: its ratio to the reference, and the verdict of its budget."""

    graph: str
    ratio: Ratio
    max_ratio: float | None
    verdict: str  # a key of budget.EXIT_CODES


def gate(
    bundle: Bundle,
    feeds: Mapping[str, Feeds],
    budget: Budget | None,
    *,
    limit_s: float,
    progress: Callable[[str], object] = lambda line: None,
) -> list[GateReport]:
    """Measure the ratio of each graph in `feeds` that the budget names (None: of all)."""
    reference = runner(_reference_session(bundle), {"x": _reference_input()})
    reports = []
    for name, arrays in feeds.items():
        limit = budget.max_ratio.get(name) if budget else None
        if budget and limit is None:
            continue
        progress(f"{name}: ratio to the reference convolution, up to {limit_s:g} s")
        graph = runner(bundle.new_session(name, config=_CONFIG), arrays)
        enough = partial(_decided, max_ratio=limit) if limit is not None else is_precise
        ratio = compare(graph, reference, enough=enough, limit_s=limit_s)
        said = NO_BUDGET if limit is None else verdict(ratio, limit)
        reports.append(GateReport(name, ratio, limit, said))
    return reports


def runner(session: Any, feeds: Feeds) -> Run:
    """Return a call that runs a session once."""
    return partial(session.run, None, feeds)


def is_precise(ratio: Ratio) -> bool:
    """Return whether a budget can be written from a ratio: measured long enough, and its interval narrow."""
    return ratio.seconds >= PATIENCE_S and ratio.high - ratio.low <= 2 * PRECISE * ratio.ratio


def _decided(ratio: Ratio, *, max_ratio: float) -> bool:
    return verdict(ratio, max_ratio) != NOISY


def _reference_session(bundle: Bundle) -> Any:
    return make_session(
        REFERENCE,
        bundle.provider,
        bundle.threads,
        allow_fallback=bundle.allow_fallback,
        config=_CONFIG,
    )


def _reference_input() -> np.ndarray:
    return np.random.default_rng(0).random(REFERENCE_SHAPE, dtype=np.float32)
