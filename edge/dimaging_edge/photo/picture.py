"""Pictures in files become a `Photo` and go back. Pillow is imported inside; .npy needs none.

A photo is turned upright as its EXIF orientation says, and that entry is dropped; ICC profile and the rest of
EXIF are kept; what is not (further frames, XMP, texts, dots an inch) is said. Only grey pictures and .npy
have 16 bits: Pillow would read 16-bit colour as 8 bits, so that is refused.
"""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_edge.common.errors import DimagingError, InputError
from dimaging_edge.common.files import whole_file
from dimaging_edge.photo import large_png
from dimaging_edge.photo.container import MOST_PIXELS
from dimaging_edge.photo.exif import plain_exif, saved, upright, warned_of
from dimaging_edge.photo.stored_bits import stored_bits
from dimaging_edge.photo.symbol_model import Photo

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".npy")
"""The suffixes of the pictures that are taken from a folder."""
_XMP = "XML:com.adobe.xmp"
"""The keyword of the text of a PNG that holds XMP."""
_LOST = {"xmp": "XMP", _XMP: "XMP", "dpi": "dots an inch"}
"""What Pillow finds in a file and a `Photo` does not hold: its name there, and in words."""
_FOREIGN = ("CMYK", "LAB", "YCbCr", "HSV")
"""Colours whose profile says nothing about the RGB that they become."""
_CHANGED = {"1": "black and white as shades of grey", "P": "a palette as full colour"} | {
    mode: f"{mode} as RGB" for mode in _FOREIGN
}
"""Pictures that a codec of photographs does not suit: Pillow's mode, and what becomes of them, in words."""
_ARRAY = b"\x93NUMPY"
"""How a .npy begins, whatever its name is."""
_DEEP = (".npy", ".png", ".apng", ".tif", ".tiff", ".jp2", ".j2k", ".pgm", ".pnm", ".im")
"""The suffixes of files that hold grey of 16 bits; Pillow cuts it to 8 for others without a word."""
_OPAQUE = (".gif", ".bmp", ".ppm", ".pgm", ".pnm", ".pbm")
"""The suffixes of files for which Pillow drops alpha without a word, or all but one level of it."""
_SCALED = (".ico", ".icns", ".cur")
"""The suffixes of files for which Pillow scales a picture."""
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


def read_picture(path: Path) -> Photo:
    """Return the picture of a file; InputError where it cannot be read."""
    if not path.is_file():
        raise InputError(f"no file {path}")
    if _is_array(path):
        return _from_array(path)
    try:
        from PIL import Image
    except ImportError:
        raise InputError(
            f"reading {path.name} needs Pillow: pip install 'dimaging[images]', or give the picture as .npy"
        ) from None
    try:
        if (large := _read_large(path)) is not None:
            return large
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # it is our own photo
            with Image.open(path) as stored:
                check_size(stored.size)
                notes = [*_bits(stored, path), *_left_out(stored)]
                profile = None if stored.mode in _FOREIGN else stored.info.get("icc_profile")
                stored.load()  # what fails after this is its EXIF
                picture, exif, lost = upright(stored)
                photo = _from_picture(picture)
        lost = lost or warned_of(warned)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # Pillow raises half a dozen unrelated types
        raise InputError(f"{path} is no readable picture: {error}") from None
    return replace(photo, icc=profile or None, exif=exif, notes=(*notes, *lost))


def _is_array(path: Path) -> bool:
    if path.suffix.lower() == ".npy":
        return True
    with path.open("rb") as file:
        return file.read(len(_ARRAY)) == _ARRAY


def _read_large(path: Path) -> Photo | None:
    """Return the picture of a large PNG, band by band; None for any other file."""
    with path.open("rb") as file:
        found = large_png.look(file)
        if found is None or not found.suits:
            return None
        check_size((found.width, found.height))
        lost = {"dots an inch"} if b"pHYs" in found.kinds else set()
        notes = _without(lost, set(found.texts))
        return replace(large_png.read_large(file, found), notes=tuple(notes))


def check_size(size: tuple[int, int]) -> None:
    """Raise InputError for a picture that its header says is too large, before it is decoded."""
    if size[0] * size[1] > MOST_PIXELS:
        raise InputError(
            f"it has {size[0]} x {size[1]} pixels, at most {MOST_PIXELS} are read; scale it down or cut it"
        )


def _bits(stored: "Image.Image", path: Path) -> list[str]:
    """Return a note on colour of 10 or 12 bits that is taken as 8; InputError for other colour of so many."""
    bits = stored_bits(stored, path)
    if bits == 8:
        return []
    if stored.format == "AVIF":
        return [f"{bits} bits a sample as 8"]
    raise InputError(
        f"it has colour of {bits} bits a sample, which cannot be read; convert it to 8 bits, or give a .npy "
        "of uint16 [H, W, 3]"
    )


def _left_out(stored: "Image.Image") -> tuple[str, ...]:
    """Return what a file holds that a `Photo` does not, in words."""
    frames = getattr(stored, "n_frames", 1)
    notes = [f"the first of {frames} frames"] if frames > 1 else []
    notes += [_CHANGED[stored.mode]] if stored.mode in _CHANGED else []
    lost = {
        name for key, name in _LOST.items() if stored.info.get(key) not in (None, "", b"", (1, 1))
    }
    lost |= (
        {"colour profile"} if stored.mode in _FOREIGN and stored.info.get("icc_profile") else set()
    )
    return (*notes, *_without(lost, set(getattr(stored, "text", None) or {})))


def _without(lost: set[str], texts: set[str]) -> list[str]:
    """Return the note on what is lost, in words, and on the texts of these keywords; [] for nothing."""
    words = sorted(lost | {_LOST[text] for text in texts & set(_LOST)})
    if others := sorted(texts - set(_LOST)):
        words.append(f"the texts {', '.join(others)}")
    return [f"without {' and '.join(words)}"] if words else []


def _from_picture(picture: "Image.Image") -> Photo:
    mode = picture.mode
    if mode.startswith("I"):
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(
                f"expected values of 0 to 65535, received {values.min()} to {values.max()}"
            )
        clear = picture.info.get("transparency")
        alpha = (
            np.where(values == clear, 0, 255).astype(np.uint8) if isinstance(clear, int) else None
        )
        return Photo(values.astype(np.uint16)[..., None], alpha)
    if mode == "F":
        raise InputError("a picture of floats has no range; give a .npy of uint16")
    grey = mode in ("1", "L", "LA", "La")
    if mode in _ALPHA or "transparency" in picture.info:
        values = np.asarray(picture.convert("LA" if grey else "RGBA"))
        return Photo(values[..., :-1], np.ascontiguousarray(values[..., -1]))
    values = np.asarray(picture.convert("L" if grey else "RGB"))
    return Photo(values.reshape(*values.shape[:2], -1))


def _from_array(path: Path) -> Photo:
    try:
        stored = np.load(path, "r", allow_pickle=False)  # no memory for what a header only says
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    kind, shape = stored.dtype.newbyteorder("="), list(stored.shape)
    values = stored.astype(kind) if kind in ("u1", "u2") else stored
    values = values[..., None] if values.ndim == 2 else values
    if kind not in ("u1", "u2") or values.ndim != 3 or not 1 <= values.shape[2] <= 4:
        raise InputError(
            f"{path}: expected uint8 or uint16 [H, W, 1 to 4], received {kind} {shape}"
        )
    if values.shape[2] in (2, 4):
        return Photo(values[..., :-1], np.ascontiguousarray(values[..., -1]))
    return Photo(values)


def to_depth(photo: Photo, depth: int) -> Photo:
    """Return the picture with 8 or 16 bits a sample; white stays white."""
    if photo.image.itemsize * 8 == depth:
        return photo
    if depth == 16:
        return replace(photo, image=photo.image.astype(np.uint16) * np.uint16(257))
    wide = photo.image.astype(np.uint32)
    return replace(photo, image=((wide * 255 + 32767) // 65535).astype(np.uint8))


def write_picture(photo: Photo, path: Path, quality: int = 95) -> tuple[str, ...]:
    """Write a picture, whole or not at all; return what it had to leave out, in words.

    InputError for pixels that its format cannot hold.

    quality: 1 to 100, of a format that loses some, such as JPEG and WebP.
    """
    values, suffix = photo.image, path.suffix.lower()
    if suffix in _SCALED:
        raise InputError(f"{path}: an icon has sizes of its own; choose .png or .npy")
    if photo.alpha is not None and suffix in _OPAQUE:
        raise InputError(f"{path}: a {suffix} holds no transparency of 8 bits; choose .png or .npy")
    if _is_large_png(photo, path):
        with whole_file(path) as temporary:
            large_png.write_large(photo, temporary)
        return ()
    if photo.alpha is not None:
        alpha = photo.alpha[..., None]
        if alpha.dtype != values.dtype:
            alpha = to_depth(Photo(alpha), 8 * values.itemsize).image
        values = np.concatenate([values, alpha], axis=-1)
    if suffix == ".npy":
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, values, allow_pickle=False)
        return ()
    if not 1 <= quality <= 100:
        raise InputError(f"the quality of a picture is 1 to 100, received {quality}")
    try:
        from PIL import Image
    except ImportError:
        raise InputError(f"writing {path.name} needs Pillow; choose a .npy") from None
    if suffix not in Image.registered_extensions():
        raise InputError(f"{path}: no picture has the suffix {path.suffix!r}; choose .png or .npy")
    if values.dtype == np.uint16 and values.shape[2] > 1:
        raise InputError(f"{path}: 16-bit colour or alpha cannot be written so; choose a .npy")
    if values.dtype == np.uint16 and suffix not in _DEEP:
        raise InputError(f"{path}: a {suffix} holds no grey of 16 bits; choose .png, .tif or .npy")
    exif = plain_exif(photo.exif) if suffix in (".tif", ".tiff") else photo.exif
    kept: dict[str, Any] = {"icc_profile": photo.icc, "exif": exif, "quality": quality}
    kept = {key: value for key, value in kept.items() if value}
    try:
        picture = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
        with whole_file(path) as temporary:
            exif = exif if saved(picture, temporary, kept) else None
    except (DimagingError, ValueError, KeyError) as error:
        raise InputError(f"{error}; {path.name} as .png or .npy?") from None
    return ("without its EXIF, which it cannot hold",) if photo.exif and not exif else ()


def _is_large_png(photo: Photo, path: Path) -> bool:
    """Return whether a picture is written band by band, since Pillow would take four bytes a pixel more."""
    height, width, _ = photo.image.shape
    bytes_alone = photo.image.itemsize == 1 and (photo.alpha is None or photo.alpha.itemsize == 1)
    return path.suffix.lower() == ".png" and bytes_alone and height * width > large_png.LARGE
