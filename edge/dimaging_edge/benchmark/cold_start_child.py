"""The process that `cold_start` starts: `python -m dimaging_edge.benchmark.cold_start_child REQUEST`."""

import json
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from time import perf_counter_ns

from dimaging_edge.benchmark import memory
from dimaging_edge.benchmark.cold_start import Fresh
from dimaging_edge.benchmark.inputs import tile
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.bundle.session import PROVIDERS, runtime
from dimaging_edge.common.errors import DimagingError
from dimaging_edge.common.stopping import follow_parent

RUNS = 3
"""The number of runs before memory is read; what onnxruntime keeps for later ones is there after two."""


def measure(
    path: str,
    graph: str,
    provider: str,
    threads: int,
    batch: int,
    allow_fallback: bool,
    sizes: dict[str, int],
) -> Fresh:
    """Measure one graph of the bundle at `path`, which must be this process's first."""
    runtime(allow_fallback=allow_fallback)
    memory.reset_peak()
    baseline = memory.resident() or memory.peak()
    # As for the CPU: a trial of the provider would start it, and the cold start would be a warm one.
    bundle = open_bundle(path, threads=threads)
    inputs = tile(bundle.graph(graph), bundle.examples(graph)[0], batch, sizes)
    how = {"provider": provider, "allow_fallback": allow_fallback}
    start = perf_counter_ns()
    session = bundle.new_session(graph, **how)
    created = perf_counter_ns()
    session.run(None, inputs)
    ran = perf_counter_ns()
    for _ in range(RUNS - 1):
        session.run(None, inputs)
    peak = memory.peak()  # now: the profiler below needs memory of its own
    with tempfile.TemporaryDirectory() as folder:
        profiled = bundle.new_session(graph, **how, profile=f"{folder}/profile")
        profiled.run(None, inputs)
        nodes = nodes_by_provider(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
    return Fresh((created - start) / 1e6, (ran - created) / 1e6, baseline, peak, nodes)


def nodes_by_provider(profile: str) -> dict[str, int]:
    """Return provider -> nodes, from the text of an onnxruntime profile."""
    names = {execution: name for name, execution in PROVIDERS.items()}
    ran = {
        (str(event["args"]["provider"]), event["name"], event["args"].get("node_index"))
        for event in json.loads(profile)
        if event.get("cat") == "Node" and event.get("args", {}).get("provider")
    }
    counts = Counter(names.get(execution, execution) for execution, *_ in ran)
    return dict(sorted(counts.items()))


def main(request: str) -> int:
    """Measure as `request` says (a JSON list: the arguments of `measure`); print a line of JSON."""
    follow_parent()
    try:
        print(json.dumps(asdict(measure(*json.loads(request)))))
    except DimagingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
