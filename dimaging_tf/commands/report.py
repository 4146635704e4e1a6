"""A self-contained HTML page about runs and bundles: pictures, curves, parity, figure of merit, latency."""

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from dimaging_edge.common.files import read_json_lines, write_text

from dimaging_tf.commands import phones
from dimaging_tf.errors import UserError
from dimaging_tf.evaluation import plots

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>dimaging report</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #222 }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
h2 {{ border-top: 1px solid #ccc; padding-top: 1rem }}
img {{ max-width: 100%; image-rendering: pixelated }} img.plot {{ image-rendering: auto }}
table {{ border-collapse: collapse; font-size: .9rem; display: block; overflow-x: auto }}
th, td {{ padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap }}
th:first-child, td:first-child {{ text-align: left }} th {{ border-bottom: 1px solid #888 }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6; padding: .6rem .8rem }}
figcaption, .facts {{ color: #555; font-size: .9rem }} figure {{ margin: 1rem 0 }}
</style>
<h1>dimaging report</h1>
{body}
</html>
"""


def write_report(
    folders: Sequence[Path], out: Path, figures: Sequence[tuple[str, Path]] = ()
) -> Path:
    """Write the page about run folders, bundles and what phones sent to `out`, and return `out`.

    figures: (caption, picture file or text file) of what comes first. UserError for a folder that is
    neither a run nor a bundle, or is damaged.
    """
    parts = [
        _text(caption, path) if path.suffix == ".txt" else _figure(caption, path.read_bytes())
        for caption, path in figures
    ]
    for folder in folders:
        kinds = {"run.json": _run, "bundle.json": _bundle}
        file = next((name for name in kinds if (folder / name).exists()), None)
        sent = phones.measurements(folder) if file is None else []
        if sent:
            title = f"<h2>{escape(folder.name)}: {len(sent)} measurements</h2>"
            parts.append(title + _table(phones.HEAD, phones.rows(sent)))
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
    write_text(out, _PAGE.format(body="\n".join(parts)))
    return out


def _run(folder: Path) -> str:
    """Return the HTML of a run: facts, loss curves, the last sample picture or text."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    epochs = read_json_lines(folder / "metrics.jsonl")
    data = record.get("data", {})
    facts = f"learned from {data.get('name', '—')}, seed {record.get('seed', '—')}, {len(epochs)} epochs"
    if epochs:
        facts += f", {epochs[-1]['seconds']:.0f} s"
    parts = [f"<h2>{escape(record['model'])}</h2><p class='facts'>{escape(facts)}</p>"]
    if epochs:
        buffer = io.BytesIO()
        plots.loss_curves(epochs).savefig(buffer, format="png", dpi=120)
        parts.append(_figure("losses", buffer.getvalue(), plot=True))
    pictures = sorted((folder / "samples").glob("*.png"))
    if pictures:
        parts.append(
            _figure(f"after {pictures[-1].stem.replace('-', ' ')}", pictures[-1].read_bytes())
        )
    elif texts := sorted((folder / "samples").glob("*.txt")):
        parts.append(_text(f"after {texts[-1].stem.replace('-', ' ')}", texts[-1]))
    return "\n".join(parts)


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
        _table(("graph", "MB", "million MACs", "nodes", "Transposes", "max |Δ| to Keras"), rows)
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
    return _table(head, rows) + f"<p class='facts'>{escape(words)}</p>"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = "".join(f"<th>{escape(word)}</th>" for word in head)
    lines = ("".join(f"<td>{escape(str(value))}</td>" for value in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><tr>{cells}</tr>{body}</table>"


def _text(caption: str, path: Path) -> str:
    words = escape(path.read_text(encoding="utf-8").strip())
    return f"<figure><pre>{words}</pre><figcaption>{escape(caption)}</figcaption></figure>"


def _figure(caption: str, png: bytes, *, plot: bool = False) -> str:
    data = base64.b64encode(png).decode()
    style = " class='plot'" if plot else ""
    return (
        f"<figure><img{style} src='data:image/png;base64,{data}' alt='{escape(caption)}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
