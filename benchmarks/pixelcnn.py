"""PixelCNN on binarised MNIST: nats, what the integer variant costs, and bytes a digit without loss.

    python benchmarks/pixelcnn.py --data DIR      DIR holds binarized_mnist.npz (or set DIMAGING_DATA)

Fixed binarisation, shuffled for training, the whole valid split, all cores. The bytes are those of the
file that `dimaging-edge pack` writes, against PNG, WebP and JPEG XL of the same digits, one file each
(the median length) and all of them on one sheet, which favours those three.
"""

import io
import math
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.binarized import nats, train, valid_images


def main() -> int:
    """Train twice, export, pack, unpack, judge."""
    p = figures.parser("pixelcnn", __doc__, "binarized_mnist.npz")
    p.add_argument("--minutes", type=float, default=20.0, help="of the long training")
    p.add_argument("--run", type=Path, help="where to keep the long run (default: nowhere)")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    out = figures.Figures("pixelcnn", args.quick, args.json)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        short = train(scratch / "short", 0.3 if args.quick else 2.0, args.data)
        valid = valid_images(args.data)[: 200 if args.quick else None]
        out.add("after 2 minutes, whole valid split", nats(short, valid), "<= 94", "nats")
        run = args.run or scratch / "long"
        minutes = 0.05 if args.quick else args.minutes
        model = short if args.quick else train(run, minutes, args.data)
        long = nats(model, valid)
        out.add(f"after {args.minutes:g} minutes, whole valid split", long, "<= 89", "nats")
        lossless(out, scratch, model, valid, long)
    return out.finish()


def lossless(out: Any, scratch: Path, model: Any, image: np.ndarray, float_nats: float) -> None:
    """The integer variant: its cost, its files, its rivals."""
    from dimaging_edge import open_bundle
    from dimaging_edge.lossless import pack, unpack
    from dimaging_edge.lossless.bundle_predictor import BundlePredictor
    from dimaging_export import export

    bundle = open_bundle(export(model, scratch / "integer", precision="integer", data=image[:1000]))
    predictor = BundlePredictor(bundle)
    symbols = image[..., 0].astype(np.uint8)
    weights = [
        predictor.parallel(x) for x in np.array_split(symbols, math.ceil(len(symbols) / 500))
    ]
    chosen = [np.take_along_axis(w, x[..., None].astype(int), -1)[..., 0] / w.sum(-1)
              for w, x in zip(weights, np.array_split(symbols, len(weights)), strict=True)]  # fmt: skip
    integer = -float(np.mean(np.log(np.concatenate(chosen)).sum((1, 2))))
    out.add("what the integer variant costs", integer - float_nats, "<= 0.1", "nats")
    start = time.perf_counter()
    stream = pack(predictor, symbols, bundle.manifest.model_id)
    packed = time.perf_counter()
    again = unpack(predictor, stream, bundle.manifest.model_id)
    unpacked = time.perf_counter()
    out.add("bytes a digit, everything included", len(stream) / len(symbols), "<= 18", "bytes")
    out.add("digits that come back otherwise", float((again != symbols).any((1, 2)).sum()), "<= 0")
    out.add("packing", len(symbols) / (packed - start), "", "digits/s")
    out.add("unpacking", len(symbols) / (unpacked - packed), "", "digits/s")
    side = math.isqrt(len(symbols))
    sheet = symbols[: side * side].reshape(side, side, 28, 28).swapaxes(1, 2).reshape(side * 28, -1)
    for name, options in RIVALS.items():
        sizes = [size(x, options) for x in symbols[:300]]
        out.add(f"{name}, one file each", float(np.median(sizes)), "", "bytes")
        out.add(f"{name}, one sheet", size(sheet, options) / side**2, "", "bytes")


RIVALS: dict[str, dict[str, Any]] = {
    "PNG, 1 bit": {"format": "png", "optimize": True, "mode": "1"},
    "WebP lossless": {
        "format": "webp",
        "lossless": True,
        "quality": 100,
        "method": 6,
        "mode": "RGB",
    },
    "JPEG XL lossless": {"format": "jxl", "lossless": True, "effort": 9, "mode": "L"},
}


def size(symbols: np.ndarray, options: dict[str, Any]) -> int:
    """Bytes of a black and white picture."""
    from PIL import Image

    import_module("pillow_jxl")  # registers JPEG XL
    options = dict(options)
    picture = Image.fromarray(symbols * np.uint8(255)).convert(options.pop("mode"))
    file = io.BytesIO()
    picture.save(file, **options)
    return file.tell()


if __name__ == "__main__":
    sys.exit(main())
