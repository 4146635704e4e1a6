"""Squares of 512 x 512 pixels that benchmarks/codec_gpu.py learns from and chooses by.

    python benchmarks/parts/codec_tiles.py --data DIR --out TILES      DIR holds photos/, photos_textured/

TILES/train and TILES/valid get lossless WebP files and TILES/credits.json what was used: file, author and
licence of the textured crops, the wallpapers' sources. One in EVERY of the textured crops is for validation
alone; the wallpapers that `dimaging train` holds back are left out. No file called bsds_* is ever read:
those pictures judge (benchmarks/codec_textured.py). Wallpapers are scaled (Lanczos) so that their shorter side is 512, which makes them
sharper, and cut into as few squares as cover them.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

SIDE = 512
"""Side of a tile, pixels."""
EVERY = 19
"""Every so many textured crops, in the order of their names, one is for validation."""


def main() -> int:
    """Write the tiles."""
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--data", type=Path, required=True, help="folder of photos/, photos_textured/")
    p.add_argument("--out", type=Path, required=True, help="folder for train/ and valid/")
    p.add_argument("--most", type=float, default=float("inf"), help="MB of train/ at most")
    args = p.parse_args()
    from PIL import Image

    from dimaging_tf.data.wallpapers import HELD_BACK, LICENCES

    for part in ("train", "valid"):
        (args.out / part).mkdir(parents=True, exist_ok=True)
    with (args.data / "photos_textured" / "CREDITS.csv").open(encoding="utf-8") as file:
        credits = list(csv.DictReader(file))
    total, written = 0, {"train": [], "valid": []}
    for index, row in enumerate(sorted(credits, key=lambda row: row["file"])):
        part = "valid" if index % EVERY == EVERY // 2 else "train"
        source = args.data / "photos_textured" / row["file"]
        (args.out / part / row["file"]).write_bytes(source.read_bytes())
        written[part].append(row["file"])
        total += source.stat().st_size if part == "train" else 0
    papers = sorted(f for f in (args.data / "photos").iterdir() if f.name.split("_")[0] in LICENCES)
    used = []
    for path in papers:
        if path.stem in HELD_BACK or total > 1e6 * args.most:
            continue
        with Image.open(path) as picture:
            small = _covering(picture.convert("RGB"))
        for number, square in enumerate(_squares(small)):
            file = args.out / "train" / f"{path.stem}_{number}.webp"
            square.save(file, lossless=True, method=4)
            total += file.stat().st_size
        used.append(path.name)
    facts = {
        "textured": [row for row in credits if row["file"] in written["train"]],
        "held": written["valid"],
        "wallpapers": {"files": used, "licences": LICENCES},
    }
    (args.out / "credits.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False))
    print(f"{total / 1e6:.1f} MB in {args.out / 'train'}, {len(written['valid'])} tiles held")
    return 0


def _covering(picture):
    """The picture, its shorter side SIDE pixels."""
    scale = SIDE / min(picture.size)
    size = [max(SIDE, round(side * scale)) for side in picture.size]
    return picture.resize(size, resample=1)  # Lanczos


def _squares(picture):
    """As few squares as cover a picture whose shorter side is SIDE."""
    width, height = picture.size
    count = -(-max(width, height) // SIDE)
    for k in range(count):
        shift = round(k * (max(width, height) - SIDE) / max(1, count - 1))
        x, y = (shift, 0) if width >= height else (0, shift)
        yield picture.crop((x, y, x + SIDE, y + SIDE))


if __name__ == "__main__":
    sys.exit(main())
