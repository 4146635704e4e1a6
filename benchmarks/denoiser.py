"""Denoiser on grey photographs it never saw, Gaussian noise of sigma 25/255, against BM3D and non-local means.

    python benchmarks/denoiser.py --data DIR          DIR: a folder of photographs, every eighth is held out
    python benchmarks/denoiser.py --data DIR --valid DIR2 --minutes 20

Trains on the clock, on all cores, blind over sigma 5..50; then compares on the central 256x256 pixels of
each held-out photograph. BM3D and non-local means are told sigma, the network is not.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.denoising import CROP, SIGMA, crop, non_local_means, psnr, restore


def main() -> int:
    """Train, compare three ways, judge."""
    p = figures.parser("denoiser", __doc__, "photographs", "photos")
    p.add_argument(
        "--valid", type=Path, help="photographs to judge on (default: every eighth of --data)"
    )
    p.add_argument("--minutes", type=float, default=20.0, help="of training on --data")
    p.add_argument("--keep", type=Path, help="run folder to keep (default: none)")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    minutes = 0.05 if args.quick else args.minutes
    files = sorted(f for f in args.data.iterdir() if f.is_file())
    held_out = (
        files[::8] if args.valid is None else sorted(f for f in args.valid.iterdir() if f.is_file())
    )
    with tempfile.TemporaryDirectory() as folder:
        photographs = Path(folder) / "photographs"
        photographs.mkdir()
        learned = set(files) - set(held_out)
        for file in learned:
            (photographs / file.name).symlink_to(file.resolve())
        long = train(args.keep or Path(folder) / "long", minutes, str(photographs))
    judged, size = (held_out[:1], 64) if args.quick else (held_out, CROP)
    clean = np.stack([crop(grey(file), size) for file in judged])
    noisy = clean + SIGMA * np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    found = {
        "BM3D": psnr(clean, [bm3d(x) for x in noisy]),
        "non-local means": psnr(clean, [non_local_means(x) for x in noisy]),
        "network": psnr(clean, [restore(long, x) for x in noisy]),
    }
    out = figures.Figures("denoiser", args.quick, args.json)
    out.facts = {
        "minutes": minutes,
        "held out": [f.name for f in held_out],
        "trained on": len(learned),
    }
    for name, value in found.items():
        out.add(f"PSNR of {name}", value, "", "dB")
    out.add("network over BM3D", found["network"] - found["BM3D"], ">= 0", "dB")
    out.add(
        "network over non-local means", found["network"] - found["non-local means"], ">= 1", "dB"
    )
    return out.finish()


def train(folder: Path, minutes: float, data: str) -> Any:
    """`dimaging train denoiser --minutes`, in grey."""
    from dimaging_tf.training import runs

    settings = runs.default_settings(
        "denoiser", data=data, minutes=minutes, data_options={"channels": 1}
    )
    return runs.train(settings, folder)


def grey(file: Path) -> np.ndarray:
    """A photograph [H, W], float32 in [0, 1]."""
    from PIL import Image

    return np.asarray(Image.open(file).convert("L")) / np.float32(255)


def bm3d(noisy: np.ndarray) -> np.ndarray:
    """Dabov et al. 2007, the authors' package, default profile."""
    from bm3d import bm3d as authors  # pyright: ignore[reportMissingImports], of the benchmarks extra

    return authors(noisy, SIGMA)


if __name__ == "__main__":
    sys.exit(main())
