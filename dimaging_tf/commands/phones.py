"""The table of devices in a report: what phones sent to `dimaging-edge app --collect`."""

from pathlib import Path
from typing import Any

from dimaging_edge.app.collect import check_report
from dimaging_edge.bundle.strict_json import read_json

from dimaging_tf.errors import UserError

HEAD = (
    "device", "browser", "model", "graph", "threads", "provider", "p50 ms", "p90 ms", "first ms", "load ms",
    "x reference", "budget", "last / first",
)  # fmt: skip
"""The head of the table."""


def measurements(folder: Path) -> list[Path]:
    """Return the files of a folder that are measurements by their first look, sorted by name."""
    return [
        path
        for path in sorted(folder.glob("*.json"))
        if path.is_file() and _begins(path).startswith(b'{"schema":1,"model":')
    ]


def _begins(path: Path) -> bytes:
    """Return the first bytes of a file without spaces and line ends."""
    with path.open("rb") as file:
        return b"".join(file.read(200).split())


def rows(files: list[Path]) -> list[tuple[str, ...]]:
    """Return a row for each graph of each measurement; UserError for a file that is none."""
    found = []
    for path in files:
        try:
            report = read_json(path.read_text(encoding="utf-8"))
            check_report(report)
        except ValueError as error:
            raise UserError(
                f"{path} is not what a phone sends ({error}); leave it out of the folder"
            ) from error
        found += _rows(report)
    return found


def _rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    env = report["environment"]
    gates = {gate["graph"]: gate for gate in report["gates"]}
    device = env.get("cpu") or env["system"]
    same = device, env.get("browser") or "—", f"{report['model']} {report['precision']}"
    found = []
    for graph in report["graphs"]:
        parts = [graph.get(f"{part}_part_per_s") for part in ("last", "first")]
        kept = parts[0] / parts[1] if all(parts) else None
        ms, fresh = graph["latency_ms"], graph["fresh"]
        figures = [ms["p50"], ms["p90"], fresh.get("first_ms"), fresh.get("session_ms")]
        gate = gates.get(graph["graph"], {})
        figures += [gate.get("ratio", {}).get("ratio"), kept]
        said = ["—" if x is None else f"{x:.3g}" for x in figures]
        said.insert(-1, gate["verdict"] if gate.get("max_ratio") is not None else "—")
        found.append((*same, graph["graph"], str(env["threads"]), env["provider_used"], *said))
    return found
