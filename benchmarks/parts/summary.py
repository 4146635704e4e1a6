"""The one-page summary of figures: the few that say how good and how fast, each beside another's.

`SUMMARY` names figures of benchmarks/results; the page is written by `python benchmarks/table.py`.
"""

from typing import Any, NamedTuple

from parts.published import published


class Line(NamedTuple):
    """A figure of the summary."""

    what: str
    topic: str
    figure: str
    beside: str = ""
    """The figure of the same topic that stands beside it; "": what was published."""
    rival: str = ""
    """Whose that is; {} stands for its value. Without `beside` the words stand as they are."""


SUMMARY: dict[str, list[Line]] = {
    "Photographs in few bytes": [
        Line("bytes at equal PSNR, over JPEG", "codec_textured", "shipped, BD-rate by PSNR over jpeg"),
        Line("bytes at equal PSNR, over WebP", "codec_textured", "shipped, BD-rate by PSNR over webp"),
        Line("bytes at equal PSNR, over AVIF", "codec_textured", "shipped, BD-rate by PSNR over avif", rival="at its usual speed"),
        Line("bytes at equal MS-SSIM, over AVIF", "codec_textured", "shipped, BD-rate by MS-SSIM over avif"),
        Line("the same, tuned for it, on wallpapers that chose its weights", "codec_rd", "dimaging ms-ssim, BD-rate by MS-SSIM over avif"),
        Line("exact pixels, bytes over WebP's", "codec_lossless", "ours over WebP, method 6, quality 100",
             "ours over JPEG XL, effort 7", "{} over JPEG XL's"),
        Line("12 megapixels: memory", "codec_memory", "compress 4000 x 3000, 1 at once",
             "compress 4000 x 3000, 1 at once: processor time", "in {}"),
        Line("damaged files shown wrong without a word", "codec_fuzz", "unet_codec, 5,000 files: shown wrong without a word"),
    ],
    "Likelihoods": [
        Line("PixelCNN after 2 minutes, NLL", "pixelcnn", "after 2 minutes"),
        Line("PixelCNN after a long training", "pixelcnn_long", "after a long training"),
        Line("PixelRNN after 20 minutes", "pixelrnn", "after 20 minutes"),
        Line("FVBN after 20 minutes", "fvbn", "after 20 minutes"),
        Line("VAE, bound by 50 samples", "vae", "importance-weighted bound"),
        Line("a digit, packed without loss", "pixelcnn", "bytes a digit, everything included",
             "JPEG XL lossless, one sheet", "{}, JPEG XL of all on one sheet"),
    ],
    "Pictures": [
        Line("denoiser, noise of 25 levels", "denoiser", "PSNR of network", "PSNR of BM3D", "{}, BM3D"),
        Line("DCGAN's digits after 2 minutes, FID", "dcgan", "FID after 2 min", "FID of the test images, the floor",
             "{}, real digits"),
        Line("captions drawn by StackGAN, exact, never seen", "stackgan", "exact caption match, held-out combinations"),
        Line("captions said of shapes, exact, never seen", "captioning", "shapes: exact captions, held-out combinations"),
        Line("glasses put on where they were missing", "glasses", "adds, scale 1.5", "random vector adds, scale 1.5",
             "{}, a random direction"),
        Line("membranes of cells, F1", "unet", "membrane F1, fp32"),
    ],
    "Series and movies": [
        Line("left or right hand, from an EEG", "eeg", "accuracy, averaged", "accuracy, LDA", "{}, LDA"),
        Line("labels of every step, above the exact optimum", "sequence_labels", "nats above the optimum, bidirectional", rival="0: nothing can be better"),
        Line("3 of 16 frames, as many told right", "frame_selection", "search: accuracy of the network, mean",
             "accuracy, exact optimum, all 16 frames", "{}, the best possible with all 16"),
        Line("lineage, two generations early, AUC", "lineage", "cells: AUC 2 generations early, network",
             "cells: AUC 2 generations early, exact optimum", "{}, the best possible"),
        Line("characters written a second, one file", "writing_speed", "characters a second, fp32, batch 1",
             "characters a second, int8, batch 1", "{} in int8"),
    ],
    "Speed": [
        Line("U-Net in int8, times as fast as Keras predict", "peers", "U-Net: int8 over keras predict"),
        Line("U-Net in int8, times as fast as fp32", "peers", "U-Net: ours int8 over our fp32",
             "U-Net: OpenVINO, our int8 file over our fp32", "{}, the same file in OpenVINO"),
        Line("PixelCNN draws, times as fast as a pass a pixel", "samplers", "keras-io size, batch 64: sampler over naive"),
        Line("`dimaging --help`", "size", "dimaging --help"),
    ],
    "Robustness": [
        Line("PGD, 40 steps, 100 images", "peers_attacks", "PGD-40 of 100 images, ours, onnxruntime",
             "PGD-40 of 100 images, foolbox", "{}, foolbox"),
        Line("digits right under all attacks, eps .3", "defenses", "adversarial_training: right under the ensemble, mean",
             rival="89.3, Madry et al., larger network (arXiv 1706.06083)"),
        Line("digits certified, eps .3", "certificate", "certified at .3, whole numbers"),
        Line("a cat named iguana, at 2 levels of 255", "iguana", "cat -> iguana at 2/255, probability"),
        Line("signs misread over distance and angle, attacked over views", "signs", "EOT: misread, mean of 16 cells",
             "PGD until it deceives: misread, mean of 16 cells", "{}, attacked in one view"),
    ],
}  # fmt: skip
HEAD = """# How good, how fast: one page

Made by `python benchmarks/table.py`. Each line names its topic in [the long tables](figures.md), where the command, the machine and
the goals stand. "Beside" is a rival measured in the same run, or what was published under the nearest conditions; a figure that
falls behind is listed all the same. "Measured" is the day: the code and the shipped weights of an older one may have changed since.
"""


def page(records: dict[str, dict[str, Any]]) -> str:
    """Return docs/summary.md from the records of benchmarks/results by topic; what is missing is left out."""
    parts = [HEAD]
    for title, lines in SUMMARY.items():
        parts.append(
            f"\n## {title}\n\n| what | ours | beside | topic | measured |\n|---|--:|---|---|---|\n"
        )
        for line in lines:
            rows = {row["figure"]: row for row in records.get(line.topic, {"rows": []})["rows"]}
            if row := _find(rows, line.figure):
                other = _find(rows, line.beside) if line.beside else None
                beside = line.rival.format(_value(other)) if other else line.rival
                beside = beside or published(line.topic, row["figure"]) or "—"
                link = f"[{line.topic}](figures.md#{line.topic})"
                day = records[line.topic]["environment"]["date"]
                parts.append(f"| {line.what} | {_value(row)} | {beside} | {link} | {day} |\n")
    return "".join(parts)


def missing(records: dict[str, dict[str, Any]]) -> list[str]:
    """Return the figures of the summary that no record holds."""
    found = []
    for line in (line for lines in SUMMARY.values() for line in lines):
        rows = {row["figure"]: row for row in records.get(line.topic, {"rows": []})["rows"]}
        found += [
            f"{line.topic}: {name}" for name in (line.figure, line.beside) if not _find(rows, name)
        ]
    return [name for name in found if not name.endswith(": ")]


def _find(rows: dict[str, dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((row for figure, row in rows.items() if name and figure.startswith(name)), None)


def _value(row: dict[str, Any] | None) -> str:
    if not row:
        return ""
    value = row["value"]
    return (
        f"{value:,.0f} {row['unit']}".strip()
        if value >= 1000
        else f"{value:.4g} {row['unit']}".strip()
    )
