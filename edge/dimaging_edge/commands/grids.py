"""Images in one picture for people: enlarged to a readable size, side by side, each with its name below."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dimaging_edge.commands.array_files import save_picture
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.files import whole_file

READABLE = 96
"""Side in pixels to which small images are enlarged."""
TEXT = 12
"""Size of the names in pixels."""
LINE = 16
"""Height in pixels of the line of names below a row of images."""


def write_images(
    images: np.ndarray, out: str, scale: int | None = None, names: Sequence[str] = ()
) -> int:
    """Write images [N, H, W, C] in [0, 1] as a grid, or into a .npy as they are; print the name, return 0.

    scale, names: as for `grid`.
    """
    if Path(out).suffix == ".npy":
        with whole_file(out) as temporary:
            np.save(temporary, images, allow_pickle=False)
    else:
        save_picture(grid(images, scale, names), Path(out))
    print(out)
    return 0


def grid(images: np.ndarray, scale: int | None = None, names: Sequence[str] = ()) -> np.ndarray:
    """Return one image, nearly square, of images [N, H, W, C]; a grey line lies between neighbours.

    scale: pixels for a pixel of an image, 1 to 64; None: as many as make small images READABLE. InputError
    for another number.
    names: what is written below each image, shortened to its width; (): nothing. They need Pillow.
    """
    if scale is None:
        scale = max(1, READABLE // max(images.shape[1:3]))
    if not 1 <= scale <= 64:
        raise InputError(f"--scale: expected 1 to 64, received {scale}")
    images = images.repeat(scale, 1).repeat(scale, 2)
    n, height, width, channels = images.shape
    line = LINE if any(names) else 0
    columns = int(np.ceil(np.sqrt(n)))
    rows, gap = -(-n // columns), scale
    down, right = height + line + gap, width + gap
    whole = np.full((rows * down - gap, columns * right - gap, channels), 0.5, np.float32)
    for i, image in enumerate(images):
        r, c = divmod(i, columns)
        whole[r * down :, c * right :][:height, :width] = image
        if line:
            cell = whole[r * down + height :, c * right :][:line, :width]
            cell[:] = written(names[i] if i < len(names) else "", cell.shape[1])[..., None]
    return whole


def written(text: str, width: int, height: int = LINE) -> np.ndarray:
    """Return a line of black text on white, [height, width] in [0, 1], shortened where it is too long.

    InputError without Pillow.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise InputError("names below images need Pillow; choose a .npy") from None
    picture = Image.new("L", (width, height), 255)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(TEXT)
    shown = text
    while shown and draw.textlength(shown, font=font) > width - 2:
        text = text[:-1]
        shown = f"{text}..." if text else ""
    left = (width - draw.textlength(shown, font=font)) / 2
    draw.text((left, (height - LINE) // 2), shown, fill=0, font=font)
    return np.asarray(picture, np.float32) / 255
