"""Codecs on textured photographs that no training of ours ever saw: bytes at equal quality.

    python benchmarks/codec_textured.py --data DIR                              DIR holds photos/bsds_*
    python benchmarks/codec_textured.py --data DIR --model new=BUNDLE           judges a bundle, too
    python benchmarks/codec_textured.py --data DIR --slow 4                     also AVIF at speed 0
    python benchmarks/codec_textured.py --data DIR --grey --json FILE               the same pictures in grey

The judge is the textured part of the BSDS500 pictures (481 x 321): the 24 of 110 whose brightness changes
most from pixel to pixel. Their licence keeps them out of the training of weights that ship; the photographs
that validation chooses by are others. Rates are BD-rates of curves that are means over the pictures, and
beside them the mean of the BD-rates of each picture, and on how many ours needs more bytes. Every rival is
told to do its best (`dimaging_tf.evaluation.codecs`). At the lower end the shipped model codes pictures
at half their width and height, as `compress --target-bpp` does where that is better; bundles of --model are
judged at the whole size alone, and all times are of that.
AVIF at speed 0 takes 5 to 10 seconds a file, so it is measured on the first pictures alone and compared
there. Rows are kept in --rows, so a run that was stopped goes on, and one with another bundle measures that
bundle alone. What was published of other codecs on the 24 classical photographs is carried over as it
stands, with its sources; it was not measured on the judge's pictures.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from parts import figures
from parts.photographs import textured

CHOSEN = "nothing: the last weights of a training of fixed length (benchmarks/codec_gpu.py)"
HALVES = (0, 8, 16)
"""The qualities at half size; beyond the last the whole size shows more for the same bytes."""
RANGE = {"fewest": "<= 0.05", "most": ">= 2.5"}
"""The bits a pixel from which and up to which one model goes."""
GOALS = {("avif", "psnr"): "<= 0", ("jpeg", "psnr"): "<= -50"}


def main() -> int:
    """Measure every codec, judge ours."""
    p = figures.parser("codec_textured", __doc__, "photographs", "photos")
    p.add_argument("--model", nargs="*", default=[], metavar="NAME=BUNDLE")
    p.add_argument("--slow", type=int, default=0, metavar="N", help="AVIF speed 0 on N pictures")
    p.add_argument(
        "--grey", action="store_true", help="pictures in grey, which all codecs store so"
    )
    p.add_argument("--steps", type=int, default=8, help="number of our qualities (default: 8)")
    p.add_argument("--pictures", type=int, default=24, help="number of pictures (default: 24)")
    p.add_argument("--rows", type=Path, help="file that keeps what is measured (default: none)")
    p.add_argument("--plots", type=Path, help="folder for the plots (default: none)")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_tf.commands.rate_distortion import learned_codec
    from dimaging_tf.evaluation import plots, rate_distortion
    from dimaging_tf.evaluation.codecs import rivals

    steps = 4 if args.quick else args.steps
    ours = [replace(learned_codec(None, steps, HALVES), name="shipped")]
    for name, _, bundle in (words.partition("=") for words in args.model):
        ours.append(replace(learned_codec(Path(bundle), steps), name=name))
    images, judge = textured(args.data, 1 if args.quick else args.pictures)
    if args.grey:
        images = {name: grey(image) for name, image in images.items()}
        judge += ", in grey"
    rows = rate_distortion.measure(images, [*rivals(), *ours], kept=args.rows)
    few = dict(list(images.items())[: args.slow])
    slow = [codec for codec in rivals(slow=True) if codec.name.endswith("speed 0")]
    rows += rate_distortion.measure(few, slow, kept=args.rows) if few else []
    out = figures.Figures("codec_textured", args.quick, args.json)
    out.facts |= {"photographs": sorted(images), "chosen by": CHOSEN, "judged by": judge}
    for quality in rate_distortion.METRICS if args.plots else ():
        args.plots.mkdir(parents=True, exist_ok=True)
        plots.save_figure(plots.rate_distortion(rows, quality), args.plots / f"{quality}.png")
    report(out, rows, [codec.name for codec in ours])
    published_facts(out)
    return out.finish()


def grey(image: np.ndarray) -> np.ndarray:
    """The luminance of a picture in all three channels."""
    from PIL import Image

    return np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=2)


def report(out: figures.Figures, rows: list, ours: list[str]) -> None:
    """BD-rates of every codec of ours over every other one, on the pictures that both coded."""
    from dimaging_tf.errors import UserError
    from dimaging_tf.evaluation.rate_distortion import bd_rate, bd_rates, curve

    for mine in ours:
        bits, _ = curve(rows, mine)
        for end, value in zip(RANGE, (bits[0], bits[-1]), strict=True):
            goal = RANGE[end] if mine == ours[0] else ""
            out.add(f"{mine}, {end} bits", value, goal, "bits/pixel")
        for other in dict.fromkeys(row["codec"] for row in rows):
            coded = {row["image"] for row in rows if row["codec"] == other}
            both = [row for row in rows if row["image"] in coded]
            if other == mine:
                continue
            for quality in ("psnr", "ms_ssim"):
                try:
                    rate = bd_rate(both, other, mine, quality)
                except UserError:
                    continue  # no quality in common
                each = bd_rates(both, other, mine, quality)
                figure = f"{mine}, BD-rate by {quality.replace('_', '-').upper()} over {other}"
                out.add(figure, rate, GOALS.get((other, quality), ""), "%")
                if each:
                    out.add(f"{figure}, mean of pictures", float(np.mean(each)), "", "%")
                    out.add(f"{figure}, worse on", sum(x > 0 for x in each), "", f"of {len(each)}")
    for codec in dict.fromkeys(row["codec"] for row in rows):
        for way in ("encode", "decode"):
            whole = [row for row in rows if row["codec"] == codec and row["setting"] >= 0]
            seconds = [row[f"{way}_s"] for row in whole]
            out.add(f"{codec}, {way}, median of files", 1000 * float(np.median(seconds)), "", "ms")


def published_facts(out: figures.Figures) -> None:
    """Put down the published BD-rates over AV1's and VTM's curves, which are of other pictures."""
    from dimaging_tf.evaluation.published import FILE, published_rows
    from dimaging_tf.evaluation.rate_distortion import summary

    rows = published_rows()
    names = dict.fromkeys(row["codec"] for row in rows)
    out.facts["published on the 24 classical photographs, not on the judge's"] = {
        "sources": f"dimaging_tf/evaluation/{FILE.name}",
        "BD-rate over VTM, %": {name: summary(rows, name).get("VTM, published") for name in names},
    }


if __name__ == "__main__":
    sys.exit(main())
