"""Large PNG files, band by band: a picture of 100 megapixels takes its 300 MB and a little more.

Pillow holds a whole picture at four bytes a pixel, beside ours. So the rows of a file are inflated here a
band at a time, and Pillow undoes the filters of each band: it gets a small PNG of the band below its last
row before. Written rows have the filter none, left or up, the best of them.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dimaging_edge.common.errors import InputError
from dimaging_edge.photo.symbol_model import Photo

LARGE = 1 << 24
"""Pictures of more pixels are read and written band by band."""
_MAGIC = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">IIBBBBB")  # width, height, bits, colour type, three that are 0
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}
"""Samples of a pixel for each colour type that is read here."""
_EXIF = b"Exif\0\0"
"""The bytes that stand before EXIF wherever a `Photo` keeps it, as in a JPEG; a PNG leaves them out."""
_MOST_PROFILE = 1 << 24
"""The most bytes of an ICC profile; a larger one is left out."""
_MOST_KEYWORD = 80
"""The bytes of a text in which its keyword ends: at most 79, and a zero."""
_BAND, _PIECE = 128, 1 << 16


@dataclass
class Found:
    """What the chunks of a PNG say, and where its pixels lie in the file: (position, bytes)."""

    width: int = 0
    height: int = 0
    samples: int = 0  # of a pixel; 0: none that is read here
    pixels: list[tuple[int, int]] = field(default_factory=list)
    icc: bytes | None = None
    exif: bytes | None = None
    kinds: set[bytes] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)

    @property
    def suits(self) -> bool:
        """Whether the picture is of 8 bits a sample, not interlaced, still, and stored upright."""
        plain = not self.kinds & {b"tRNS", b"acTL"} and _orientation(self.exif) == 1
        return self.samples > 0 and plain


def look(file: BinaryIO) -> Found | None:
    """Return what the chunks of a file say; None for another kind of file, a small picture, or damage."""
    if file.read(len(_MAGIC)) != _MAGIC:
        return None
    found = Found()
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        start = file.tell()
        found.kinds.add(kind)
        if kind == b"IDAT":
            found.pixels.append((start, length))
        elif kind == b"IHDR" and length == _HEAD.size:
            found.width, found.height, bits, colour, *more = _HEAD.unpack(file.read(length))
            found.samples = _SAMPLES.get(colour, 0) if bits == 8 and not any(more) else 0
            if found.width * found.height <= LARGE:
                return None
        elif kind == b"eXIf":
            found.exif = _EXIF + file.read(length).removeprefix(_EXIF)
        elif kind == b"iCCP":
            found.icc = _inflated(file.read(length).partition(b"\0")[2][1:])
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword = file.read(min(length, _MOST_KEYWORD)).partition(b"\0")[0]
            found.texts.append(keyword.decode("latin-1"))
        elif kind == b"IEND":
            return found
        file.seek(start + length + 4)
    return None


def _inflated(data: bytes) -> bytes | None:
    inflate = zlib.decompressobj()
    try:
        found = inflate.decompress(data, _MOST_PROFILE)
    except zlib.error:
        return None
    return found if inflate.eof else None


def _orientation(exif: bytes | None) -> int:
    if not exif:
        return 1
    from PIL import Image

    found = Image.Exif()
    found.load(exif)
    return found.get(0x0112, 1)


def read_large(file: BinaryIO, found: Found) -> Photo:
    """Return the picture of a file that `suits`; InputError where its pixels end early or are damaged."""
    image = np.empty(
        (found.height, found.width, found.samples - (found.samples in (2, 4))), np.uint8
    )
    alpha = np.empty(image.shape[:2], np.uint8) if found.samples in (2, 4) else None
    row = found.width * found.samples
    above = bytes(row)
    top = 0
    for band in _bands(_pieces(file, found.pixels), 1 + row, found.height):
        values = _unfiltered(found, above, band)
        rows = slice(top, top + len(values))
        image[rows] = values[..., : image.shape[2]]
        if alpha is not None:
            alpha[rows] = values[..., -1]
        above, top = values[-1].tobytes(), top + len(values)
    return Photo(image, alpha, found.icc, found.exif)


def _pieces(file: BinaryIO, parts: list[tuple[int, int]]) -> Iterator[bytes]:
    for start, length in parts:
        file.seek(start)
        while length > 0 and (piece := file.read(min(length, _PIECE))):
            length -= len(piece)
            yield piece


def _bands(pieces: Iterator[bytes], row: int, height: int) -> Iterator[bytes]:
    """Yield the inflated bytes of up to `_BAND` rows of `row` bytes each, until there are `height`."""
    inflate, ready, left = zlib.decompressobj(), bytearray(), height
    try:
        for piece in pieces:
            while piece and not inflate.eof:
                ready += inflate.decompress(piece, _BAND * row)
                piece = inflate.unconsumed_tail
                while left and len(ready) >= (size := min(_BAND, left) * row):
                    yield bytes(ready[:size])
                    del ready[:size]
                    left -= size // row
                if ready and not left:
                    raise InputError(
                        f"its pixels are damaged: more rows than its header says, {height}"
                    )
    except zlib.error as error:
        raise InputError(f"its pixels are damaged: {error}") from None
    if left or not inflate.eof:
        raise InputError(f"its pixels are damaged or cut off: {left} rows are missing")


def _unfiltered(found: Found, above: bytes, band: bytes) -> np.ndarray:
    """Return the pixels [rows, W, samples] of a band whose row before is `above`."""
    from PIL import Image

    rows = len(band) // (1 + len(above))
    colour = next(key for key, samples in _SAMPLES.items() if samples == found.samples)
    head = _HEAD.pack(found.width, rows + 1, 8, colour, 0, 0, 0)
    body = zlib.compress(b"\0" + above + band, 0)
    small = _MAGIC + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    with Image.open(io.BytesIO(small)) as picture:
        values = np.asarray(picture)
    return values.reshape(rows + 1, found.width, -1)[1:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_large(photo: Photo, path: Path) -> None:
    """Write a picture of 8 bits a sample as PNG, to a path that holds nothing of worth."""
    image, alpha = photo.image, photo.alpha
    samples = image.shape[2] + (alpha is not None)
    colour = next(key for key, count in _SAMPLES.items() if count == samples)
    with path.open("wb") as file:
        head = _HEAD.pack(image.shape[1], image.shape[0], 8, colour, 0, 0, 0)
        file.write(_MAGIC + _chunk(b"IHDR", head))
        if photo.icc:
            file.write(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(photo.icc)))
        if photo.exif:
            file.write(_chunk(b"eXIf", photo.exif.removeprefix(_EXIF)))
        deflate = zlib.compressobj(6)
        above = np.zeros((1, image.shape[1], samples), np.uint8)
        for top in range(0, len(image), _BAND):
            rows = slice(top, top + _BAND)
            band = image[rows] if alpha is None else np.dstack([image[rows], alpha[rows]])
            file.write(_chunk(b"IDAT", deflate.compress(_filtered(band, above))))
            above = band[-1:]
        file.write(_chunk(b"IDAT", deflate.flush()) + _chunk(b"IEND", b""))


def _filtered(band: np.ndarray, above: np.ndarray) -> bytes:
    """Return rows [h, W, samples] with their best filters, each behind its number."""
    left, up = band.copy(), band.copy()
    left[:, 1:] -= band[:, :-1]
    up -= np.concatenate([above, band[:-1]])
    ways = [x.reshape(len(band), -1) for x in (band, left, up)]
    sizes = [np.abs(way.view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64) for way in ways]
    chosen = np.argmin(sizes, axis=0)
    rows = np.empty((len(band), 1 + ways[0].shape[1]), np.uint8)
    rows[:, 0] = chosen
    for number, way in enumerate(ways):
        rows[chosen == number, 1:] = way[chosen == number]
    return rows.tobytes()
