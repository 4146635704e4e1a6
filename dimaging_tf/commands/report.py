"""A self-contained HTML page about runs and bundles: pictures, curves, parity, figure of merit, latency."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from dimaging_edge.common.files import read_json_lines, write_text

from dimaging_tf.commands import phones
from dimaging_tf.commands.page import curves, document, picture, quotation, table
from dimaging_tf.errors import UserError


def write_report(folders: Sequence[Path], out: Path) -> Path:
    """Write the page about run folders, bundles and what phones sent to `out`, and return `out`.

    UserError for a folder that is neither a run nor a bundle, or is damaged.
    """
    write_text(out, document("dimaging report", ["<h1>dimaging report</h1>", *sections(folders)]))
    return out


def sections(folders: Sequence[Path]) -> list[str]:
    """Return the HTML of each folder, as `write_report` has it."""
    parts = []
    for folder in folders:
        kinds = {"run.json": _run, "bundle.json": _bundle}
        file = next((name for name in kinds if (folder / name).exists()), None)
        sent = phones.measurements(folder) if file is None else []
        if sent:
            title = f"<h2>{escape(folder.name)}: {len(sent)} measurements</h2>"
            parts.append(title + table(phones.HEAD, phones.rows(sent)))
            continue
        if file is None:
            raise UserError(
                f"{folder} is neither a run folder (run.json) nor a bundle (bundle.json), and holds nothing "
                "that phones sent (dimaging-edge app --collect)."
            )
        try:
            parts.append(kinds[file](folder))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"{folder} is damaged: {file}, or a file of figures beside it, is not what dimaging "
                f"writes ({error!r}). Make it again, or leave it out of the report."
            ) from error
    return parts


def _run(folder: Path) -> str:
    """Return the HTML of a run: facts, loss curves, the last sample picture or text."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    epochs = read_json_lines(folder / "metrics.jsonl")
    data = record.get("data", {})
    facts = f"learned from {data.get('name', '—')}, seed {record.get('seed', '—')}, {len(epochs)} epochs"
    if epochs:
        facts += f", {epochs[-1]['seconds']:.0f} s"
    parts = [f"<h2>{escape(record['model'])}</h2><p class='facts'>{escape(facts)}</p>"]
    parts.append(curves(record["model"], epochs))
    if samples := last_samples(folder):
        show = quotation if samples.suffix == ".txt" else _samples
        parts.append(show(f"samples after epoch {int(samples.stem.rpartition('-')[2])}", samples))
    return "\n".join(parts)


def last_samples(run: Path) -> Path | None:
    """Return the picture or text that a run wrote last while it was trained, or None."""
    for suffix in ("png", "txt"):
        if found := sorted((run / "samples").glob(f"epoch-*.{suffix}")):
            return found[-1]
    return None


def _samples(caption: str, path: Path) -> str:
    return picture(caption, path.read_bytes())


def _bundle(folder: Path) -> str:
    """Return the HTML of a bundle: figure of merit, graphs, latency where it was measured."""
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    parts = [f"<h2>{escape(folder.name)}</h2><p class='facts'>{_quality(manifest)}</p>"]
    rows = [
        (
            name,
            f"{manifest['files'][graph['file']]['bytes'] / 1e6:.2f}",
            "—" if graph["macs"] is None else f"{graph['macs'] / 1e6:.1f}",
            sum(graph["nodes"].values()),
            graph["nodes"].get("Transpose", 0),
            max((f"{p['max_abs']:.1e}" for p in graph["parity"].values()), key=float, default="—"),
        )
        for name, graph in manifest["graphs"].items()
    ]
    parts.append(
        table(("graph", "MB", "million MACs", "nodes", "Transposes", "max |Δ| to Keras"), rows)
    )
    if (folder / "latency.json").exists():
        parts.append(_latency(json.loads((folder / "latency.json").read_text(encoding="utf-8"))))
    return "\n".join(parts)


def _quality(manifest: dict[str, Any]) -> str:
    """Return a line of HTML: model, precision, target, and the figure of merit in Keras and in the file."""
    words = f"{manifest['model']}, {manifest['precision']}, for {manifest['target']}"
    q = manifest.get("quality")
    if q:
        words += f"; {q['name']} {q['keras']:.2f} in Keras, {q['onnx']:.2f} {q['unit']} in the file"
    return escape(words)


def _latency(found: dict[str, Any]) -> str:
    """Return the HTML of what `dimaging bench --json` wrote; an unknown value is a dash."""
    rows = []
    for graph in found["graphs"]:
        ms, fresh = graph["latency_ms"], graph["fresh"]
        peak = fresh["peak_bytes"]
        values = [fresh["session_ms"], fresh["first_ms"], ms["p50"], ms["p90"], ms["p99"]]
        values += [graph["items_per_s"], graph["gmac_per_s"], peak and peak / 1e6]
        rows.append(
            (graph["graph"], graph["n"], *("—" if v is None else f"{v:.3g}" for v in values))
        )
    head = (
        "graph",
        "runs",
        "session ms",
        "first ms",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "items/s",
        "GMAC/s",
        "peak MB",
    )
    env = found["environment"]
    words = f"{env['cpu'] or '—'}, {env['threads']} thread(s), provider {env['provider_used']}"
    return table(head, rows) + f"<p class='facts'>{escape(words)}</p>"
