"""Pictures with a sentence below each: what a captioner says of what it is shown."""

from collections.abc import Sequence

import numpy as np

from dimaging_tf.evaluation.plots import enlarged

_WIDEST = 192
"""Pixels to which a small cell is enlarged, so that a sentence has room below it."""


def grid_with_sentences(
    cells: np.ndarray, sentences: Sequence[str], gap: int = 4, scale: int | None = None
) -> np.ndarray:
    """Put cells [rows, columns, h, w, C] in [0, 1] side by side, words below: uint8 [H, W, 3].

    sentences: one a cell, row by row, each below its own; or one a column, below the last row. ValueError for
    another number of them. scale: pixels for a pixel of a cell, by default as many as make it wide. Grey
    cells become colours of the same three values.
    """
    rows, columns, _, width, channels = cells.shape
    if len(sentences) not in (columns, rows * columns):
        raise ValueError(
            f"expected a sentence for each of the {rows * columns} cells, or of the {columns} columns. "
            f"Received: {len(sentences)}"
        )
    scale = scale or max(1, _WIDEST // width)
    pixels = enlarged(cells, scale)
    if channels == 1:
        pixels = pixels.repeat(3, -1)
    wide = width * scale
    below = [sentences[k : k + columns] for k in range(0, len(sentences), columns)]
    below = [[]] * (rows - len(below)) + below
    strips = []
    for row, words in zip(pixels, below, strict=True):
        strips.append(np.pad(row, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255))
        if words:
            right = ((0, 0), (0, 0), (0, gap), (0, 0))
            strips.append(np.pad(_lines(words, wide), right, constant_values=255))
    return np.concatenate([np.concatenate(list(strip), 1) for strip in strips])


def _lines(sentences: list[str], width: int) -> np.ndarray:
    """Return white strips uint8 [N, h, width, 3] of one height, in each a sentence in black."""
    from PIL import Image, ImageDraw, ImageFont

    size = max(11, round(width / 12))
    font = ImageFont.load_default(size)
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    broken = []
    for sentence in sentences:
        lines = [""]
        for word in sentence.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and pen.textlength(longer, font) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        broken.append("\n".join(lines))
    leading = round(1.35 * size)
    height = leading * max(text.count("\n") + 1 for text in broken) + size // 2
    strips = []
    for text in broken:
        strip: Image.Image = Image.new("RGB", (width, height), (255, 255, 255))
        pen = ImageDraw.Draw(strip)
        for k, line in enumerate(text.split("\n")):
            pen.text((1, k * leading), line, (0, 0, 0), font)
        strips.append(np.asarray(strip))
    return np.stack(strips)
