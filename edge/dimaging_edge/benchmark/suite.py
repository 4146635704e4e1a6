"""The benchmark of a bundle: cold start and memory in a fresh process, latency, ratios."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from dimaging_edge.benchmark.budget import PATIENCE_S, Budget, Settings, sizes_text
from dimaging_edge.benchmark.cold_start import measure_fresh
from dimaging_edge.benchmark.environment import environment
from dimaging_edge.benchmark.gate import Feeds, gate
from dimaging_edge.benchmark.inputs import check_sizes, tile
from dimaging_edge.benchmark.report import GraphReport, Report
from dimaging_edge.benchmark.timing import time_runs, warm_up
from dimaging_edge.bundle.open import Bundle, open_bundle
from dimaging_edge.common.errors import InputError

SECONDS = 3.0
"""The usual time of the timed runs of a graph, in s."""
LIMIT_S = 30.0
"""The usual longest time to decide on a graph, in s."""


def bench(
    path: str | Path,
    *,
    graphs: Sequence[str] | None = None,
    provider: str = "cpu",
    threads: int | None = None,
    batch: int = 1,
    sizes: Mapping[str, int] | None = None,
    seconds: float = SECONDS,
    budget: Budget | None = None,
    ratios: bool = False,
    limit_s: float = LIMIT_S,
    allow_fallback: bool = False,
    progress: Callable[[str], object] = lambda line: None,
) -> Report:
    """Measure graphs of a bundle (None: all) on their examples, repeated to `batch` and `sizes`.

    sizes: the length of free dimensions by name, as {"height": 1080}; those of others are the example's.
    threads: the number of threads of one operator; None is every core. seconds: the time of the timed runs
    of each graph. budget: gate each graph that it names on its ratio to the reference convolution, measuring
    up to `limit_s` seconds a graph until that decides. ratios: measure ratios without a budget, too.
    progress: is called with a line that says what comes next.
    Raises what `open_bundle` raises, BudgetError, and InputError for an unknown graph or dimension and for
    a batch or sizes that a graph does not take.
    """
    bundle = open_bundle(path, provider, threads, allow_fallback=allow_fallback)
    if limit_s < PATIENCE_S:
        raise InputError(f"limit: expected {PATIENCE_S:g} s or more, received {limit_s:g}")
    names = tuple(graphs or bundle.graphs)
    check_sizes([bundle.graph(name) for name in names], sizes or {})
    feeds = {
        name: tile(bundle.graph(name), bundle.examples(name)[0], batch, sizes) for name in names
    }
    if budget is not None:
        wrote = bundle.manifest
        run = Settings(
            wrote.model, wrote.precision, bundle.provider, bundle.threads, batch, sizes_text(sizes)
        )
        budget.check(bundle.graphs, names, run)
    for name in names if sizes else ():
        bundle.run(
            name, **feeds[name]
        )  # sizes that do not go together are said before anything is timed
    measured = [
        _measure(bundle, name, feeds[name], batch, sizes, seconds, progress) for name in names
    ]
    gates = []
    if budget is not None or ratios:
        gates = gate(bundle, feeds, budget, limit_s=limit_s, progress=progress)
    return Report(
        model=bundle.manifest.model,
        model_id=bundle.manifest.model_id,
        precision=bundle.manifest.precision,
        batch=batch,
        sizes=dict(sizes or {}),
        environment=environment(threads=bundle.threads, asked=provider, used=bundle.provider),
        graphs=measured,
        gates=gates,
    )


def _measure(
    bundle: Bundle,
    name: str,
    feeds: Feeds,
    batch: int,
    sizes: Mapping[str, int] | None,
    seconds: float,
    progress: Callable[[str], object],
) -> GraphReport:
    progress(f"{name}: cold start and memory, in a fresh process")
    fresh = measure_fresh(bundle, name, batch, sizes)
    progress(f"{name}: latency, {seconds:g} s")
    run = partial(bundle.session(name).run, None, feeds)
    resized = {axis for t in bundle.graph(name).inputs for axis in t.shape} & set(sizes or {})
    macs = None if resized else bundle.graph(name).macs  # known at the example's sizes alone
    return GraphReport(
        graph=name,
        batch=batch,
        inputs={key: array.shape for key, array in feeds.items()},
        macs=None if macs is None else macs * batch,
        file_bytes=bundle.manifest.files[bundle.graph(name).file].bytes,
        warm_up=warm_up(run, max(1.0, seconds)),
        samples_ns=time_runs(run, seconds),
        fresh=fresh,
    )
