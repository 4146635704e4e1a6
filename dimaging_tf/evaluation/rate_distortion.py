"""Rate and distortion: how many bytes codecs take for how good a picture (Bjontegaard 2001, VCEG-M33).

    rows = measure({"kodim01": image}, codecs)     image uint8 [H, W, 3]
    curve(rows, "jpeg", "psnr")                    bits a pixel, dB: a point for each setting
    bd_rate(rows, "jpeg", "ours")                  percent of bytes at equal quality; below 0 ours needs fewer

Bytes are those of whole files, headers included. PSNR in dB over red, green and blue together; MS-SSIM of
Wang et al. 2003. A point of a curve is the mean over the pictures of bits a pixel and of quality.
"""

import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from dimaging_tf.errors import UserError
from dimaging_tf.evaluation.codecs import Codec
from dimaging_tf.evaluation.metrics import psnr

Rows = list[dict[str, Any]]
"""A row a file: codec, setting, image, bytes, bpp, psnr (dB), ms_ssim, encode_s and decode_s (seconds)."""
SMALLEST = 176
"""The least height and width that five scales of MS-SSIM take, pixels."""
METRICS = ("psnr", "ms_ssim")
"""The measures of a picture's quality, as rows name them."""


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
    kept: Path | None = None,
) -> Rows:
    """Encode and decode every picture with every codec at every setting, and return a row for each.

    images     name -> uint8 [H, W, 3]
    progress   called with (done, total) after each file
    kept       a file of rows, a JSON object a line: those of the same codec, version, setting and pixels are
               taken from it, new ones are added at once, so that a run which was stopped goes on
    """
    known = {} if kept is None else _read_rows(kept)
    rows: Rows = []
    pixels = {name: f"{x.shape} {zlib.crc32(x.tobytes()):08x}" for name, x in images.items()}
    jobs = [(c, s, name) for c in codecs for s in c.settings for name in images]
    for done, (codec, setting, name) in enumerate(jobs, 1):
        # What a row follows from: the codec with its version, the setting, the pixels.
        mark = f"{codec.name} {codec.version} {setting:g} {pixels[name]}"
        row = known.get(mark) or _row(codec, setting, images[name])
        if kept is not None and mark not in known:
            with kept.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps({"mark": mark, **row}))  # a cut line ends here
        rows.append({"codec": codec.name, "setting": setting, "image": name, **row})
        if progress:
            progress(done, len(jobs))
    return rows


def _read_rows(kept: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a file by their marks; a line that was cut off is left out."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    for line in kept.read_text(encoding="utf-8").splitlines() if kept.exists() else ():
        with suppress(ValueError):
            row = json.loads(line)
            found[row.pop("mark")] = row
    return found


def _row(codec: Codec, setting: float, image: np.ndarray) -> dict[str, float]:
    """Return what one file costs, and how good what comes back is."""
    start = time.process_time()
    data = codec.encode(image, setting)
    encoded = time.process_time()
    again = codec.decode(data)
    decoded = time.process_time()
    a, b = (x[None] / np.float64(255) for x in (again, image))
    return {
        "bytes": len(data),
        "bpp": 8 * len(data) / (image.shape[0] * image.shape[1]),
        "psnr": psnr(a, b),
        "ms_ssim": ms_ssim(again, image),
        "encode_s": encoded - start,
        "decode_s": decoded - encoded,
    }


def curve(rows: Rows, codec: str, metric: str = "psnr") -> tuple[np.ndarray, np.ndarray]:
    """Return (bits a pixel, metric) of a codec, a point for each setting in rising order of bits."""
    settings = {row["setting"] for row in rows if row["codec"] == codec and metric in row}
    if not settings:
        raise UserError(f"no {metric} of {codec} was measured")
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


def bd_rates(rows: Rows, anchor: str, tested: str, metric: str = "psnr") -> list[float]:
    """Return the BD-rate of every picture that both coded, as `bd_rate`; [] where one has no common quality.

    The curve of means weighs pictures by their bits; here each counts the same.
    """
    images = dict.fromkeys(row["image"] for row in rows if row["codec"] == anchor)
    of_tested = {row["image"] for row in rows if row["codec"] == tested}
    try:
        return [
            bd_rate([row for row in rows if row["image"] == name], anchor, tested, metric)
            for name in images
            if name in of_tested
        ]
    except UserError:
        return []


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
