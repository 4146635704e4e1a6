"""What every benchmark shares: a line per figure, a JSON file, an exit code.

figure  value  goal  ok|short
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = (
    "tensorflow",
    "keras",
    "onnx",
    "onnxruntime",
    "tf2onnx",
    "openvino",
    "ai-edge-litert",
    "bm3d",
    "numpy",
)


def parser(
    topic: str, description: str | None, data: str = "", inside: str = ""
) -> argparse.ArgumentParser:
    """--quick and --json of every benchmark, and --data of those that read real data.

    data: what the folder --data holds; it is `inside` of DIMAGING_DATA by default.
    """
    p = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument(
        "--quick",
        action="store_true",
        help="seconds instead of minutes: shows that it runs, judges nothing",
    )
    p.add_argument(
        "--json",
        type=Path,
        default=None,
        help=f"result file (default: benchmarks/results/{topic}.json, none with --quick)",
    )
    if data:
        default = os.environ.get("DIMAGING_DATA") or None
        p.add_argument(
            "--data",
            type=Path,
            default=default and Path(default) / inside,
            required=default is None,
            help=f"folder of {data} (default: DIMAGING_DATA{inside and f'/{inside}'})",
        )
    return p


@dataclass
class Figures:
    """Collects the figures of one topic. `goal` is ">= 3", "<= 98", or "" where there is none."""

    topic: str
    quick: bool
    path: Path | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        print(f"{'figure':<58} {'value':>12}  {'goal':<10}", flush=True)

    def add(self, figure: str, value: float, goal: str = "", unit: str = "") -> None:
        """Judge and print one figure."""
        verdict = "" if not goal else ("ok" if _holds(value, goal) else "short")
        self.rows.append(
            {"figure": figure, "value": value, "unit": unit, "goal": goal, "verdict": verdict}
        )
        print(f"{figure:<58} {value:>12.4g}  {f'{goal} {unit}':<10} {verdict}", flush=True)

    def finish(self) -> int:
        """Write the JSON; 0 if every goal holds (always 0 with --quick)."""
        path = self.path or (None if self.quick else RESULTS / f"{self.topic}.json")
        if path:
            record = {k: v for k, v in asdict(self).items() if k != "path"}
            record |= {"arguments": arguments(sys.argv[1:]), "environment": environment()}
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp")
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            os.replace(temporary, path)
            print(f"wrote {os.path.relpath(path)}", file=sys.stderr)
        return int(not self.quick and any(row["verdict"] == "short" for row in self.rows))


def arguments(words: list[str]) -> list[str]:
    """The command's arguments without the places of this machine: of an absolute path its name."""

    def told(word: str) -> str:
        return Path(word).name if Path(word).is_absolute() else word

    parts = (word.partition("=") for word in words)
    return ["".join((told(a), is_, told(b))) for a, is_, b in parts]


def environment() -> dict[str, Any]:
    """Machine and versions, as far as they can be read."""
    model = "unknown"
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(
            (line.split(":")[1].strip() for line in lines if line.startswith("model name")), model
        )
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": model,
        "cores": os.cpu_count(),
        "load": list(os.getloadavg()),
        "python": platform.python_version(),
        "versions": found,
    }


def _holds(value: float, goal: str) -> bool:
    sign, bound = goal.split()
    return {">=": value >= float(bound), "<=": value <= float(bound)}[sign]
