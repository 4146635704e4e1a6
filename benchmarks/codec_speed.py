"""The codec on one core with the weights that come along: its entropy coder, bytes over the ideal, seconds.

    python benchmarks/codec_speed.py --data DIR           DIR holds photos/ (default: DIMAGING_DATA)

Pictures are the middle 768 x 512 of the photographs that no training saw; every file is one tile. The coder is
measured inside compress and decompress, on the symbols that these photographs have; symbols of scale index 0
are not coded and do not count. The ideal is the sum of -log2 of the frequencies of what was coded; real bytes
are the whole file. Times are processor time of one thread, medians over interleaved rounds.

Of a decompression at quality 20 the share of each part is told, of the fastest of some rounds, and how much longer it
takes than AVIF's (Pillow, speed 6, one thread) for a file of equal PSNR. Halos: the pixels that the synthesis network
computes for 12 megapixels, over those of the picture.
"""

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from dimaging_edge.photo import codec, symbols
from dimaging_edge.photo.bundle_model import SHIPPED, open_model
from dimaging_edge.photo.picture import read_picture
from dimaging_edge.photo.symbol_model import Photo
from parts import figures
from parts.codec_parts import avif_decode, parts
from parts.photographs import HEIGHT, WIDTH, middle

QUALITIES = (5, 20, 35, 50)
SHARED = 20
"""The quality at which the parts of a decompression are told."""


class Meter:
    """What the entropy coder of a call was given, and how long it took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.symbols = 0
        self.bits = 0.0

    @contextmanager
    def watching(self):
        """Time `symbols.encode` and the reading of rungs while this lasts."""
        kept = symbols.encode, dict(vars(symbols.RungReader))
        encode = self._timed(symbols.encode)

        def counted(scale: symbols.ScaleTables, rungs: Any) -> Any:
            pieces = [
                piece for rung in rungs for piece in ([rung] if isinstance(rung, tuple) else rung)
            ]
            self.symbols = sum(int((index > 0).sum()) for index, _ in pieces)
            self.bits = sum(scale.bits(*piece) for piece in pieces)
            return encode(scale, rungs)

        symbols.encode = counted
        for name in ("begin", "piece", "end", "finish"):
            setattr(symbols.RungReader, name, self._timed(kept[1][name]))
        try:
            yield self
        finally:
            symbols.encode = kept[0]
            for name in ("begin", "piece", "end", "finish"):
                setattr(symbols.RungReader, name, kept[1][name])

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            started = time.process_time()
            try:
                return call(*args)
            finally:
                self.seconds += time.process_time() - started

        return timed


def main() -> int:
    """All photographs at some qualities."""
    p = figures.parser("codec_speed", __doc__, "photographs", "photos")
    p.add_argument("--model", default="unet_codec", help="bundle, or the name of a shipped one")
    p.add_argument("--rounds", type=int, default=3)
    args = p.parse_args()

    from dimaging_tf.data.wallpapers import HELD_BACK

    images = {path.stem: middle(read_picture(path).image) for path in sorted(args.data.iterdir()) if path.stem in HELD_BACK}  # fmt: skip
    images = dict(list(images.items())[: 1 if args.quick else None])
    path = SHIPPED / args.model if (SHIPPED / args.model).is_dir() else Path(args.model)
    model = open_model(path, threads=1)
    rows = [
        row(model, name, image, quality, 1 if args.quick else args.rounds)
        for name, image in images.items()
        for quality in QUALITIES
    ]
    out = figures.Figures("codec_speed", args.quick, args.json)
    out.facts |= {"model_id": model.model_id.hex(), "rows": rows}
    for way in ("encode", "decode"):
        for quality in QUALITIES:
            some = [r for r in rows if r["quality"] == quality]
            out.add(f"entropy coder, {way}, quality {quality}", rate(some, way), "", "M symbols/s")
        out.add(f"entropy coder, {way}, all files", rate(rows, way), ">= 4", "M symbols/s")
    for quality in QUALITIES:
        some = [r["bytes"] / r["ideal"] - 1 for r in rows if r["quality"] == quality]
        out.add(
            f"real bytes over ideal, quality {quality}, median",
            100 * statistics.median(some),
            "",
            "%",
        )
    worst = max(r["bytes"] - 1.01 * r["ideal"] for r in rows)
    out.add("real bytes over 1.01 times the ideal, the worst file", worst, "<= 120", "bytes")
    for way in ("compress", "decompress"):
        for quality in QUALITIES:
            some = [r[f"{way}_s"] for r in rows if r["quality"] == quality]
            out.add(
                f"{way} {WIDTH} x {HEIGHT}, quality {quality}", statistics.median(some), "", "s"
            )
    shares(out, model, images, 1 if args.quick else args.rounds)
    return out.finish()


def shares(out: figures.Figures, model: Any, images: dict[str, np.ndarray], rounds: int) -> None:
    """Parts of a decompression, AVIF's time beside it, and what halos cost."""
    from dimaging_edge.photo.codec import TILE, decompress
    from dimaging_edge.photo.search import psnr
    from dimaging_edge.photo.tiles import blocks, tiles
    from PIL import features

    found, ratios = [], []
    for image in images.values():
        data = codec.compress(model, Photo(image), SHARED)
        found.append(parts(model, data, rounds))
        if features.check("avif"):
            wanted = psnr(decompress(model, data)[0].image, image)
            ratios.append(found[-1]["whole"] / avif_decode(image, wanted, 2 * rounds)[0])
    said = f"decompress {WIDTH} x {HEIGHT}, quality {SHARED}"
    for part in ("whole", *(key for key in found[0] if key != "whole")):
        out.add(f"{said}: {part}", 1000 * statistics.median(x[part] for x in found), "", "ms")
    if ratios:
        out.add(f"{said}: over AVIF's time at equal PSNR", statistics.median(ratios), "<= 5", "x")
    grid = tiles(3000, 4000, TILE, model.halo)
    windows = [b.window for line in blocks(grid, -(-4000 // TILE), codec.AT_ONCE) for b, _ in line]
    seen = sum((bottom - top) * (right - left) for top, bottom, left, right in windows)
    core = sum((x.bottom - x.top) * (x.right - x.left) for x in grid)
    out.add("12 megapixels: pixels of halos", 100 * (seen / core - 1), "<= 10", "%")


def row(model: Any, name: str, image: np.ndarray, quality: int, rounds: int) -> dict[str, Any]:
    """One file there and back."""
    seconds: dict[str, list[float]] = {
        key: [] for key in ("compress", "encode", "decompress", "decode")
    }
    data, meter = codec.compress(model, Photo(image), quality), Meter()
    calls: dict[str, Callable[[], Any]] = {
        "compress": lambda: codec.compress(model, Photo(image), quality),
        "decompress": lambda: codec.decompress(model, data),
    }
    for again in range(rounds + 1):  # the first is not counted
        for (way, call), inner in zip(calls.items(), ("encode", "decode"), strict=True):
            with Meter().watching() as now:
                started = time.process_time()
                call()
                whole = time.process_time() - started
            if way == "compress":
                meter = now
            if again:
                seconds[way].append(whole)
                seconds[inner].append(now.seconds)
    found = {f"{key}_s": statistics.median(x) for key, x in seconds.items()}
    return {"photograph": name, "quality": quality, "bytes": len(data), "ideal": meter.bits / 8,
            "symbols": meter.symbols, **found}  # fmt: skip


def rate(rows: list[dict[str, Any]], way: str) -> float:
    """Millions of symbols a second."""
    return sum(r["symbols"] for r in rows) / sum(r[f"{way}_s"] for r in rows) / 1e6


if __name__ == "__main__":
    sys.exit(main())
