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

import figures
import numpy as np

TARGETS = {"as stored": (1, (50, 55, 60, 65, 70, 75)), "stretched": (16, (50, 55, 60, 65))}
GOAL = 60


def jpeg2000(image: np.ndarray, decibel: float) -> tuple[bytes, float]:
    """The file of uint16 [H, W] that OpenJPEG makes for so many dB, and the PSNR that it has."""
    from dimaging_edge.codec.search import psnr
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
    """The smallest JPEG 2000 of at least that PSNR, within 0.01 dB of OpenJPEG's own scale."""
    low, high = decibel - 3, decibel + 4
    best = jpeg2000(image, high)[0]
    while high - low > 0.01:
        middle = (low + high) / 2
        data, found = jpeg2000(image, middle)
        if found >= decibel:
            best, high = data, middle
        else:
            low = middle
    return best


def main() -> int:
    """Measure every field at every target."""
    p = figures.parser("codec_microscopy", __doc__, "nuclei16")
    p.add_argument("--model", type=Path, help="bundle (default: the one that comes along)")
    args = p.parse_args()

    from dimaging_edge.codec.network import find_bundle, open_model
    from dimaging_edge.codec.photo import Photo, compress, decompress
    from dimaging_edge.codec.search import psnr, to_target
    from dimaging_edge.errors import InputError

    from dimaging_tf.data.files import read_image
    from dimaging_tf.data.nuclei import HELD_BACK, find

    fields = [file for file in find(args.data) if file.stem in HELD_BACK]
    model = open_model(args.model or find_bundle(None, channels=1, depth=16), threads=1)
    out = figures.Figures("codec_microscopy", args.quick, args.json)
    out.facts = {"fields": [file.name for file in fields], "model": model.model_id.hex()}
    pictures = [read_image(file)[0] for file in fields[: 1 if args.quick else None]]
    for form, (gain, targets) in TARGETS.items():
        images = [np.minimum(x.astype(np.int64) * gain, 65535).astype(np.uint16) for x in pictures]
        for target in (GOAL,) if args.quick else targets:
            ours, theirs, reached = [], [], []
            for image in images:
                try:
                    data, _ = to_target(model, Photo(image), decibel=target)
                except InputError as error:
                    print(f"{form}, {target} dB: {error}", file=sys.stderr)
                    break
                reached.append(psnr(decompress(model, data)[0].image, image))
                ours.append(len(data))
                theirs.append(len(smallest(image[..., 0], reached[-1])))
            if len(ours) < len(images):
                continue
            name, pixels = f"{form}, {target} dB", sum(x.size for x in images)
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
