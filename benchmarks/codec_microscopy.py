"""16-bit microscopy, lossy: bytes of real files at equal PSNR, against JPEG 2000 with 16 bits.

    python benchmarks/codec_microscopy.py --data DIR     DIR holds nuclei16/ (or set DIMAGING_DATA)

Eight fields of nuclei that no training saw, twice: as stored (a camera's 12 bits at the bottom of 16) and
stretched (4095 becomes 65520, as a camera with 16 bits would fill them). PSNR has the peak 65535, so at 60 dB
errors are 65 levels: 65 of the camera's 4095 as stored, 4 of them stretched. For each field our
lowest quality that reaches the target, then the smallest JPEG 2000 (OpenJPEG 9/7, bare codestream: no box
header) whose PSNR is not below ours. Percents compare the sums over the fields; below 0 ours are fewer bytes.
"""

import io
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures

TARGETS = {"as stored": (1, (55, 60, 65, 70, 75)), "stretched": (16, (55, 60, 65))}
GOAL = 60


def jpeg2000(image: np.ndarray, decibel: float) -> tuple[bytes, float]:
    """The file of uint16 [H, W] that OpenJPEG makes for so many dB, and the PSNR that it has."""
    from dimaging_edge.photo.search import psnr
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(
        file,
        "JPEG2000",
        irreversible=True,
        quality_mode="dB",
        quality_layers=[decibel],
        no_jp2=True,
    )
    with Image.open(io.BytesIO(file.getvalue())) as picture:
        again = np.asarray(picture).astype(np.uint16)
    return file.getvalue(), psnr(again, image)


def smallest(image: np.ndarray, decibel: float) -> bytes:
    """The smallest JPEG 2000 of at least that PSNR, within 0.02 dB of OpenJPEG's own scale."""
    low, high = decibel - 2, decibel + 3
    best = jpeg2000(image, high)[0]
    while high - low > 0.02:
        middle = (low + high) / 2
        data, found = jpeg2000(image, middle)
        if found >= decibel:
            best, high = data, middle
        else:
            low = middle
    return best


class Ours:
    """Files of one picture by quality, made once: quality -> (bytes, dB)."""

    def __init__(self, model: Any, image: np.ndarray):
        self.model, self.image = model, image
        self.known: dict[int, tuple[int, float]] = {}

    def __getitem__(self, quality: int) -> tuple[int, float]:
        from dimaging_edge.photo.codec import Photo, compress, decompress
        from dimaging_edge.photo.search import psnr

        if quality not in self.known:
            data = compress(self.model, Photo(self.image), quality)
            again = decompress(self.model, data)[0].image
            self.known[quality] = len(data), psnr(again, self.image)
        return self.known[quality]

    def reach(self, decibel: float) -> tuple[int, float] | None:
        """Of the lowest quality of at least so many dB; None if there is none."""
        low, high = -1, 63
        if self[high][1] < decibel:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self[middle][1] >= decibel else (middle, high)
        return self[high]


def main() -> int:
    """Measure every field at every target."""
    p = figures.parser("codec_microscopy", __doc__, "nuclei16")
    p.add_argument("--model", type=Path, help="bundle (default: the one that comes along)")
    args = p.parse_args()

    from dimaging_edge.photo.bundle_model import find_bundle, open_model
    from dimaging_edge.photo.codec import Photo, compress, decompress

    from dimaging_tf.data.files import read_image
    from dimaging_tf.data.nuclei import HELD_BACK, find

    fields = [file for file in find(args.data) if file.stem in HELD_BACK]
    model = open_model(args.model or find_bundle(None, channels=1, depth=16), threads=1)
    out = figures.Figures("codec_microscopy", args.quick, args.json)
    out.facts = {"fields": [file.name for file in fields], "model": model.model_id.hex()}
    pictures = [read_image(file)[0] for file in fields[: 1 if args.quick else None]]
    for form, (gain, targets) in TARGETS.items():
        images = [np.minimum(x.astype(np.int64) * gain, 65535).astype(np.uint16) for x in pictures]
        coded = [Ours(model, image) for image in images]
        for target in (GOAL,) if args.quick else targets:
            name, pixels = f"{form}, {target} dB", sum(x.size for x in images)
            found = [one.reach(target) for one in coded]
            goal = f">= {len(images)}" if target == GOAL else ""
            out.add(f"{name}, fields that reach it", sum(x is not None for x in found), goal)
            if None in found:
                continue
            ours, reached = zip(*(x for x in found if x), strict=True)
            pairs = zip(images, reached, strict=True)
            theirs = [len(smallest(image[..., 0], decibel)) for image, decibel in pairs]
            goal = "<= 0" if target == GOAL else ""
            out.add(f"{name}, bytes over JPEG 2000", 100 * (sum(ours) / sum(theirs) - 1), goal, "%")
            out.add(f"{name}, ours", 8 * sum(ours) / pixels, "", "bits a pixel")
            out.add(f"{name}, JPEG 2000", 8 * sum(theirs) / pixels, "", "bits a pixel")
            out.facts[name] = {"ours": ours, "jpeg2000": theirs, "psnr": reached}
    seconds = {"encode": [], "decode": []}
    for image in pictures:
        start = time.perf_counter()
        data = compress(model, Photo(image), 40)
        middle = time.perf_counter()
        decompress(model, data)
        seconds["encode"].append(middle - start)
        seconds["decode"].append(time.perf_counter() - middle)
    for way, found in seconds.items():
        out.add(f"{way} a field of 696 x 520", 1000 * statistics.median(found), "", "ms")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
