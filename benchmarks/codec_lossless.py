"""Photographs without loss, or within a bound: bytes of whole files against WebP, JPEG XL and PNG without loss.

    python benchmarks/codec_lossless.py --data DIR        DIR holds photos/bsds_* (or set DIMAGING_DATA)

The judge is that of benchmarks/codec_textured.py. Ours is the file of `compress --lossless`, with its preview of
quality 0; "without the preview" leaves that out. Every file is decoded and compared. Seconds are processor time of
one thread, medians over the pictures; decoding exact pixels runs no network.
"""

import io
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from parts import figures
from parts.photographs import textured

BOUNDS = (1, 2, 4)


def main() -> int:
    """Every picture with every codec."""
    p = figures.parser("codec_lossless", __doc__, "photographs", "photos")
    p.add_argument("--pictures", type=int, default=24, help="number of pictures (default: 24)")
    args = p.parse_args()

    from dimaging_edge.photo.bundle_model import find_bundle, open_model
    from dimaging_edge.photo.codec import compress, decompress
    from dimaging_edge.photo.symbol_model import Photo
    from PIL import Image

    images, judge = textured(args.data, 1 if args.quick else args.pictures)
    model = open_model(find_bundle(None), threads=1)

    def pillow(kind: str, **options: Any) -> tuple[Callable, Callable]:
        def encode(image: np.ndarray) -> bytes:
            file = io.BytesIO()
            Image.fromarray(image).save(file, kind, **options)
            return file.getvalue()

        return encode, lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def ours(bound: int) -> tuple[Callable, Callable]:
        return (
            lambda image: compress(model, Photo(image), 0, max_error=bound),
            lambda data: decompress(model, data)[0].image,
        )

    codecs = {
        "ours": ours(0),
        "WebP, method 6, quality 100": pillow("WEBP", lossless=True, method=6, quality=100),
        "PNG, optimised": pillow("PNG", optimize=True),
        **{f"ours, at most {bound} off": ours(bound) for bound in BOUNDS},
    }
    try:
        import_module("pillow_jxl")  # registers the format
    except ImportError:
        print("pillow-jxl-plugin is not installed: no JPEG XL", file=sys.stderr)
    else:
        codecs["JPEG XL, effort 7"] = pillow("JXL", lossless=True, effort=7)
    rows: list[dict[str, Any]] = []
    for name, image in images.items():
        for codec, (encode, decode) in codecs.items():
            started = time.process_time()
            data = encode(image)
            encoded = time.process_time()
            again = decode(data)
            decoded = time.process_time()
            worst = int(np.abs(again.astype(int) - image).max())
            rows.append({
                "picture": name, "codec": codec, "bytes": len(data), "pixels": image[..., 0].size,
                "worst": worst, "encode_s": encoded - started, "decode_s": decoded - encoded,
            })  # fmt: skip
    out = figures.Figures("codec_lossless", args.quick, args.json)
    out.facts |= {
        "photographs": sorted(images),
        "judged by": judge,
        "rows": rows,
    }
    preview = sum(len(compress(model, Photo(image), 0)) for image in images.values())
    bytes_of = {c: sum(r["bytes"] for r in rows if r["codec"] == c) for c in codecs}
    pixels = sum(image[..., 0].size for image in images.values())
    for codec, size in bytes_of.items():
        out.add(f"{codec}", 8 * size / pixels, "", "bits/pixel")
    for codec in codecs:
        if not codec.startswith("ours"):
            goal = "<= 0" if codec.startswith("WebP") else ""
            out.add(f"ours over {codec}", 100 * (bytes_of["ours"] / bytes_of[codec] - 1), goal, "%")
    less = 100 * ((bytes_of["ours"] - preview) / bytes_of["WebP, method 6, quality 100"] - 1)
    out.add("ours without the preview over WebP", less, "", "%")
    sizes = {(r["picture"], r["codec"]): r["bytes"] for r in rows}
    more = sum(sizes[n, "ours"] > sizes[n, "WebP, method 6, quality 100"] for n in images)
    out.add("ours is larger than WebP on", more, "", f"of {len(images)}")
    for codec in codecs:
        worst = max(r["worst"] for r in rows if r["codec"] == codec)
        bound = int(codec.split()[-2]) if codec.endswith("off") else 0
        out.add(f"{codec}: largest error of a pixel", worst, f"<= {bound}", "levels")
        for way in ("encode", "decode"):
            seconds = statistics.median(r[f"{way}_s"] for r in rows if r["codec"] == codec)
            out.add(f"{codec}: {way}", 1000 * seconds, "", "ms")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
