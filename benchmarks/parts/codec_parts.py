"""Where the time of a decompression goes, and how long AVIF takes for a file of equal quality."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from dimaging_edge.entropy import rans
from dimaging_edge.photo import codec, neighbours, reading, tile_codec
from dimaging_edge.photo.bundle_model import BundleModel
from dimaging_edge.photo.search import psnr

PLACES = (
    ("synthesis network", BundleModel, "decode"),
    ("prior network", BundleModel, "prior"),
    ("neighbours", neighbours.Field, "walk"),  # within which the coder runs
    ("entropy coder", rans.Decoder, "read"),
    ("check sums", tile_codec, "crc32c"),
    ("check sums", reading, "crc32c"),
)


@contextmanager
def _watching(spent: dict[str, float]) -> Iterator[None]:
    """Add the processor time of each part to `spent` while this lasts."""
    kept = [getattr(owner, name) for _, owner, name in PLACES]

    def timed(part: str, call: Any) -> Any:
        def one(*args: Any, **options: Any) -> Any:
            started = time.process_time()
            try:
                return call(*args, **options)
            finally:
                spent[part] = spent.get(part, 0.0) + time.process_time() - started

        return one

    for (part, owner, name), call in zip(PLACES, kept, strict=True):
        setattr(owner, name, timed(part, call))
    try:
        yield
    finally:
        for (_, owner, name), call in zip(PLACES, kept, strict=True):
            setattr(owner, name, call)


def parts(model: Any, data: bytes, rounds: int) -> dict[str, float]:
    """Seconds of each part of the fastest of some decompressions, and of the whole; what is left is "other"."""
    best: dict[str, float] = {}
    for _ in range(rounds + 1):
        spent: dict[str, float] = {}
        with _watching(spent):
            started = time.process_time()
            codec.decompress(model, data)
            whole = time.process_time() - started
        if not best or whole < best["whole"]:
            best = {**spent, "whole": whole}
    best["neighbours"] -= best["entropy coder"]
    best["other"] = best["whole"] - sum(v for k, v in best.items() if k != "whole")
    return best


def avif_decode(image: np.ndarray, wanted: float, rounds: int) -> tuple[float, float]:
    """Seconds that AVIF (Pillow, speed 6, one thread) takes to decode a file of at least `wanted` dB, its PSNR."""
    from PIL import Image

    def coded(quality: int) -> tuple[bytes, float]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "AVIF", quality=quality, speed=6, max_threads=1)
        with Image.open(io.BytesIO(file.getvalue())) as picture:
            return file.getvalue(), psnr(np.asarray(picture.convert("RGB")), image)

    low, high = 0, 100
    while high - low > 3:
        middle = (low + high) // 2
        low, high = (low, middle) if coded(middle)[1] >= wanted else (middle, high)
    data, reached = coded(high)
    seconds = []
    for _ in range(rounds + 1):
        started = time.process_time()
        with Image.open(io.BytesIO(data)) as picture:
            np.asarray(picture.convert("RGB"))
        seconds.append(time.process_time() - started)
    return min(seconds), reached
