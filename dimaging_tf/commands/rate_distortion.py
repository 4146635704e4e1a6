"""The verb `dimaging rd`, which measures every codec on a folder of photographs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dimaging_tf.quiet import load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dimaging_tf.evaluation.codecs import Codec

HALVES = -64
"""The setting of quality 0 of pictures that are coded at half their width and height."""


def rd(
    folder: Annotated[
        Path, typer.Argument(help="Folder of photographs, best in a lossless format.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="Bundle of a codec  [default: the one that is shipped]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for rd.json and the plots.")] = Path("rd"),
    limit: Annotated[int | None, typer.Option(min=1, help="Most pictures to measure.")] = None,
    steps: Annotated[int, typer.Option(min=2, max=64, help="Number of the codec's qualities.")] = 8,
    as_json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Another file for rd.json; - prints that alone."
        ),
    ] = None,
    slow: Annotated[
        bool, typer.Option("--slow", help="Also AVIF at speed 0, which takes seconds a picture.")
    ] = False,
) -> None:
    """Measure rate and distortion of a folder.

    The learned codec and every codec that Pillow has here write real files. Measured are bytes, PSNR,
    MS-SSIM, seconds, and the difference of bytes at equal quality (BD-rate), of the mean curve and picture
    by picture. A run that was stopped goes on: rows are kept in rows.jsonl. Where the folder holds the 24
    classical photographs, kodim01 to kodim24, published curves are drawn beside.
    """
    from dimaging_edge.common.files import write_json
    from dimaging_edge.common.output import show, shows_progress
    from rich.console import Console
    from rich.progress import Progress

    from dimaging_tf.evaluation import plots, published, rate_distortion
    from dimaging_tf.evaluation.codecs import rivals

    images = rate_distortion.read_folder(folder, limit)  # what is no photograph is said at once
    load_tensorflow()
    codecs = [learned_codec(model, steps), *rivals(slow=slow)]
    with Progress(
        console=Console(stderr=True), transient=True, disable=not shows_progress()
    ) as bars:
        files = bars.add_task("files", total=None)
        progress = lambda done, total: bars.update(files, completed=done, total=total)  # noqa: E731
        rows = rate_distortion.measure(images, codecs, progress, out / "rows.jsonl")
    if published.is_classical(images):
        rows += published.published_rows()
    found = rate_distortion.summary(rows, codecs[0].name)
    record = {"bd_rate_percent": found, "rows": rows}
    write_json(out / "rd.json", record)
    for metric in rate_distortion.METRICS:
        plots.save_figure(plots.rate_distortion(rows, metric), out / f"{metric}.png")
    lines = []
    for rival, rates in found.items():
        words = (f"{'-' if x is None else f'{x:+.1f} %'} by {q}" for q, x in rates.items())
        each = rate_distortion.bd_rates(rows, rival, codecs[0].name)
        more = f"; more bytes on {sum(x > 0 for x in each)} of {len(each)}" if each else ""
        lines.append(f"bytes at equal quality, over {rival}: {', '.join(words)}{more}")
    show("\n".join([*lines, str(out / "rd.json")]), record, as_json)


def learned_codec(bundle: Path | None, steps: int = 8, halves: "Sequence[int]" = ()) -> "Codec":
    """Return `dimaging-edge compress` and `decompress` at `steps` qualities, for `rate_distortion.measure`.

    bundle: that of a codec; None: the shipped one for RGB. halves: qualities at which pictures are also coded
    at half their width and height; their settings are HALVES + quality, below 0. Grey pictures are stored
    as such.
    """
    import numpy as np
    from dimaging_edge.common.version import __version__
    from dimaging_edge.photo.bundle_model import find_bundle, open_model
    from dimaging_edge.photo.codec import compress, decompress
    from dimaging_edge.photo.symbol_model import Photo

    from dimaging_tf.evaluation.codecs import Codec, as_stored

    model = open_model(bundle or find_bundle(None), threads=1)
    settings = [HALVES + quality for quality in halves]
    settings += [round(63 * k / (steps - 1)) for k in range(steps)]

    def encode(image: np.ndarray, quality: float) -> bytes:
        photo, half = Photo(as_stored(image).reshape(*image.shape[:2], -1)), quality < 0
        return compress(model, photo, int(quality) - half * HALVES, half=half)

    def decode(data: bytes) -> np.ndarray:
        image = decompress(model, data)[0].image
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image

    return Codec(
        "dimaging", settings, encode, decode,
        f"{model.model_id.hex()} dimaging {__version__}",
    )  # fmt: skip
