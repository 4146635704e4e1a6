"""Images in one picture for people: enlarged to a readable size, side by side, each with its name below."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dimaging_edge.commands.array_files import check_writable, save_picture
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.files import whole_file
from dimaging_edge.common.readable import MOST_IMAGES, readable_scale

TEXT = 12
"""Size of the names in pixels."""
LINE = 16
"""Height in pixels of the line of names below a row of images."""


def check_request(out: str, n: int, scale: int | None) -> None:
    """Raise InputError, before anything is drawn, for what `write_images` could not write."""
    if n < 1:
        raise InputError(f"--n: expected 1 image or more, received {n}")
    if Path(out).suffix == ".npy":
        return
    check_writable(Path(out))
    if n > MOST_IMAGES:
        raise InputError(
            f"--n: a picture holds at most {MOST_IMAGES:,} images, received {n:,}; choose an array "
            "(--out images.npy)"
        )
    _check_scale(scale)


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

    scale: pixels for a pixel of an image, 1 to 64; None: as many as make small images
    readable (`readable_scale`). InputError for another number.
    names: what is written below each image, shortened to its width; (): nothing. They need Pillow.
    """
    _check_scale(scale)
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    gap = scale = scale or readable_scale(images.shape[1], images.shape[2], rows, columns)
    images = images.repeat(scale, 1).repeat(scale, 2)
    height, width, channels = images.shape[1:]
    line = LINE if any(names) else 0
    down, right = height + line + gap, width + gap
    whole = np.full((rows * down - gap, columns * right - gap, channels), 0.5, np.float32)
    for i, image in enumerate(images):
        r, c = divmod(i, columns)
        whole[r * down :, c * right :][:height, :width] = image
        if line:
            cell = whole[r * down + height :, c * right :][:line, :width]
            cell[:] = written(names[i] if i < len(names) else "", cell.shape[1])[..., None]
    return whole


def _check_scale(scale: int | None) -> None:
    if scale is not None and not 1 <= scale <= 64:
        raise InputError(f"--scale: expected 1 to 64, received {scale}")


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
