"""Pictures of an attack: a photograph made fit for a model, and a strip: before, after, the difference."""

import io
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dimaging_edge.commands.array_files import save_picture, to_picture
from dimaging_edge.commands.grids import written
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.files import whole_file
from dimaging_edge.common.readable import READABLE

SMALL = 64
"""Side in pixels below which the whole middle of a picture is taken, and no border cut off."""
_CAPTION = 144
"""Width in pixels to which small pictures of the strip are enlarged, so that a caption fits below."""
_BAR = 20
"""Height of a caption, pixels."""


def fit_picture(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of a picture [H, W, C], uint8 or float in [0, 1], of another size, in steps of 8 bits.

    It is scaled (bicubic) to 8/7 of the size before it is cut, as photographs are for ImageNet.
    """
    from PIL import Image

    share = 8 / 7 if height >= SMALL else 1
    short = round(height * share), round(width * share)
    scale = max(short[0] / image.shape[0], short[1] / image.shape[1])
    rows, columns = (max(s, round(n * scale)) for s, n in zip(short, image.shape[:2], strict=True))
    top, left = (rows - height) // 2, (columns - width) // 2
    full = 255 if image.dtype == np.uint8 else 1
    planes = [
        Image.fromarray(plane.astype(np.float32)).resize((columns, rows), Image.Resampling.BICUBIC)
        for plane in np.moveaxis(image, -1, 0)
    ]
    pixels = np.stack([np.asarray(plane) for plane in planes], -1)[
        top : top + height, left : left + width
    ]
    steps = np.rint(pixels.clip(0, full) * (255 / full))
    return (steps / np.float32(255 / full)).astype(image.dtype)


def in_grey_levels(moved: np.ndarray, image: np.ndarray, norm: str, eps: float) -> np.ndarray:
    """`moved` in steps of 1/255, as a picture holds it, and no further than eps from `image`, [H, W, C] each.

    Values are of [0, 1], as is eps. Rounding alone can move a pixel beyond eps; such changes are shortened.
    Of an `image` that is itself between two grey levels the nearest is the least that can be written.
    """
    start, wanted = (np.float64(255) * values for values in (image, moved))
    levels = np.rint(wanted)
    room = 255 * eps + 1e-3  # float32 is off by less
    if norm == "linf":
        nearest = np.rint(start)
        low, high = np.ceil(start - room), np.floor(start + room)
        levels = np.clip(levels, np.minimum(low, nearest), np.maximum(high, nearest))
    elif np.linalg.norm(levels - start) > room:
        levels = np.where(
            np.abs(levels - start) > np.abs(wanted - start),
            levels - np.sign(wanted - start),
            levels,
        )
    return (levels / 255).clip(0, 1).astype(np.float32)


def as_written(image: np.ndarray, suffix: str) -> np.ndarray:
    """What a file of this suffix holds of an image [H, W, C] in [0, 1], float32: pictures have 8 bits.

    A .npy holds all; a picture is coded and read again, for some codecs lose more.
    """
    if suffix.lower() == ".npy":
        return image
    from PIL import Image

    picture, buffer = to_picture(image), io.BytesIO()
    try:
        picture.save(buffer, Image.registered_extensions()[suffix.lower()])
        with Image.open(buffer) as again:
            pixels = np.asarray(again.convert(picture.mode), np.float32)
    except OSError as error:  # Pillow knows the suffix and cannot write it, or not these colours
        raise InputError(
            f"--out: no {suffix} of this image: {error}; choose .png or .npy"
        ) from None
    return (pixels / np.float32(255)).reshape(image.shape)


def is_array(out: Path) -> bool:
    """Whether a file of this name holds exact numbers, and no picture."""
    return out.suffix.lower() == ".npy"


def comparison(out: Path) -> Path:
    """Return the file beside `out` that shows before, after and the difference."""
    return out.with_name(f"{out.stem}-compare{'.png' if is_array(out) else out.suffix}")


def write_attack(
    before: np.ndarray, after: np.ndarray, words: tuple[str, str, str], out: Path, exact: np.ndarray
) -> None:
    """Write `after` to `out`, and NAME-compare beside it: before, after, the difference around grey.

    Images are [H, W, C] in [0, 1]; words: what stands below each of the three; exact: what a .npy gets.
    `after` keeps its size, the strip shows small images enlarged. Beside a .npy the strip is a .png, and is
    left out for what is no picture, or without Pillow.
    """
    if is_array(out):
        with whole_file(out) as temporary, temporary.open("wb") as file:
            np.save(file, exact, allow_pickle=False)  # to a name it would add its own suffix
        if before.ndim != 3 or before.shape[-1] not in (1, 3, 4) or find_spec("PIL") is None:
            print(out)
            return
    else:
        save_picture(after, out)
    scale = max(1, math.ceil(_CAPTION / before.shape[1])) if before.shape[1] < READABLE else 1
    before, after = (x.repeat(scale, 0).repeat(scale, 1) for x in (before, after))
    delta = after - before
    shown = 0.5 + delta / (2 * max(float(np.abs(delta).max()), 1e-9))
    gap = np.ones((before.shape[0], 2, before.shape[2]), np.float32)
    strip = np.concatenate([before, gap, after, gap, shown], axis=1)
    strip = np.concatenate([strip, _captions(words, before.shape[1], strip)])
    file = comparison(out)
    save_picture(strip, file)
    print(f"{out}\n{file}")


def _captions(words: tuple[str, ...], width: int, strip: np.ndarray) -> np.ndarray:
    """Return a white bar [_BAR, W, C] with a line of text for each picture of this width."""
    bar = np.ones((_BAR, strip.shape[1], strip.shape[2]), np.float32)
    for number, text in enumerate(words):
        bar[:, number * (width + 2) :][:, :width] = written(text, width, _BAR)[..., None]
    return bar
