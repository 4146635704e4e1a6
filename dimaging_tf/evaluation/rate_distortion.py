"""Rate and distortion: how many bytes codecs take for how good a picture (Bjontegaard 2001, VCEG-M33).

    rows = measure({"kodim01": image}, codecs)     image uint8 [H, W, 3]
    curve(rows, "jpeg", "psnr")                    bits a pixel, dB: a point for each setting
    bd_rate(rows, "jpeg", "ours")                  percent of bytes at equal quality; below 0 ours needs fewer

Bytes are those of whole files, headers included. PSNR in dB over red, green and blue together; MS-SSIM of
Wang et al. 2003. A point of a curve is the mean over the pictures of bits a pixel and of quality.
"""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from dimaging_tf.errors import UserError
from dimaging_tf.evaluation.metrics import psnr

Rows = list[dict[str, Any]]
"""A row a file: codec, setting, image, bytes, bpp, psnr (dB), ms_ssim, encode_s and decode_s (seconds)."""
SMALLEST = 176
"""The least height and width that five scales of MS-SSIM take, pixels."""
METRICS = ("psnr", "ms_ssim")
"""The measures of a picture's quality, as rows name them."""


@dataclass(frozen=True)
class Codec:
    """A way to store pictures in files, at several settings."""

    name: str
    settings: Sequence[float]  # from the smallest files to the largest
    encode: Callable[[np.ndarray, float], bytes]  # (image uint8 [H, W, 3], setting) -> a whole file
    decode: Callable[[bytes], np.ndarray]  # a file -> uint8 [H, W, 3]


def _pillow(name: str, kind: str, settings: Sequence[float], **options: Any) -> Codec:
    from PIL import Image

    def encode(image: np.ndarray, setting: float) -> bytes:
        file = io.BytesIO()
        chosen = {k: v(setting) if callable(v) else v for k, v in options.items()}
        Image.fromarray(image).save(file, format=kind, **chosen)
        return file.getvalue()

    def decode(data: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"))

    return Codec(name, settings, encode, decode)


def rivals() -> list[Codec]:
    """Return the codecs that Pillow has here: JPEG, WebP, JPEG 2000, AVIF, and JPEG XL with its plugin."""
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
        settings = (20, 30, 40, 50, 60, 70, 80, 88)
        found.append(_pillow("avif", "AVIF", settings, **quality, speed=6, subsampling="4:2:0"))
    try:
        import_module("pillow_jxl")  # registers the format
    except ImportError:
        return found
    return [*found, _pillow("jpeg-xl", "JXL", (10, 25, 40, 55, 70, 80, 88, 93), **quality)]


def check_sides(images: Mapping[str, np.ndarray]) -> None:
    """UserError that names the images, name -> [H, W, C], which are too small for MS-SSIM."""
    small = {name: x.shape for name, x in images.items() if min(x.shape[:2]) < SMALLEST}
    if small:
        shown = [f"{name} {shape[1]} x {shape[0]}".strip() for name, shape in small.items()][:5]
        raise UserError(
            f"MS-SSIM looks at five scales: pictures must be at least {SMALLEST} pixels high and wide. "
            f"Received: {', '.join(shown)}{', ...' if len(small) > 5 else ''}"
        )


def ms_ssim(estimate: np.ndarray, target: np.ndarray) -> float:
    """Return the multiscale structural similarity of two uint8 [H, W, C], sides of SMALLEST or more."""
    import tensorflow as tf

    check_sides({"": target})
    return float(tf.image.ssim_multiscale(estimate[None], target[None], 255)[0])


def read_folder(folder: str | Path, limit: int | None = None) -> dict[str, np.ndarray]:
    """Read the first `limit` pictures of a folder in the order of names: file name -> uint8 [H, W, 3].

    UserError where the folder holds none, and for pictures too small to be measured.
    """
    from PIL import Image, UnidentifiedImageError

    if not Path(folder).is_dir():
        raise UserError(f"{folder} is not a folder. Expected: a folder of photographs")
    found: dict[str, np.ndarray] = {}
    for path in sorted(path for path in Path(folder).iterdir() if path.is_file()):
        try:
            with Image.open(path) as picture:
                found[path.name] = np.asarray(picture.convert("RGB"))
        except UnidentifiedImageError:
            continue
        if len(found) == limit:
            break
    if not found:
        raise UserError(f"{folder} holds no pictures that Pillow can read.")
    check_sides(found)
    return found


def measure(
    images: Mapping[str, np.ndarray],
    codecs: Sequence[Codec],
    progress: Callable[[int, int], object] | None = None,
) -> Rows:
    """Encode and decode every picture with every codec at every setting, and return a row for each.

    images     name -> uint8 [H, W, 3]
    progress   called with (done, total) after each file
    """
    rows: Rows = []
    jobs = [(c, s, name) for c in codecs for s in c.settings for name in images]
    for done, (codec, setting, name) in enumerate(jobs, 1):
        image = images[name]
        start = time.perf_counter()
        data = codec.encode(image, setting)
        encoded = time.perf_counter()
        again = codec.decode(data)
        decoded = time.perf_counter()
        a, b = (x[None] / np.float64(255) for x in (again, image))
        rows.append(
            {
                "codec": codec.name, "setting": setting, "image": name, "bytes": len(data),
                "bpp": 8 * len(data) / (image.shape[0] * image.shape[1]),
                "psnr": psnr(a, b), "ms_ssim": ms_ssim(again, image),
                "encode_s": encoded - start, "decode_s": decoded - encoded,
            }
        )  # fmt: skip
        if progress:
            progress(done, len(jobs))
    return rows


def curve(rows: Rows, codec: str, metric: str = "psnr") -> tuple[np.ndarray, np.ndarray]:
    """Return (bits a pixel, metric) of a codec, a point for each setting in rising order of bits."""
    settings = {row["setting"] for row in rows if row["codec"] == codec}
    points = []
    for setting in settings:
        of_it = [r for r in rows if r["codec"] == codec and r["setting"] == setting]
        points.append([np.mean([r[key] for r in of_it]) for key in ("bpp", metric)])
    bits, found = np.array(sorted(points)).T
    return bits, found


def bd_rate(rows: Rows, anchor: str, tested: str, metric: str = "psnr") -> float:
    """Return how many bytes `tested` takes more than `anchor` at equal quality, in percent of the anchor's.

    It is the mean difference of log bits over the qualities that both reach, between piecewise cubic curves
    (PCHIP) through log bits as a function of the metric; MS-SSIM counts in dB, -10 log10(1 - x). UserError
    where the curves have no quality in common.
    """
    from scipy.interpolate import PchipInterpolator

    lines = []
    for codec in (anchor, tested):
        bits, found = curve(rows, codec, metric)
        if metric == "ms_ssim":
            found = -10 * np.log10(1 - found)
        best = np.maximum.accumulate(found)
        # A setting that takes more bits for a worse picture is no point of the curve.
        rising = np.concatenate([[True], best[1:] > best[:-1]])
        lines.append((found[rising], np.log(bits[rising])))
    low, high = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    if low >= high:
        raise UserError(
            f"{anchor} and {tested} reach no {metric} in common; measure them at more settings."
        )
    areas = [PchipInterpolator(x, y).integrate(low, high) for x, y in lines]
    return float(100 * np.expm1((areas[1] - areas[0]) / (high - low)))


def summary(rows: Rows, tested: str) -> dict[str, dict[str, float | None]]:
    """Return rival -> {"psnr", "ms_ssim"}: the BD-rate of `tested` over it in percent, or None.

    None says that the two reach no quality in common.
    """
    found: dict[str, dict[str, float | None]] = {}
    for rival in dict.fromkeys(row["codec"] for row in rows if row["codec"] != tested):
        found[rival] = {}
        for metric in METRICS:
            try:
                found[rival][metric] = bd_rate(rows, rival, tested, metric)
            except UserError:
                found[rival][metric] = None
    return found
