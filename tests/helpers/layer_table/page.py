"""Writes docs/layers.md from the rows of the table: `PYTHONPATH=.:export:edge:tests python -m helpers.layer_table.page`."""

from pathlib import Path

from helpers.layer_table import attention, graphs, image_blocks, preparation, sequences
from helpers.layer_table.row import EMITTED, MIXED, REFUSED, Row

PAGE = Path(__file__).parents[3] / "docs" / "layers.md"
KINDS = {
    "Networks for images": image_blocks.ROWS,
    "Attention": attention.ROWS,
    "Sequences": sequences.ROWS,
    "Preparation of data inside the model": preparation.ROWS,
    "Graphs, functions and odd models": graphs.ROWS,
}
"""Heading -> rows."""
HEAD = """# Which layers of Keras are exported, and how

`export` takes any functional Keras model or built Sequential. Every layer goes by one of three roads:

* **emitted**: a function in `export/dimaging_export/emit` writes it, channels first, in the fewest nodes;
* **mixed**: the layers that are named have none, so tf2onnx converts each of them alone into the same file;
  all others keep their emitter, and what follows (int8, folded normalisations, layouts) works for them;
* **refused**: nothing is written, and the error says which layer it is and what to do.

Each line below is a test. It converts the model, runs the file in plain onnxruntime at batch 1, 2 and 5, and
compares every output with Keras: 1e-5 of its largest value at most. A model of yours is proven the same way when
it is exported, so a layer that is not listed either works or is refused; it is never silently wrong.
"""


def page() -> str:
    """Return the text of docs/layers.md."""
    everything = [row for rows in KINDS.values() for row in rows]
    counts = {
        road: sum(row.taken == road for row in everything) for road in (EMITTED, MIXED, REFUSED)
    }
    said = ", ".join(f"{count} {road}" for road, count in counts.items())
    parts = [HEAD, f"Of {len(everything)} models: {said}.\n"]
    for title, rows in KINDS.items():
        parts.append(f"## {title}\n\n| model | road |\n| --- | --- |\n" + "".join(map(_line, rows)))
    return "\n".join(parts)


def _line(row: Row) -> str:
    road = row.taken
    if road == MIXED:
        road += ": " + ", ".join(f"`{name}`" for name in dict.fromkeys(row.words.split()))
    return f"| {row.name} | {road} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
