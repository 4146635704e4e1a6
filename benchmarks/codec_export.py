"""Put the codec that a GPU trained into the wheel, and leave the one before it what reading its files takes.

    python benchmarks/parts/codec_tiles.py --data DIR --out TILES        prepares the pictures
    python benchmarks/codec_export.py --tiles TILES                      writes dimaging_edge/shipped/unet_codec
    python benchmarks/codec_export.py --retire BUNDLE                    takes the encoder out of a bundle

The weights are those of benchmarks/weights, trained by benchmarks/codec_gpu.py. The tables of the entropy coder
are counted on tiles that the weights learned from, and the bundle is proven on those that only validated. A
bundle without its encoder keeps its id: it reads every file that it ever wrote and writes none, in two thirds of
the bytes. Its graphs and tables stay as they are, and so do their seals.
"""

import argparse
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = Path(__file__).parent / "weights" / "unet_codec_textured.keras"
EXAMPLE = "gb82_dog_lossless.webp"
"""The held tile of which the bundle's example is a part: CC0."""


def main() -> int:
    """Export, or retire."""
    from dimaging_edge.photo.bundle_model import SHIPPED

    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--tiles", type=Path, help="folder that codec_tiles.py wrote")
    p.add_argument("--out", type=Path, default=SHIPPED / "unet_codec", help="the bundle")
    p.add_argument("--retire", type=Path, metavar="BUNDLE", help="bundle that loses its encoder")
    args = p.parse_args()
    if (args.tiles is None) == (args.retire is None):
        p.error("expected either --tiles or --retire")
    if args.retire:
        retire(args.retire)
        return 0
    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_export import export

    export(WEIGHTS, args.out, data=tiles(args.tiles), force=True)
    record = json.loads(WEIGHTS.with_suffix(".json").read_text())
    complete_card(args.out / "CARD.md", record)
    state_licence(args.out, record["licences"].replace("(below)", "(CARD.md)"))
    return 0


def tiles(folder: Path) -> Any:
    """What the weights learned from and what only validated, as a data set."""
    from PIL import Image

    from dimaging_tf.data.dataset import Dataset, Split

    def read(part: str) -> dict[str, np.ndarray]:
        found = {}
        for path in sorted((folder / part).glob("*.webp")):
            with Image.open(path) as picture:
                found[path.name] = np.asarray(picture.convert("RGB"))
        return found

    held = read("valid")
    first = held.pop(EXAMPLE)
    order = np.random.default_rng(0).permutation(len(held) + 1)  # as the export draws
    valid = np.insert(np.stack(list(held.values())), order[0], first, axis=0)
    record = json.loads(WEIGHTS.with_suffix(".json").read_text())
    name = "textured photographs and wallpapers"
    return Dataset(
        name, Split(np.stack(list(read("train").values()))), Split(valid), record["licences"],
        "CARD.md", name,
    )  # fmt: skip


def complete_card(card: Path, record: dict[str, Any]) -> None:
    """Say in a bundle's card what its weights learned from and how, in place of what the export knew."""
    learned = (
        f"{len(record['textured'])} squares of 512 x 512 pixels of textured photographs and "
        f"{len(record['wallpapers']['files'])} wallpapers; beside them {len(record['held'])} squares validated.\n\n"
        + "\n".join(credits(record["textured"]))
        + "\n\nThe wallpapers, whose authors docs/photographs.md names one by one: "
        + "; ".join(f"{k}_*: {v}" for k, v in record["wallpapers"]["licences"].items())
        + f".\n\n{', '.join(record['wallpapers']['files'])}"
    )
    training = record["training"]
    again = (
        f"    python {training['command']}\n\n"
        f"on {training['device']}: {training['steps']:,} steps in {training['minutes']} minutes."
    )
    made = "    python benchmarks/parts/codec_tiles.py --data DIR --out TILES\n"
    made += "    python benchmarks/codec_export.py --tiles TILES"
    parts = card.read_text(encoding="utf-8").split("\n## ")
    last = parts.pop().split("\n\n")  # Make it again: its second paragraph is the command
    last[1] = made
    parts += [f"Learned from\n\n{learned}\n", f"Train it again\n\n{again}\n", "\n\n".join(last)]
    card.write_text("\n## ".join(parts), encoding="utf-8")


def state_licence(folder: Path, licences: str) -> None:
    """Say in bundle.json and in the card what the export of bare weights does not know: whose pictures taught them."""
    words = f"weights learned from textured photographs and wallpapers: {licences}"
    manifest, card = folder / "bundle.json", folder / "CARD.md"
    record = json.loads(manifest.read_text(encoding="utf-8"))
    text = card.read_text(encoding="utf-8")
    card.write_text(
        text.replace(f"* Licence: {record['licence']}", f"* Licence: {words}"), encoding="utf-8"
    )
    record["licence"] = words
    manifest.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def credits(photographs: Iterable[dict[str, str]]) -> list[str]:
    """A table of where photographs are from, under which licence and by whom."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for one in photographs:
        place, _, file = one["source"].partition(" ")
        name = file.partition(" @")[0].rsplit("/", 1)[-1]
        files = rows.setdefault((place.rstrip(","), one["licence"], one["author"]), [])
        files += [name] if name not in files else []  # of some, two squares
    table = ["| from | licence | author | files |", "|---|---|---|---|"]
    return table + [f"| {' | '.join(key)} | {', '.join(rows[key])} |" for key in sorted(rows)]


def retire(folder: Path) -> None:
    """Take the encoder out of a bundle: its file, its entries in bundle.json and its examples."""
    from dimaging_edge.bundle.identity import EXAMPLES
    from dimaging_edge.bundle.open import open_bundle
    from dimaging_export.bundle.write import file_entry

    path = folder / "bundle.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    gone = record["graphs"].pop("encoder")
    record["files"].pop(gone["file"])
    with np.load(folder / EXAMPLES) as stored:
        kept = {name: stored[name] for name in stored.files if not name.startswith("encoder")}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **kept)
    (folder / EXAMPLES).write_bytes(buffer.getvalue())
    entry = file_entry(folder / EXAMPLES)
    record["files"][EXAMPLES] = {"sha256": entry.sha256, "bytes": entry.bytes}
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / gone["file"]).unlink()
    card = folder / "CARD.md"
    words = "It reads the files that it wrote while it was shipped, and writes none: its encoder is gone."
    title, rest = card.read_text(encoding="utf-8").split("\n\n", 1)
    card.write_text(f"{title}\n\n{words}\n\n{rest}", encoding="utf-8")
    open_bundle(folder)


if __name__ == "__main__":
    sys.exit(main())
