"""What this processor makes of the golden streams of tests/golden: a hash of each, as JSON.

    python golden_streams.py GOLDEN SHIPPED

It needs numpy, onnxruntime and dimaging_edge, so it also runs on an emulated processor.
"""

import base64
import hashlib
import json
import platform
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from dimaging_edge import lossless
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.common.random import bits, uniform
from dimaging_edge.generate.density import sample
from dimaging_edge.lossless import text
from dimaging_edge.lossless.bundle_predictor import BundlePredictor
from dimaging_edge.photo import tile_codec
from dimaging_edge.photo.bundle_model import BundleModel, open_model
from dimaging_edge.photo.codec import decompress
from dimaging_edge.photo.container import RUNGS
from dimaging_edge.photo.exact import decode_pixels
from dimaging_edge.photo.reading import read_container
from dimaging_edge.photo.symbol_model import widest
from dimaging_edge.photo.symbols import scale_tables
from dimaging_edge.photo.tiles import tiles

Answer = dict[str, Any]
"""Name of a stream -> {"hash": SHA-256 of what it decodes to, "golden": the one that is stored, or "", ...}."""


def answers(golden: Path, shipped: Path) -> dict[str, Answer]:
    """Decode everything."""
    found: dict[str, Answer] = {}
    for path in sorted(golden.glob("shipped-*.json")):
        name = path.stem.removeprefix("shipped-")
        model = open_model(shipped / name, "cpu", 1)
        for case, stored in _read(path)["files"].items():
            found[f"photo, {name}, {case}"] = _photo(model, stored)
    for number, one in enumerate(_read(golden / "exact-v1.json")["tiles"]):
        kind = np.dtype(one["dtype"])
        image = decode_pixels(
            base64.b64decode(one["data"]), tuple(one["shape"]), kind, one["bound"]
        )
        found[f"exact pixels, tile {number}"] = _answer(image.tobytes(), one["sha256"])
    found |= _images(golden / "older")
    stored = _read(golden / "text-v1.json")
    bundle = open_bundle(golden / "older" / "char_lm-integer", "cpu", 1)
    wanted = hashlib.sha256(stored["text"].encode()).hexdigest()
    for lanes, stream in stored["streams"].items():
        again = text.unpack(bundle, bytes.fromhex(stream))
        found[f"text, {lanes} lanes"] = _answer(again.encode(), wanted)
    for seed in (0, 7, 2**40 + 3):
        values = bits(seed, 100_000, 5).tobytes() + uniform(seed, (100_000,), 5).tobytes()
        found[f"integer generator, seed {seed}"] = _answer(values)
    return found


def latents(model: BundleModel, data: bytes) -> list[list[str]]:
    """Return the SHA-256 of z (int8) and y (int16, in eighths; little-endian) of each tile."""
    found, sums = read_container(data), []
    header = found.header
    for part in tiles(header.height, header.width, header.tile, 0):
        size = (part.bottom - part.top) // 8, (part.right - part.left) // 8
        rungs = [found.rungs[r][part.number] for r in range(len(RUNGS))]
        entry, scale = found.entries[part.number], scale_tables(model.counts, widest(model))
        one = tile_codec.decode_tile(model, scale, entry, rungs, header.quality, size)
        if one.fault:
            raise ValueError(f"a golden stream is damaged: {one.fault}")
        parts = one.z.tobytes(), one.y.astype("<i2").tobytes()
        sums.append([hashlib.sha256(x).hexdigest() for x in parts])
    return sums


def pattern(height: int, width: int, channels: int, depth: int) -> np.ndarray:
    """Return waves, edges and specks [height, width, channels]; without a generator that might change."""
    y, x, c = np.ogrid[:height, :width, :channels]
    value = np.abs((x * (3 + c) + y * (5 - c)) % 256 - 128) + (x * x + 7 * y * y + c) % 13
    value = np.where((x // 20 + y // 16) % 3 == 0, 190 - 30 * c, value)
    value = np.where((x * x + 7 * y + c) % 131 == 0, 255, value)
    return (value << (depth - 8)).astype(f"u{depth // 8}")


def _photo(model: BundleModel, stored: dict[str, Any]) -> Answer:
    """The latents of every tile; and the largest difference of a pixel to those that are stored."""
    data = bytes.fromhex(stored["file"])
    sums = latents(model, data)
    image = decompress(model, data)[0].image
    pixels = np.frombuffer(zlib.decompress(bytes.fromhex(stored["pixels"])), image.dtype)
    apart = int(np.abs(pixels.astype(int) - image.ravel()).max())
    golden = hashlib.sha256(json.dumps(stored["latents_sha256"]).encode()).hexdigest()
    return {**_answer(json.dumps(sums).encode(), golden), "pixels": apart}


def _images(older: Path) -> dict[str, Answer]:
    """Images that a PixelCNN packed, and some that it draws."""
    bundle = open_bundle(older / "pixelcnn-integer", "cpu", 1)
    stream, model_id = (older / "digits.dpix").read_bytes(), bundle.manifest.model_id
    symbols = lossless.unpack(BundlePredictor(bundle), stream, model_id)
    return {
        "packed images": _answer(symbols.tobytes()),
        "images drawn by a PixelCNN": _answer(sample(bundle, 16, 4).tobytes()),
    }


def _answer(data: bytes, golden: str = "") -> Answer:
    return {"hash": hashlib.sha256(data).hexdigest(), "golden": golden}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    told = {"machine": platform.machine(), "answers": answers(Path(sys.argv[1]), Path(sys.argv[2]))}
    print(json.dumps(told))
