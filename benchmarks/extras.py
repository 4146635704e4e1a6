"""What each extra of the package brings: packages and megabytes, in virtual environments made for it.

    python benchmarks/extras.py            minutes, and a network; needs uv (pip install uv)
    python benchmarks/extras.py --page     writes the table of docs/reference/extras.md from the last result

A megabyte is 10^6 bytes of installed files, without what Python compiles from them. dimaging itself is not
counted. What is used beside other extras is measured as what it adds to them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from parts import figures

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "extras.md"
FIRST = "train,export,cpu"
"""The extras that every training needs."""


class Row(NamedTuple):
    """An extra, those that it is added to, and what it is for."""

    extras: str
    over: str
    purpose: str


ROWS = (
    Row("cpu", "", "run bundles: `dimaging-edge`, `dimaging_edge`"),
    Row("gpu", "", "the same on an NVIDIA GPU, in place of `cpu`"),
    Row("openvino", "", "the same with OpenVINO, in place of `cpu`"),
    Row("images", "cpu", "pictures on a device: `[cpu,images]` compresses a photograph"),
    Row("train", "", "models, data, `dimaging train`"),
    Row("export", "train", "Keras to ONNX: `dimaging export`, with `cpu` for the proof"),
    Row(FIRST, "", "all of that"),
    Row("augment", FIRST, "turns, zooms and holes of images: `--augment microscopy`, `cutout`"),
    Row("avatars", FIRST, "drawn faces: `--data avatars`, glasses in the demo"),
    Row("imagenet", FIRST, "weights of EfficientNet-Lite0: a cat that becomes an iguana"),
    Row("logs", FIRST, "`keras.callbacks.TensorBoard`, `keras.utils.plot_model`"),
    Row("app", "cpu", "the page's address as a QR code in the terminal"),
    Row("tflite", FIRST, "`dimaging export --tflite`, proven"),
    Row("docs", FIRST, "this site: `mkdocs serve`, and notebooks"),
    Row("dev", "", "everything that the tests need"),
    Row("benchmarks", "dev", "the rivals of `benchmarks/`"),
)


def main() -> int:
    """Measure every row, or write the page."""
    p = figures.parser("extras", __doc__)
    p.add_argument("--page", action="store_true", help="write the page from the last result")
    args = p.parse_args()
    if args.page:
        record = json.loads((figures.RESULTS / "extras.json").read_text(encoding="utf-8"))
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")
        return 0
    out = figures.Figures("extras", args.quick, args.json)
    with tempfile.TemporaryDirectory(prefix="dimaging-extras-") as folder:
        known: dict[str, tuple[int, float]] = {"": (0, 0.0)}
        for row in ROWS[:1] if args.quick else ROWS:
            whole = ",".join(filter(None, (row.over, row.extras)))
            for extras in (row.over, whole):
                if extras not in known:
                    known[extras] = measure(extras, Path(folder))
            (count, size), (count0, size0) = known[whole], known[row.over]
            name = f"[{row.extras}]" + f" over [{row.over}]" * bool(row.over)
            out.add(f"{name}: packages", count - count0)
            out.add(f"{name}: installed", size - size0, "", "MB")
    return out.finish()


def measure(extras: str, folder: Path) -> tuple[int, float]:
    """Return the packages, and the megabytes of their files, that dimaging[extras] brings."""
    uv = shutil.which("uv") or sys.exit("this needs uv: pip install uv")
    place = folder / "env"
    subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, place], check=True)
    env = {**os.environ, "VIRTUAL_ENV": str(place)}
    project = folder / "project"  # metadata alone, so that nothing is built
    project.mkdir(exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", project)
    words = [w for one in extras.split(",") for w in ("--extra", one)]
    compiled = subprocess.run(
        [uv, "pip", "compile", "-q", "--no-header", "--no-annotate", project / "pyproject.toml", *words],
        env=env, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    wanted = folder / "wanted.txt"
    wanted.write_text(compiled, encoding="utf-8")
    subprocess.run([uv, "pip", "install", "-q", "--no-deps", "-r", wanted], env=env, check=True)
    (site,) = place.glob("lib/python3*/site-packages")
    files = [f for f in site.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    ours = [f for f in files if f.name not in ("_virtualenv.py", "_virtualenv.pth", ".lock")]
    size = sum(f.stat().st_size for f in ours) / 1e6
    shutil.rmtree(place)
    return len(compiled.split()), size


def with_table(page: str, record: dict[str, Any]) -> str:
    """Return the page with the table between its two marks."""
    head, _, rest = page.partition("<!-- extras -->\n")
    _, mark, tail = rest.partition("<!-- end -->")
    return f"{head}<!-- extras -->\n{table(record)}{mark}{tail}"


def table(record: dict[str, Any]) -> str:
    """Return the rows as Markdown."""
    value = {row["figure"]: row["value"] for row in record["rows"]}
    lines = ["| extra | for | packages | MB |", "|---|---|--:|--:|"]
    for row in ROWS:
        name = f"[{row.extras}]" + f" over [{row.over}]" * bool(row.over)
        shown = f"`{row.extras}`" + f", beside `{row.over}`" * bool(row.over)
        count, size = value[f"{name}: packages"], value[f"{name}: installed"]
        lines.append(f"| {shown} | {row.purpose} | {count:.0f} | {size:.0f} |")
    env = record["environment"]
    lines.append(f"\n`python benchmarks/extras.py`, {env['date']}, Python {env['python']}.\n")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
