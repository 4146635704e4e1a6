"""EXIF of pictures: read as far as it goes, turned upright, and left out of a file that cannot hold it.

A photo is worth more than its notes: damage there costs no picture, and is said.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_BAD_EXIF = ("Tag data larger than file", "Corrupt EXIF data")
"""How Pillow's warnings of EXIF that it reads in part begin."""
_OF_PIXELS = frozenset(
    (256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 513, 514)
)
"""The tags of a TIFF that say how its pixels lie: size, bits, compression, strips and tiles."""


def upright(stored: "Image.Image") -> "tuple[Image.Image, bytes | None, list[str]]":
    """Return a loaded picture upright, its EXIF, and a note where that is damaged and left out."""
    from PIL import ImageOps

    try:
        picture = ImageOps.exif_transpose(stored)
        exif = picture.getexif()
        return picture, exif.tobytes() if len(exif) else None, []
    except (
        Exception
    ):  # Pillow raises half a dozen unrelated types; a photo is worth more than its notes
        return stored, None, ["without its EXIF, which is damaged"]


def warned_of(warned: Iterable[warnings.WarningMessage]) -> list[str]:
    """Return a note where Pillow's warnings speak of EXIF that was read in part."""
    damaged = any(str(one.message).startswith(_BAD_EXIF) for one in warned)
    return ["without a part of its EXIF, which is damaged"] if damaged else []


def saved(picture: "Image.Image", path: Path, kept: dict[str, Any]) -> bool:
    """Write a picture and return whether its EXIF went along: a photo is worth more than its notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of EXIF that Pillow understands in part
        try:
            picture.save(path, **kept)
        except Exception:  # Pillow raises half a dozen unrelated types
            if kept.pop("exif", None) is None:
                raise
            picture.save(path, **kept)
            return False
    return True


def plain_exif(exif: bytes | None) -> bytes | None:
    """Return EXIF without what describes the pixels of a TIFF, which are others now; None for damage."""
    from PIL import Image

    found = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found.load(exif or b"")
            for tag in _OF_PIXELS & set(found):
                del found[tag]
            return found.tobytes() if len(found) else None
    except Exception:  # as above
        return None
