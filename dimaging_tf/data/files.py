"""One image file to arrays, with what it holds: 8 or 16 bits, one channel (grey) or three (RGB).

Colours are taken as stored (sRGB, not linearised), transparency is laid over white, the EXIF
orientation is applied (not to 16-bit colour, which is taken as it lies in the file). What cannot be
read completely raises DataError with the file's name.
"""

import struct
from pathlib import Path
from typing import Literal

import numpy as np

from dimaging_tf.errors import DataError

MOST_PIXELS = 1 << 27
"""The most pixels of a file, in all of its pages together: 134 megapixels."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")


def read_image(path: Path) -> list[np.ndarray]:
    """Return the images of a file, each [H, W, 1 or 3] uint8 or uint16; only a TIFF has more than one.

    DataError when the file is empty, broken, cut short, has pixels without a fixed range, or more than
    MOST_PIXELS of them in all pages, which the header says before anything is decoded.
    """
    if not path.exists():
        raise DataError(f"{path} is a link to nothing")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty (0 bytes)")
    try:
        match _deep_colour(path):
            case "png":
                pages = _read_deep_png(path)
            case "tiff":
                pages = _read_deep_tiff(path)
            case None:
                pages = _read_with_pillow(path)
    except DataError:
        raise
    except Exception as error:  # on a broken file decoders raise anything, EOFError to SyntaxError
        raise DataError(f"{path} cannot be read as an image: {error or repr(error)}") from error
    kinds = {(page.dtype.name, page.shape[-1]) for page in pages}
    if len(kinds) > 1:
        raise DataError(
            f"{path} mixes pages of different kinds: {sorted(kinds)}; expected one kind"
        )
    return pages


def read_frames(path: Path) -> tuple[list[np.ndarray], float | None]:
    """Return the frames of a TIFF, WebP or GIF, each [H, W, 1 or 3], and frames a second where it says them.

    An animation whose frames are all grey has one channel. DataError as for `read_image`, and where frames
    are shown for different times.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        return read_image(path), None
    from PIL import Image, ImageSequence

    frames, durations = [], set()
    try:
        with Image.open(path) as file:
            for page in ImageSequence.Iterator(file):
                frames.append(_pixels(page.convert("RGBA"), path))
                durations.add(float(page.info.get("duration", 0)))
    except Exception as error:  # as above
        raise DataError(f"{path} cannot be read as a movie: {error or repr(error)}") from error
    if len(durations) > 1:
        raise DataError(
            f"{path} shows its frames for {min(durations):g} to {max(durations):g} ms; expected one duration "
            "(save it with equal ones, or as numbered images)"
        )
    if all((frame[..., :1] == frame).all() for frame in frames):
        frames = [frame[..., :1] for frame in frames]
    (duration,) = durations
    return frames, 1000 / duration if duration > 0 else None


def read_mask(path: Path) -> np.ndarray:
    """Return a one-channel file as labels [H, W] int32, as stored: 1-bit, palette index, 8 or 16 bits."""
    from PIL import Image

    try:
        with Image.open(path) as file:
            _check_pixels(path, [file.size])
            mask = np.asarray(file)
    except DataError:
        raise
    except Exception as error:  # as above
        raise DataError(f"{path} cannot be read as a mask: {error or repr(error)}") from error
    if mask.ndim != 2 or mask.dtype.kind not in "biu":
        raise DataError(
            f"{path} is no mask: expected one integer a pixel, "
            f"received {mask.dtype} of shape {list(mask.shape)}"
        )
    return mask.astype(np.int32)


def _read_with_pillow(path: Path) -> list[np.ndarray]:
    from PIL import Image, ImageOps, ImageSequence

    with Image.open(path) as file:
        # The frames of other formats are an animation, and its first one is the picture.
        pages = ImageSequence.Iterator(file) if file.format == "TIFF" else [file]
        sizes, found = [], []
        for page in pages:
            sizes.append(page.size)
            _check_pixels(path, sizes)
            found.append(_pixels(ImageOps.exif_transpose(page), path))
        return found


def _pixels(page, path: Path) -> np.ndarray:
    """Return a Pillow image of any mode as [H, W, 1 or 3]."""
    from PIL import Image

    if page.mode.startswith("I;16"):
        return np.asarray(page).astype(np.uint16)[..., None]
    if page.mode in ("I", "F"):
        kind = "float" if page.mode == "F" else "integer"
        raise DataError(
            f"{path} has 32-bit {kind} pixels, which have no fixed range; expected 8 or 16 bits "
            "(scale them to the full range and save a 16-bit PNG or TIFF)"
        )
    grey = page.mode in ("1", "L", "LA")
    if page.has_transparency_data:
        page = page.convert("RGBA")
        page = Image.alpha_composite(Image.new("RGBA", page.size, "white"), page)
    array = np.asarray(page.convert("L" if grey else "RGB"))
    return array[..., None] if grey else array


def _deep_colour(path: Path) -> Literal["png", "tiff"] | None:
    """Return which file holds 16-bit colour: Pillow makes 8 bits of it (PNG) or nothing at all (TIFF)."""
    with path.open("rb") as file:
        head = file.read(26)
    if head.startswith(b"\x89PNG\r\n"):
        depth, colour_type = head[24:25], head[25:26]
        return "png" if depth == b"\x10" and colour_type != b"\0" else None
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        import tifffile

        with tifffile.TiffFile(path) as file:
            page = file.pages[0].aspage()
            return "tiff" if page.dtype == np.uint16 and page.samplesperpixel > 1 else None
    return None


def _read_deep_png(path: Path) -> list[np.ndarray]:
    import tensorflow as tf

    with path.open("rb") as file:
        size = struct.unpack(">II", file.read(24)[16:])
    _check_pixels(path, [size])
    return [_over_white(tf.io.decode_png(path.read_bytes(), dtype=tf.uint16).numpy())]


def _read_deep_tiff(path: Path) -> list[np.ndarray]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        planar = file.pages[0].aspage().axes == "SYX"  # one plane a colour
        listed = [page.aspage() for page in file.pages]
        _check_pixels(path, [(page.imagelength, page.imagewidth) for page in listed])
        pages = [page.asarray() for page in listed]
    return [_over_white(np.moveaxis(page, 0, -1) if planar else page) for page in pages]


def _check_pixels(path: Path, sizes: list[tuple[int, int]]) -> None:
    """Raise DataError where pages of these sizes have more than MOST_PIXELS together."""
    pixels = sum(height * width for height, width in sizes)
    if pixels > MOST_PIXELS:
        pages = f"{len(sizes)} pages with " if len(sizes) > 1 else ""
        raise DataError(
            f"{path} has {pages}{pixels} pixels, at most {MOST_PIXELS} are read; cut it into smaller files"
        )


def _over_white(image: np.ndarray) -> np.ndarray:
    """Return [H, W, 1 to 4] uint16 laid over white, without its last channel, if that is transparency."""
    colours = 3 if image.shape[-1] > 2 else 1
    if image.shape[-1] == colours:
        return image
    alpha = image[..., colours : colours + 1] / 65535
    return np.rint(image[..., :colours] * alpha + 65535 * (1 - alpha)).astype(np.uint16)
