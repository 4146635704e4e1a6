"""The learned image codec against Pillow's, in bytes of real files, on eight wallpapers that training held back.

    python benchmarks/codec_rd.py --data DIR --model BUNDLE      DIR holds photos/ (or set DIMAGING_DATA)

They are smooth, easy pictures, and they also chose the epoch of the weights that were tuned for MS-SSIM:
benchmarks/codec_textured.py judges on others. Rates are BD-rates: the mean difference of bytes at equal quality, below 0 where ours are
fewer, of the mean curve and as the mean over the pictures. Rivals are told to do their best
(`dimaging_tf.evaluation.codecs`). Times are medians over all files, our networks on one thread. Rows are kept
in --rows, so a run that was stopped goes on.
"dimaging ms-ssim" is the shipped model that was tuned for MS-SSIM; it is judged by that alone.
"""

import statistics
import sys
from dataclasses import replace
from pathlib import Path

from parts import figures

PLAIN, TUNED = "dimaging", "dimaging ms-ssim"
CHOSEN = "the last weights of dimaging; of dimaging ms-ssim the same wallpapers chose the epoch"
GOALS = {
    (PLAIN, "jpeg", "psnr"): "<= -35", (PLAIN, "webp", "psnr"): "<= 0",
    (TUNED, "avif", "ms_ssim"): "<= 0",
}  # fmt: skip


def main() -> int:
    """Measure every codec, judge ours."""
    p = figures.parser("codec_rd", __doc__, "photographs", "photos")
    p.add_argument("--model", type=Path, help="bundle (default: the one that comes along)")
    p.add_argument(
        "--tuned", type=Path, default=Path("unet_codec_msssim"), help="bundle tuned for MS-SSIM"
    )
    p.add_argument("--rows", type=Path, help="file that keeps what is measured (default: none)")
    p.add_argument("--plots", type=Path, help="folder for the plots (default: none)")
    args = p.parse_args()

    from dimaging_tf.quiet import load_tensorflow

    load_tensorflow()
    from dimaging_tf.commands.rate_distortion import learned_codec
    from dimaging_tf.data.wallpapers import HELD_BACK
    from dimaging_tf.evaluation import plots
    from dimaging_tf.evaluation.codecs import rivals
    from dimaging_tf.evaluation.rate_distortion import (
        METRICS,
        bd_rates,
        measure,
        read_folder,
        summary,
    )

    images = {name: x for name, x in read_folder(args.data).items() if Path(name).stem in HELD_BACK}
    if args.quick:
        images = dict(list(images.items())[:1])
    steps = 4 if args.quick else 8
    tuned = replace(learned_codec(args.tuned, steps), name=TUNED)
    rows = measure(images, [learned_codec(args.model, steps), tuned, *rivals()], kept=args.rows)
    out = figures.Figures("codec_rd", args.quick, args.json)
    out.facts |= {"photographs": sorted(images), "chosen by": CHOSEN}
    for mine, other in ((PLAIN, TUNED), (TUNED, PLAIN)):
        for rival, rates in summary([r for r in rows if r["codec"] != other], mine).items():
            for quality, percent in rates.items():
                if percent is None or (mine == TUNED and quality == "psnr"):
                    continue
                figure = f"{mine}, BD-rate by {quality.replace('_', '-').upper()} over {rival}"
                out.add(figure, percent, GOALS.get((mine, rival, quality), ""), "%")
                each = bd_rates(rows, rival, mine, quality)
                if each:
                    out.add(f"{figure}, mean of pictures", sum(each) / len(each), "", "%")
    for name in dict.fromkeys(row["codec"] for row in rows):
        for way in ("encode", "decode"):
            seconds = statistics.median(r[f"{way}_s"] for r in rows if r["codec"] == name)
            out.add(f"{name}, {way} a photograph", 1000 * seconds, "", "ms")
    for quality in METRICS if args.plots else ():
        plots.save_figure(plots.rate_distortion(rows, quality), args.plots / f"{quality}.png")
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
