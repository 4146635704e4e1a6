"""The result of a benchmark: data that can be stored, and a table that can be read."""

import json
import math
from dataclasses import asdict, dataclass, field

from dimaging_edge.benchmark.budget import Settings, exit_code, sizes_text
from dimaging_edge.benchmark.cold_start import Fresh
from dimaging_edge.benchmark.environment import Environment
from dimaging_edge.benchmark.gate import GateReport
from dimaging_edge.benchmark.stats import CONFIDENCE, percentiles
from dimaging_edge.benchmark.timing import WarmUp
from dimaging_edge.common.tables import DASH, number, table


@dataclass(frozen=True)
class GraphReport:
    """The figures of one graph."""

    graph: str
    batch: int
    inputs: dict[str, tuple[int, ...]]  # shapes
    macs: int | None  # of one run at this batch size
    file_bytes: int
    warm_up: WarmUp
    samples_ns: list[int] = field(repr=False)  # every timed run, in order
    fresh: Fresh

    @property
    def ms(self) -> dict[str, float | None]:
        """The latencies p50, p90 and p99 in milliseconds; None is unknown."""
        found = percentiles(self.samples_ns)
        return {key: None if ns is None else ns / 1e6 for key, ns in found.items()}

    @property
    def items_per_s(self) -> float:
        """The number of items per second, over all timed runs."""
        return self.batch * len(self.samples_ns) / (sum(self.samples_ns) / 1e9)

    @property
    def gmac_per_s(self) -> float | None:
        """The multiply-accumulates per second at p50, in 1e9; None is unknown."""
        p50 = self.ms["p50"]
        return None if self.macs is None or not p50 else self.macs / (p50 * 1e6)


@dataclass(frozen=True)
class Report:
    """The benchmark of one bundle."""

    model: str
    model_id: str
    precision: str
    batch: int
    sizes: dict[str, int]  # of the free dimensions that were asked for
    environment: Environment
    graphs: list[GraphReport]
    gates: list[GateReport]

    @property
    def exit_code(self) -> int:
        """The exit code: 0 all within budget (or none given), 3 a graph over budget, 4 too noisy to say."""
        return exit_code([gate.verdict for gate in self.gates])

    @property
    def settings(self) -> Settings:
        """The settings that a budget must have been measured with to hold for this run."""
        env = self.environment
        return Settings(
            self.model,
            self.precision,
            env.provider_used,
            env.threads,
            self.batch,
            sizes_text(self.sizes),
        )

    def to_json(self) -> str:
        """Return everything, raw samples in nanoseconds, as JSON text."""
        data = asdict(self)
        for stored, graph in zip(data["graphs"], self.graphs, strict=True):
            stored.update(
                n=len(graph.samples_ns),
                latency_ms=graph.ms,
                items_per_s=graph.items_per_s,
                gmac_per_s=graph.gmac_per_s,
            )
        return json.dumps({"schema": 1, **data}, allow_nan=False) + "\n"

    def table(self) -> str:
        """Return the report as aligned plain text; a dash is unknown."""
        parts = [_head(self)]
        if self.graphs:
            parts += [_latency(self.graphs), _cost(self.graphs)]
        if self.gates:
            parts.append(_gates(self.gates))
        return "\n\n".join(parts)


def _head(report: Report) -> str:
    env = report.environment
    versions = ", ".join(f"{name} {version}" for name, version in env.versions.items())
    load = DASH if env.load is None else f"{env.load:.1f}"
    return (
        f"{report.model} {report.precision} ({report.model_id[:12]})\n"
        f"machine   {env.cpu or DASH}, {env.machine}, {env.cores} cores, {env.system}, "
        f"governor {env.governor or DASH}, load {load}\n"
        f"provider  asked {env.provider_asked}, used {env.provider_used}, "
        f"{env.threads} {'thread' if env.threads == 1 else 'threads'}; {versions}"
    )


def _latency(graphs: list[GraphReport]) -> str:
    rows = [["graph", "largest input", "warm-up", "n", "p50 ms", "p90 ms", "p99 ms", "items/s"]]
    for one in graphs:
        settled = "" if one.warm_up.settled else " (unsettled)"
        times = [number(one.ms[key]) for key in ("p50", "p90", "p99")]
        counts = [_largest(one.inputs), f"{one.warm_up.runs}{settled}", str(len(one.samples_ns))]
        rows.append([one.graph, *counts, *times, number(one.items_per_s)])
    return table(rows)


def _largest(inputs: dict[str, tuple[int, ...]]) -> str:
    """Return name and shape of the input with the most values."""
    name, shape = max(inputs.items(), key=lambda item: math.prod(item[1]))
    return f"{name} {' x '.join(map(str, shape))}"


def _cost(graphs: list[GraphReport]) -> str:
    rows = [["graph", "session ms", "first ms", "file MB", "peak MB", "of it imports MB"]]
    rows[0] += ["GMAC", "GMAC/s", "nodes"]
    for one in graphs:
        fresh = one.fresh
        sizes = map(_mega, [one.file_bytes, fresh.peak_bytes, fresh.baseline_bytes])
        macs = None if one.macs is None else one.macs / 1e9
        nodes = ", ".join(f"{key} {count}" for key, count in fresh.nodes.items())
        figures = [fresh.session_ms, fresh.first_ms, *sizes, macs, one.gmac_per_s]
        rows.append([one.graph, *map(number, figures), nodes or DASH])
    return table(rows)


def _gates(gates: list[GateReport]) -> str:
    level = f"{CONFIDENCE:.0%} interval"
    rows = [["graph", "x reference", level, "budget", "rounds", "verdict"]]
    for gate in gates:
        ratio = gate.ratio
        interval = f"{number(ratio.low)} to {number(ratio.high)}"
        limits = [number(gate.max_ratio), str(len(ratio.rounds))]
        rows.append([gate.graph, number(ratio.ratio), interval, *limits, gate.verdict])
    return table(rows)


def _mega(size: int | None) -> float | None:
    return None if size is None else size / 1e6
