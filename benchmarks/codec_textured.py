"""Codecs on textured photographs that no training of ours ever saw: bytes at equal quality.

    python benchmarks/codec_textured.py --data DIR                              DIR holds photos/bsds_*
    python benchmarks/codec_textured.py --data DIR --model new=BUNDLE           judges a bundle, too

The judge is the textured part of the BSDS500 pictures (481 x 321): the 24 of 110 whose brightness changes
most from pixel to pixel. Their licence keeps them out of the training of weights that ship; the photographs
that validation chooses by are others. Rates are BD-rates of curves that are means over the pictures, and
beside them the mean of the BD-rates of each picture, and on how many ours needs more bytes.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from parts import figures

SHARE = 24 / 110
"""Of the pictures: the most textured ones."""
RIVALS = ("jpeg", "webp", "avif")
GOALS = {("avif", "psnr"): "<= 0", ("jpeg", "psnr"): "<= -50"}


def main() -> int:
    """Measure every codec, judge ours."""
    p = figures.parser("codec_textured", __doc__, "photographs", "photos")
    p.add_argument("--model", nargs="*", default=[], metavar="NAME=BUNDLE")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_tf.commands.rate_distortion import learned_codec
    from dimaging_tf.evaluation.rate_distortion import measure, read_folder, rivals

    steps = 4 if args.quick else 10
    ours = [replace(learned_codec(None, steps), name="shipped")]
    for name, _, bundle in (words.partition("=") for words in args.model):
        ours.append(replace(learned_codec(Path(bundle), steps), name=name))
    images = textured(read_folder(args.data))
    if args.quick:
        images = dict(list(images.items())[:1])
    rows = measure(images, [*ours, *(c for c in rivals() if c.name in RIVALS)])
    out = figures.Figures("codec_textured", args.quick, args.json)
    out.facts["photographs"] = sorted(images)
    return report(out, rows, [codec.name for codec in ours])


def textured(images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The part of the bsds_* pictures (of all, where there are none) that changes most between pixels."""
    found = {k: x for k, x in images.items() if k.startswith("bsds_")} or images

    def change(name: str) -> float:
        grey = found[name].astype(np.float64).mean(-1)
        return np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()

    ranked = sorted(found, key=change, reverse=True)
    return {name: found[name] for name in sorted(ranked[: max(1, round(SHARE * len(ranked)))])}


def report(out: figures.Figures, rows: list, ours: list[str]) -> int:
    """BD-rates of every codec of ours over every other one."""
    from dimaging_tf.errors import UserError
    from dimaging_tf.evaluation.rate_distortion import bd_rate, curve

    pictures = {
        name: [r for r in rows if r["image"] == name] for name in {r["image"] for r in rows}
    }
    for mine in ours:
        bits, _ = curve(rows, mine)
        out.add(f"{mine}, fewest bits", bits[0], "", "bits/pixel")
        out.add(f"{mine}, most bits", bits[-1], "", "bits/pixel")
        for other in dict.fromkeys(row["codec"] for row in rows):
            if other == mine:
                continue
            for quality in ("psnr", "ms_ssim"):
                try:
                    rate = bd_rate(rows, other, mine, quality)
                    each = [bd_rate(of_it, other, mine, quality) for of_it in pictures.values()]
                except UserError:
                    continue  # no quality in common
                figure = f"{mine}, BD-rate by {quality.replace('_', '-').upper()} over {other}"
                out.add(figure, rate, GOALS.get((other, quality), ""), "%")
                out.add(f"{figure}, mean of pictures", float(np.mean(each)), "", "%")
                out.add(f"{figure}, worse on", sum(x > 0 for x in each), "", f"of {len(each)}")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
