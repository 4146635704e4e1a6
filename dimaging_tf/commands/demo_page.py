"""The page of `dimaging demo`, told as a story: what there is to see, a section a system, and what it costs.

Each section says what the system does, by which command it can be made again, what to look at, and how its
training went. One table compares the precisions at the end, and a sentence says which of them wins.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dimaging_edge.common.files import read_json_lines, write_text

from dimaging_tf.commands.demo_story import ALTS, STORY, Section
from dimaging_tf.commands.page import curves, document, picture, quotation, table
from dimaging_tf.commands.report import sections

Figure = tuple[str, Path]
"""A caption, and a picture file or a text file."""


MAIN = {
    "denoiser": "denoiser", "pixelcnn": "sampler_rows", "dcgan": "generator", "vae": "decoder",
    "vae_faces": "decoder", "captioning": "captioner", "frame_selection": "classifier", "char_lm": "writer",
}  # fmt: skip
"""Model -> the graph that the table of precisions shows: the one a person waits for."""
NEXT = """dimaging train denoiser --data my_photos/ --minutes 20 --out runs/mine
dimaging export runs/mine --precision int8 --out bundle/mine
dimaging-edge run bundle/mine denoiser --input noisy=photo.png --out restored"""


def write_demo_page(
    out: Path,
    figures: Mapping[str, Sequence[Figure]],
    recipes: Mapping[str, Mapping[str, Any]],
    seconds: float,
) -> Path:
    """Write out/report.html about the runs and bundles of `out`, and return it.

    figures    system -> its pictures and texts
    recipes    model -> the arguments of `runs.default_settings` that it was trained by
    seconds    what all of it took
    """
    shown = [name for name in STORY if name in figures]
    shown += [name for name in figures if name not in STORY]
    bundles = sorted(path.parent for path in (out / "bundle").glob("*/bundle.json"))
    parts = [_opening(shown, seconds)]
    parts += [_section(name, figures[name], out, recipes.get(name)) for name in shown]
    parts.append(_precisions(bundles))
    parts.append(f"<h2 id='next'>Next: your own data</h2><pre>{escape(NEXT)}</pre>")
    parts.append(
        "<p>A folder of photographs, movies, CSV files or a text will do; <code>dimaging files</code> "
        "writes some to "
        "try, <code>dimaging list</code> says which model learns from what.</p>"
    )
    parts += [
        "<details><summary>Every graph of every bundle</summary>",
        *sections(bundles),
        "</details>",
    ]
    write_text(out / "report.html", document("dimaging: what was made in three minutes", parts))
    return out / "report.html"


def _opening(shown: Sequence[str], seconds: float) -> str:
    rows = (
        f"<li><a href='#{name}'>{escape(STORY[name].title)}</a></li>"
        for name in shown
        if name in STORY
    )
    return (
        f"<h1>What was made in {seconds:.0f} seconds</h1>"
        "<p>Small networks were trained on this machine, exported to ONNX, compared with Keras number by "
        "number, and "
        "run in a process that cannot import TensorFlow. Everything below was drawn, written or restored "
        "by the "
        "exported files. Click a picture to enlarge it.</p>"
        f"<ol>{''.join(rows)}</ol><p>Then: <a href='#precisions'>which precision wins</a>, and "
        "<a href='#next'>your own data</a>.</p>"
    )


def _section(
    name: str, figures: Sequence[Figure], out: Path, recipe: Mapping[str, Any] | None
) -> str:
    """Return the HTML of a system: what it is, its command, what to look at, pictures, its training."""
    section = STORY.get(name) or Section(name, "", "", "")
    commands = [command_of(name, recipe)] if recipe is not None else []
    commands += [section.runs.format(b="bundle")] if section.runs else []
    parts = [
        f"<h2 id='{name}'>{escape(section.title)}</h2><p>{escape(section.what)}</p>",
        f"<pre>{escape(chr(10).join(commands))}</pre>" if commands else "",
        f"<p><b>Look:</b> {escape(section.look)}</p>" if section.look else "",
    ]
    for caption, path in figures:
        if path.suffix == ".txt":
            parts.append(quotation(caption, path))
        else:
            kind = {
                "latent": "plot",
                "views": "photo",
                "compressed": "photo",
                "iguana-compare": "photo",
            }
            parts.append(
                picture(
                    caption, path.read_bytes(), ALTS.get(path.stem, ""), kind.get(path.stem, "")
                )
            )
    run = out / "runs" / name
    if (run / "metrics.jsonl").exists():
        epochs = read_json_lines(run / "metrics.jsonl")
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        data, steps = record.get("data", {}).get("name", "—"), epochs[-1]["step"]
        lasted = f"{epochs[-1]['seconds']:.0f} s, {steps} step{'s' if steps != 1 else ''}"
        words = f"Learned from {data} in {lasted}."
        if recipe and recipe.get("init"):
            words = f"Weights that came along learned on from {data} for {lasted}."
        parts.append(f"<p class='facts'>{escape(words)}</p>{curves(name, epochs)}")
    return "\n".join(parts)


def command_of(name: str, recipe: Mapping[str, Any]) -> str:
    """Return the command that trains a model by the recipe, in a process of its own."""
    options = ("epochs", "minutes", "batch", "learning_rate", "augment")
    given = {key: recipe[key] for key in options if recipe.get(key) is not None}
    words = [f"dimaging train {name}"]
    words += [f"--{key.replace('_', '-')} {value}" for key, value in given.items()]
    words += [f"--{key} {value}" for key, value in recipe.get("data_options", {}).items()]
    for key, value in recipe.get("changes", {}).items():
        text = f"{key}={value}".replace(" ", "")
        words.append(f"--set {text}" if re.fullmatch(r"[\w=.:-]+", text) else f'--set "{text}"')
    if recipe.get("init"):
        words.append(f"--init dimaging_tf/commands/weights/{Path(recipe['init']).name}")
    return " ".join([*words, f"--out runs/{name}"])


def _precisions(bundles: Sequence[Path]) -> str:
    """Return the table of all bundles, a row each, and a sentence about what wins."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    rest: dict[tuple[str, str], tuple[str, str]] = {}
    for bundle in bundles:
        manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
        model, precision, q = manifest["model"], manifest["precision"], manifest["quality"]
        file = manifest["graphs"][MAIN[model]]["file"]
        ms = latency(bundle).get(MAIN[model], math.nan)
        found.setdefault(model, {})[precision] = (manifest["files"][file]["bytes"] / 1e6, ms)
        worst = max(p["max_abs"] for g in manifest["graphs"].values() for p in g["parity"].values())
        name = q["name"].partition(":")[0] if q else ""
        quality = f"{name} {q['onnx']:.4g} {q['unit']}".rstrip() if q else "—"
        rest[model, precision] = (quality, f"{worst:.1e}")
    rows = []
    for (model, precision), words in rest.items():
        values, pair = found[model][precision], list(found[model].values())
        cells = []
        for place, value in enumerate(values):
            best = len(pair) > 1 and value == min(other[place] for other in pair)
            cells.append(("*" if best else "") + (f"{value:.3g}" if value == value else "—"))
        rows.append((f"{model}: {MAIN[model]}", precision, *cells, *words))
    head = ("model: graph", "precision", "MB", "ms", "quality", "off Keras by")
    words = verdict({model: pair for model, pair in found.items() if "int8" in pair})
    return (
        "<h2 id='precisions'>Which precision wins</h2>"
        f"<p>{escape(words)}</p>{table(head, rows)}"
        "<p class='facts'>MB: the file of that graph. ms: the median of one call for one example on this "
        "machine. Bold: the smaller of two. The quality of int8 and integer files may fall by no more than "
        "the model allows; otherwise they would not have been written.</p>"
    )


def latency(bundle: Path) -> dict[str, float]:
    """Return graph -> the median of its latency in ms, of the graphs that were timed."""
    file = bundle / "latency.json"
    if not file.exists():
        return {}
    graphs = json.loads(file.read_text(encoding="utf-8"))["graphs"]
    return {graph["graph"]: graph["latency_ms"]["p50"] for graph in graphs}


def verdict(pairs: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Return sentences: of which models int8 is smaller and faster than fp32, from (MB, ms) of both."""
    if not pairs:
        return "No model was exported in two precisions."
    smaller = [p["fp32"][0] / p["int8"][0] for p in pairs.values()]
    speed = {model: p["fp32"][1] / p["int8"][1] for model, p in pairs.items()}
    least, most = min(smaller), max(smaller)
    every = "smaller in every file" if least > 1 else "not smaller in every file"
    words = [f"int8 is {every}, {least:.1f} to {most:.1f} times."]
    fast = [f"{model} ({x:.1f} times)" for model, x in speed.items() if x > 1.05]
    slow = [model for model, x in speed.items() if not x > 1.05]
    if fast:
        words.append(f"It is faster where there is much to multiply: {', '.join(fast)}.")
    if slow:
        words.append(
            f"It is not faster in {', '.join(slow)}: the networks are so small that turning numbers into "
            "int8 "
            "and back costs what the multiplications save."
        )
    return " ".join(words)
