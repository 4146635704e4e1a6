"""Published curves of codecs on the 24 classical photographs, drawn beside those that are measured on them.

`published_rates.json` holds means over the photographs of bits a pixel, PSNR in dB and, where it was
published, MS-SSIM, each curve with its source. They say nothing about other photographs.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from dimaging_tf.evaluation.rate_distortion import Rows

FILE = Path(__file__).with_name("published_rates.json")
"""The file of the curves."""
CLASSICAL = frozenset(f"kodim{number:02d}" for number in range(1, 25))
"""The stems of the files of the classical photographs."""


def is_classical(names: Iterable[str]) -> bool:
    """Return whether files with these names are the 24 classical photographs, all of them and no other."""
    return {Path(name).stem for name in names} == CLASSICAL


def published_rows() -> Rows:
    """Return a row a point of every curve: codec ("VTM, published"), setting, image, bpp, psnr, ms_ssim.

    A row without a published MS-SSIM has no `ms_ssim`.
    """
    curves = json.loads(FILE.read_text(encoding="utf-8"))["curves"]
    return [
        {
            "codec": f"{name}, published", "setting": number, "image": "mean of 24",
            **{key: one[key][number] for key in ("bpp", "psnr", "ms_ssim") if key in one},
        }
        for name, one in curves.items()
        for number in range(len(one["bpp"]))
    ]  # fmt: skip
