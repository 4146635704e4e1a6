"""What only a new process can tell: the cold start, the peak memory, where the nodes ran.

`measure_fresh` starts `python -m dimaging_edge.benchmark.fresh` and reads one line of JSON from it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING

from dimaging_edge.errors import DimagingError

if TYPE_CHECKING:
    from dimaging_edge.bundle import Bundle

RUNS = 3  # what onnxruntime keeps for itself is in place after two


@dataclass(frozen=True)
class Fresh:
    """One graph in a process of its own."""

    session_ms: float  # creating the session
    first_ms: float  # the first run
    baseline_bytes: int | None  # resident after the imports, before the bundle is opened
    peak_bytes: int | None  # at most, after a few runs
    nodes: dict[str, int]  # provider -> nodes that ran there, after onnxruntime's own fusions


def measure_fresh(bundle: "Bundle", graph: str, batch: int) -> Fresh:
    """Measure one graph of a bundle in a new process; DimagingError if that process fails."""
    how = [bundle.provider, bundle.threads, batch, bundle.allow_fallback]
    request = json.dumps([str(bundle.path), graph, *how])
    package = str(Path(__file__).parents[2])  # works from a checkout, too
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-m", __name__, request], env=env, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise DimagingError(f"{graph}: the measuring process failed: {last.removeprefix('error: ')}")
    return Fresh(**json.loads(done.stdout.splitlines()[-1]))


def main(request: str) -> int:
    """Measure as `request` (a JSON list) says and print one line of JSON."""
    path, graph, provider, threads, batch, allow_fallback = json.loads(request)

    from dimaging_edge.benchmark import memory
    from dimaging_edge.benchmark.timing import tile
    from dimaging_edge.bundle import open_bundle
    from dimaging_edge.session import make_session, runtime

    try:
        runtime(allow_fallback=allow_fallback)
        memory.reset_peak()
        baseline = memory.resident() or memory.peak()
        bundle = open_bundle(path, provider, threads, allow_fallback=allow_fallback)
        inputs = tile(bundle.graph(graph), bundle.examples(graph)[0], batch)
        start = perf_counter_ns()
        session = bundle.session(graph)
        created = perf_counter_ns()
        session.run(None, inputs)
        ran = perf_counter_ns()
        for _ in range(RUNS - 1):
            session.run(None, inputs)
        peak = memory.peak()  # before the profiler below adds its own
        with tempfile.TemporaryDirectory() as folder:
            options = {"allow_fallback": allow_fallback, "profile": f"{folder}/profile"}
            profiled = make_session(bundle.file(graph), bundle.provider, threads, **options)
            profiled.run(None, inputs)
            nodes = nodes_by_provider(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
    except DimagingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = Fresh((created - start) / 1e6, (ran - created) / 1e6, baseline, peak, nodes)
    print(json.dumps(asdict(found)))
    return 0


def nodes_by_provider(profile: str) -> dict[str, int]:
    """Return provider -> nodes from the text of an onnxruntime profile of one run."""
    from dimaging_edge.session import PROVIDERS

    names = {execution: name for name, execution in PROVIDERS.items()}
    ran = {
        (event["args"]["provider"], event["name"])
        for event in json.loads(profile)
        if event.get("cat") == "Node" and event.get("args", {}).get("provider")
    }
    return dict(Counter(names.get(provider, provider) for provider, _ in sorted(ran)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
