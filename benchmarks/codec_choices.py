"""What the choices of the image codec's entropy path are worth: files of the same weights with and without.

    python benchmarks/codec_choices.py --data DIR --model BUNDLE      DIR holds photos/ (or set DIMAGING_DATA)

Neighbours: scale index and mean corrected by decoded neighbours, against the prior alone (with the tables of
probabilities that were counted with neighbours). Effort 1: cheaper symbols in the place of the nearest,
against effort 0. Rates are BD-rates by PSNR on the photographs that no training saw, in bytes of whole files:
of the mean curve, as elsewhere, and the mean over single photographs, in which smooth ones count like others.
Of each photograph the middle 768 x 512 pixels.
"""

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
from parts import figures
from parts.photographs import middle

QUALITIES = (4, 18, 32, 46, 60)
SMOOTHEST = "backgrounds_Fossa_by_Jasper_Roks"


def main() -> int:
    """Measure three ways to write a file, and WebP."""
    p = figures.parser("codec_choices", __doc__, "photographs", "photos")
    p.add_argument("--model", type=Path, help="bundle (default: the one that comes along)")
    args = p.parse_args()

    from dimaging_edge.photo.bundle_model import find_bundle, open_model
    from dimaging_edge.photo.codec import compress, decompress
    from dimaging_edge.photo.search import psnr
    from dimaging_edge.photo.symbol_model import Photo

    from dimaging_tf.data.files import read_image
    from dimaging_tf.data.wallpapers import HELD_BACK
    from dimaging_tf.evaluation.codecs import rivals
    from dimaging_tf.evaluation.rate_distortion import bd_rate

    names = (SMOOTHEST,) if args.quick else HELD_BACK
    images = {f.stem: middle(read_image(f)[0]) for f in args.data.iterdir() if f.stem in names}
    model = open_model(args.model or find_bundle(None), threads=1)
    alone = copy.copy(model)
    alone.neighbours = None
    (webp,) = (codec for codec in rivals() if codec.name == "webp")
    ways = {
        "alone": (alone, {}), "neighbours": (model, {}), "effort": (model, {"effort": 1})
    }  # fmt: skip
    rows: list[dict[str, Any]] = []

    def note(codec: str, setting: float, name: str, data: bytes, again: np.ndarray) -> None:
        image = images[name]
        bpp = 8 * len(data) / image[..., 0].size
        row = {"codec": codec, "setting": setting, "image": name, "bpp": bpp}
        rows.append({**row, "psnr": psnr(again, image)})

    for name, image in images.items():
        for quality in QUALITIES:
            for way, (one, options) in ways.items():
                data = compress(one, Photo(image), quality, **options)
                note(way, quality, name, data, decompress(one, data)[0].image)
        for setting in webp.settings if name == SMOOTHEST else ():
            data = webp.encode(image, setting)
            note("webp", setting, name, data, webp.decode(data))

    def single(anchor: str, tested: str, name: str) -> float:
        return bd_rate([row for row in rows if row["image"] == name], anchor, tested)

    out = figures.Figures("codec_choices", args.quick, args.json)
    out.facts["photographs"] = sorted(images)
    for figure, anchor, tested in (
        ("neighbours over the prior alone", "alone", "neighbours"),
        ("effort 1 over effort 0", "neighbours", "effort"),
    ):
        each = {name: single(anchor, tested, name) for name in images}
        out.facts[figure] = each
        out.add(f"{figure}, BD-rate", bd_rate(rows, anchor, tested), "", "%")
        for words, kind in (("mean", np.mean), ("best", np.min), ("worst", np.max)):
            out.add(f"{figure}, {words} photograph", float(kind(list(each.values()))), "", "%")
    for way in ("alone", "neighbours"):
        out.add(f"{way} over webp, smoothest photograph", single("webp", way, SMOOTHEST), "", "%")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
