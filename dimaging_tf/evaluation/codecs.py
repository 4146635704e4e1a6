"""Ways to store pictures in files, whose rate and distortion are measured: Pillow's codecs at their best.

name                     what Pillow is told
jpeg                     4:2:0, optimised Huffman tables
webp                     method 6, the slowest
jpeg2000                 9/7 wavelet, with the colour transform (mct 1)
avif, avif 4:4:4         speed 6, Pillow's usual
avif ... speed 0         the slowest: 20 times the processor time of speed 6
jpeg-xl, ... effort 9    effort 7, the usual; and 9 of 1 to 10 (needs pillow-jxl-plugin)

A picture whose channels are all the same is stored as a grey one.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

AVIF_QUALITIES = (20, 30, 40, 50, 60, 70, 80, 88)
JXL_QUALITIES = (10, 25, 40, 55, 70, 80, 88, 93)
SLOW_QUALITIES = (30, 50, 70, 85)
"""The settings of codecs that take seconds a picture: as few as a curve needs."""


@dataclass(frozen=True)
class Codec:
    """A way to store pictures in files, at several settings."""

    name: str
    settings: Sequence[float]  # from the smallest files to the largest
    encode: Callable[[np.ndarray, float], bytes]  # (image uint8 [H, W, 3], setting) -> a whole file
    decode: Callable[[bytes], np.ndarray]  # a file -> uint8 [H, W, 3]
    version: str = ""  # of what encodes: a row that another version measured is measured again


def as_stored(image: np.ndarray) -> np.ndarray:
    """Return a picture [H, W, 3], or [H, W] where its channels are all the same."""
    return image if (image != image[..., :1]).any() else np.ascontiguousarray(image[..., 0])


def _pillow(name: str, kind: str, settings: Sequence[float], **options: Any) -> Codec:
    from PIL import Image, features

    def encode(image: np.ndarray, setting: float) -> bytes:
        file = io.BytesIO()
        chosen = {k: v(setting) if callable(v) else v for k, v in options.items()}
        Image.fromarray(as_stored(image)).save(file, format=kind, **chosen)
        return file.getvalue()

    def decode(data: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"))

    feature = {"JPEG": "libjpeg_turbo", "WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}
    made_by = (
        version("pillow-jxl-plugin") if kind == "JXL" else features.version(feature[kind]) or ""
    )
    plain = {key: value for key, value in options.items() if not callable(value)}
    return Codec(name, settings, encode, decode, f"{made_by} {plain}")


def rivals(*, slow: bool = False) -> list[Codec]:
    """Return the codecs that Pillow has here: JPEG, WebP, JPEG 2000, AVIF, and JPEG XL with its plugin.

    slow: also AVIF at speed 0, which takes seconds a picture, at fewer settings.
    """
    from PIL import features

    quality = {"quality": int}
    found = [
        _pillow("jpeg", "JPEG", (5, 10, 20, 30, 45, 60, 75, 85, 92), **quality,
                subsampling="4:2:0", optimize=True),
        _pillow("webp", "WEBP", (1, 5, 15, 30, 45, 60, 75, 85, 92), **quality, method=6),
        _pillow("jpeg2000", "JPEG2000", (160, 100, 64, 40, 25, 16, 10), irreversible=True, mct=1,
                quality_mode="rates", quality_layers=lambda ratio: [ratio]),
    ]  # fmt: skip
    if features.check("avif"):
        for speed in (6, 0) if slow else (6,):
            for sampling in ("4:2:0", "4:4:4"):
                name = "avif" + " 4:4:4" * (sampling == "4:4:4") + " speed 0" * (speed == 0)
                settings = AVIF_QUALITIES if speed else SLOW_QUALITIES
                options = {"speed": speed, "subsampling": sampling, "max_threads": 1}
                found.append(_pillow(name, "AVIF", settings, **quality, **options))
    try:
        import_module("pillow_jxl")  # registers the format
    except ImportError:
        return found
    best = _pillow("jpeg-xl effort 9", "JXL", JXL_QUALITIES, **quality, effort=9)
    return [*found, _pillow("jpeg-xl", "JXL", JXL_QUALITIES, **quality, effort=7), best]
