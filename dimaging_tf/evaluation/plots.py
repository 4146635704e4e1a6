"""The figures of the docs and the report, a function for each; `save_*` writes whole files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dimaging_edge.common.files import whole_file
from dimaging_edge.common.readable import readable_scale


def grid(
    cells: np.ndarray, gap: int = 2, rows: Sequence[str] = (), scale: int | None = None
) -> np.ndarray:
    """Put cells [rows, columns, h, w, C] in [0, 1] side by side: uint8 [H, W, C].

    White gaps of `gap` pixels separate them. rows: what each row shows, written to its left; (): nothing.
    scale: pixels of the picture for a pixel of a cell; None: as many as make small cells readable.
    """
    down, across, height, width = cells.shape[:4]
    pixels = enlarged(cells, scale or readable_scale(height, width, down, across))
    margins = ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0))
    padded = np.pad(pixels, margins, constant_values=255)
    count, columns, height, width, channels = padded.shape
    whole = padded.transpose(0, 2, 1, 3, 4).reshape(count * height, columns * width, channels)
    if not any(rows):
        return whole
    names = _row_names([*rows, *[""] * count][:count], height)
    return np.concatenate([names[..., None].repeat(channels, -1), whole], 1)


def enlarged(cells: np.ndarray, scale: int) -> np.ndarray:
    """Return cells [rows, columns, h, w, C] in [0, 1] as uint8, each pixel `scale` pixels a side."""
    return np.uint8(np.rint(np.clip(cells, 0, 1) * 255)).repeat(scale, 2).repeat(scale, 3)


def _row_names(rows: Sequence[str], height: int) -> np.ndarray:
    """Return the margin with the names of rows, black on white, uint8 [len(rows) * height, width]."""
    from PIL import Image, ImageDraw, ImageFont

    font, gap = ImageFont.load_default(13), 6
    width = int(max(font.getlength(row) for row in rows)) + 2 * gap
    picture = Image.new("L", (width, len(rows) * height), 255)
    draw = ImageDraw.Draw(picture)
    for number, row in enumerate(rows):
        place = (width - gap, (number + 0.5) * height)
        draw.text(place, row, fill=0, font=font, anchor="rm")
    return np.asarray(picture)


def tile(images: np.ndarray) -> np.ndarray:
    """Arrange images [N, h, w, C] in as square a grid as possible; white fills the last row."""
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    cells = np.ones((rows * columns, *images.shape[1:]), np.float32)
    cells[: len(images)] = images
    return cells.reshape(rows, columns, *images.shape[1:])


def tile_classes(images: np.ndarray, classes: int) -> np.ndarray:
    """Arrange images [N, h, w, C], drawn one class after the other, in a row a class; white fills up."""
    columns = -(-len(images) // classes)
    cells = np.ones((columns * classes, *images.shape[1:]), np.float32)
    cells[: len(images)] = images
    return cells.reshape(columns, classes, *images.shape[1:]).swapaxes(0, 1)


def save_grid(
    cells: np.ndarray,
    path: str | Path,
    rows: Sequence[str] = (),
    scale: int | None = None,
    sentences: Sequence[str] | None = None,
) -> None:
    """Write `grid(cells, rows=rows, scale=scale)` as PNG; with sentences, which leave rows no room, those."""
    from PIL import Image

    from dimaging_tf.evaluation.sentences import grid_with_sentences

    if sentences:
        pixels = grid_with_sentences(cells, sentences, scale=scale)
    else:
        pixels = grid(cells, rows=rows, scale=scale)
    with whole_file(path) as temporary:
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(temporary)


def save_animation(pictures: Sequence[Path], path: str | Path, most: int = 48) -> None:
    """Write picture files of one size as an endless animation; the suffix of `path` chooses WebP or GIF.

    The last picture stays longest. Where there are more than `most` pictures, some between are left out.
    """
    from PIL import Image

    places = np.linspace(0, len(pictures) - 1, min(len(pictures), most)).astype(int)
    frames = []
    for place in places:
        with Image.open(pictures[place]) as picture:
            frames.append(picture.convert("RGB"))
    frames = [frame for frame in frames if frame.size == frames[-1].size]
    duration = [120] * (len(frames) - 1) + [1500]  # milliseconds
    with whole_file(path) as temporary:
        frames[0].save(
            temporary, save_all=True, append_images=frames[1:], duration=duration, loop=0
        )


def loss_curves(
    records: Sequence[Mapping[str, Any]], title: str = "", names: Sequence[str] = (), unit: str = ""
) -> Any:
    """Plot losses of metrics.jsonl (one record or more) over the epochs, validation dashed.

    names: the metrics to plot, by default all; without those that the records lack. unit: theirs.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure, axes = _figure(title)
    epochs = [record["epoch"] for record in records]
    place = ("epoch", "step", "seconds")
    known = [n for n in records[0] if not n.startswith("val_") and n not in place]
    names = [n for n in names if n in known] or known
    for name in names:
        values = [record[name] for record in records]
        (line,) = axes.plot(epochs, values, ".-", label=name)
        if f"val_{name}" in records[0]:
            values = [record.get(f"val_{name}", np.nan) for record in records]
            axes.plot(epochs, values, ".--", color=line.get_color(), label=f"{name}, validation")
    values = [record[name] for record in records for name in names]
    if min(values) > 0 and max(values) > 5 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set(xlabel="epoch", ylabel=unit, xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    return figure


def latent_plane(mean: np.ndarray, label: np.ndarray | None, title: str = "") -> Any:
    """Plot codes [N, D] on their first two principal components, coloured by class label [N]."""
    centred = mean - mean.mean(0)
    _, _, axes_of_variance = np.linalg.svd(centred, full_matrices=False)
    x, y = (centred @ axes_of_variance[:2].T).T
    figure, axes = _figure(title)
    points = axes.scatter(x, y, s=4, c=label, cmap="tab10" if label is not None else None)
    if label is not None:
        figure.colorbar(points, label="class")
    axes.set(xlabel="first principal component", ylabel="second")
    return figure


def rate_distortion(rows: Sequence[dict[str, Any]], metric: str = "psnr") -> Any:
    """Plot PSNR or MS-SSIM over bits a pixel, a line for each codec of rows of `rate_distortion.measure`.

    Codecs whose rows have no such metric are left out; published curves are dashed.
    """
    from dimaging_tf.evaluation.rate_distortion import curve

    figure, axes = _figure("")
    for codec in dict.fromkeys(row["codec"] for row in rows):
        mine = [row for row in rows if row["codec"] == codec and metric in row]
        line = "--" if codec.endswith("published") else ".-"
        if mine:
            axes.plot(*curve(mine, codec, metric), line, label=codec)
    axes.set_xscale("log")
    axes.set(xlabel="bits a pixel", ylabel={"psnr": "PSNR, dB", "ms_ssim": "MS-SSIM"}[metric])
    axes.legend(frameon=False, fontsize="small")
    return figure


def curves(
    lines: Mapping[str, np.ndarray], title: str = "", *, x: str = "", y: str = "", log: bool = False,
    first: int = 1,
) -> Any:  # fmt: skip
    """Plot each line [N] over `first`, `first` + 1, ..., under its name; log: on a logarithmic axis."""
    figure, axes = _figure(title)
    for name, values in lines.items():
        axes.plot(first + np.arange(len(values)), values, label=name)
    if log:
        axes.set_yscale("log")
    axes.set(xlabel=x, ylabel=y)
    axes.legend(frameon=False, fontsize="small")
    return figure


def view_maps(maps: Mapping[str, Any], title: str = "") -> Any:
    """Plot maps of distance and angle side by side (`dimaging_edge.robustness.view_map`): share misread."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.6 + 2.3 * len(maps), 3.0), layout="constrained")
    figure.suptitle(title)
    panels = np.atleast_1d(figure.subplots(1, len(maps)))
    for axes, (name, found) in zip(panels, maps.items(), strict=True):
        image = axes.imshow(found.rates, cmap="magma", vmin=0, vmax=1, aspect="auto")
        axes.set(title=name, xlabel="angle, degrees")
        axes.set_xticks(range(len(found.yaws)), [f"{yaw:g}" for yaw in found.yaws])
        axes.set_yticks(range(len(found.distances)), [f"{d:g}" for d in found.distances])
        for row, column in np.ndindex(found.rates.shape):
            share = found.rates[row, column]
            colour = "black" if share > 0.6 else "white"
            axes.text(
                column, row, f"{share:.0%}", ha="center", va="center", color=colour, fontsize=8
            )
    panels[0].set_ylabel("distance")
    figure.colorbar(image, ax=list(panels), label="share misread")
    return figure


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a matplotlib figure; the suffix of `path` chooses the format."""
    with whole_file(path) as temporary:
        figure.savefig(temporary)


def _figure(title: str) -> Any:
    # pyplot would keep every figure alive and look for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
