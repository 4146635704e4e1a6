"""Figures that only a new process can tell: the cold start, the peak memory, where the nodes ran.

`cold_start_child` measures there and prints one line of JSON; this starts it and reads the line.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dimaging_edge.bundle.open import Bundle
from dimaging_edge.common.errors import DimagingError


@dataclass(frozen=True)
class Fresh:
    """The figures of one graph in a process of its own."""

    session_ms: float  # creating the session
    first_ms: float  # the first run
    baseline_bytes: int | None  # resident after the imports, before the bundle is opened
    peak_bytes: int | None  # most that was resident in a few runs (of the host, on a GPU)
    nodes: dict[str, int]  # provider -> nodes that ran there, after onnxruntime's own fusions


def measure_fresh(
    bundle: Bundle, graph: str, batch: int, sizes: Mapping[str, int] | None = None
) -> Fresh:
    """Measure one graph of a bundle in a new process; DimagingError if that process fails."""
    how = [bundle.provider, bundle.threads, batch, bundle.allow_fallback, dict(sizes or {})]
    command = [sys.executable, "-m", "dimaging_edge.benchmark.cold_start_child"]
    command.append(json.dumps([str(bundle.path), graph, *how]))
    package = str(Path(__file__).parents[2])  # so that it works from a checkout, too
    paths = [package, os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise DimagingError(f"{graph}: the measuring process failed: {last}")
    return Fresh(**json.loads(done.stdout.splitlines()[-1]))
