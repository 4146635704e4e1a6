"""The demo's denoiser after 78 seconds of half a machine, against non-local means, sigma 25/255.

    python benchmarks/denoiser_demo.py

Trained as `dimaging demo` does, on the photographs that come with scikit-image and scikit-learn; judged on
the central 256x256 pixels of the three that are held out: camera, chelsea, coffee.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from parts import figures
from parts.denoising import SIGMA, crop, non_local_means, psnr, restore


def main() -> int:
    """Train, compare, judge."""
    args = figures.parser("denoiser_demo", __doc__).parse_args()

    from dimaging_tf.commands import demo
    from dimaging_tf.training import runs

    demo.use_half_of_cores()

    with tempfile.TemporaryDirectory() as folder:
        settings = runs.default_settings("denoiser", **demo.recipes(args.quick)["denoiser"])
        model = runs.train(settings, Path(folder) / "run")
    clean = np.stack([crop(photograph) for photograph in photographs()])
    noisy = clean + SIGMA * np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    rival = psnr(clean, [non_local_means(x) for x in noisy])
    network = psnr(clean, [restore(model, x) for x in noisy])
    out = figures.Figures("denoiser_demo", args.quick, args.json)
    out.add("PSNR of non-local means", rival, "", "dB")
    out.add("PSNR of the demo's network", network, "", "dB")
    out.add("demo's network over non-local means", network - rival, ">= 0", "dB")
    return out.finish()


def photographs() -> list[np.ndarray]:
    """The three that `photos` keeps for validation, in grey, [H, W] in [0, 1]."""
    from skimage import color, data

    colour = [color.rgb2gray(picture()) for picture in (data.chelsea, data.coffee)]
    return [data.camera() / np.float32(255), *(picture.astype(np.float32) for picture in colour)]


if __name__ == "__main__":
    sys.exit(main())
