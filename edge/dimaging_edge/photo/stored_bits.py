"""How many bits a sample has in a picture's file: Pillow reads colour as 8 bits and says nothing of the rest.

Of a TIFF that stores each colour by itself it even takes the halves of 16-bit samples for samples.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_DEEP = re.compile(r";16[BLN]")
"""What Pillow calls samples of 16 bits; RGB;16 and BGR;16 are pixels of 16 bits."""
_HEAD = 1 << 16
"""The bytes in which a file says how it is coded."""
_SIZ, _DEPTH_AT = b"\xff\x4f\xff\x51", 42
"""How a code stream of JPEG 2000 begins, and the byte of it that holds bits of a sample, less 1."""
_AV1C, _FLAGS_AT = b"av1C", 6
"""The box of an AVIF that says how it is coded, and its byte with the flags of more bits."""


def stored_bits(stored: "Image.Image", path: Path) -> int:
    """Return the bits of a sample of an open picture in colour, as its file at `path` has them.

    8 is also less, and grey, which Pillow reads as deep as it is.
    """
    if stored.mode[0] in "IF":
        return 8
    numbers = [8]
    for tile in getattr(stored, "tile", []):
        parts = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(part, str) and _DEEP.search(part) for part in parts):
            return 16
        if stored.format == "PPM" and isinstance(parts[-1], int) and len(parts) == 2:
            numbers.append(parts[-1].bit_length())  # of the largest value
    if stored.format == "TIFF":
        numbers += getattr(stored, "tag_v2", {}).get(258, ())
    if stored.format in ("JPEG2000", "AVIF"):
        with path.open("rb") as file:
            numbers.append(_coded_bits(file.read(_HEAD)))
    return max(numbers)


def _coded_bits(head: bytes) -> int:
    if (at := head.find(_SIZ)) >= 0:
        return 1 + (head[at + _DEPTH_AT] & 127) if at + _DEPTH_AT < len(head) else 8
    if (at := head.find(_AV1C)) >= 0 and at + _FLAGS_AT < len(head):
        flags = head[at + _FLAGS_AT]
        return (12 if flags & 32 else 10) if flags & 64 else 8
    return 8
