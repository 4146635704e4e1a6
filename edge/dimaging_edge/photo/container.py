"""The bytes of a `.dimg` file but its pixels: header, chunks, directory. Specified in docs/format.md.

    header (44 bytes) | chunks | TILE chunk, the directory | rungs | chunks

Everything is little-endian. The rungs lie coarse to fine: z of every tile, then pass 0 of y of every
tile, then pass 1. So whatever prefix of the file arrives is a preview.
"""

import struct
from dataclasses import dataclass, field

from dimaging_edge.common.errors import CodecError
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo.tiles import padded

MAGIC = b"DIMG"
VERSION, PROFILE = 1, 1
MOST_PIXELS = 1 << 27
"""Of a picture that is read without asking for more: 134 megapixels."""
MOST_TILE = 1024
QUALITIES = 64
RUNGS = ("z", "y pass 0", "y pass 1")

_HEADER = struct.Struct("<4sBBBBIIHBB16sI")
SIZE = _HEADER.size + 4
CHUNK = struct.Struct("<4sII")  # type, length, CRC32C of type and data
ENTRY = struct.Struct("<HI6I")  # lanes, CRC32C of the latents, then length and CRC32C of each rung
AGAIN = "get the file again"


@dataclass(frozen=True)
class Header:
    """What a file says about its picture."""

    channels: int  # 1 or 3
    depth: int  # bits of a sample, 8 or 16
    width: int
    height: int
    tile: int  # edge in pixels, a multiple of 32
    quality: int  # 0 to 63
    model_id: bytes  # 16
    version: int = VERSION
    profile: int = PROFILE

    @property
    def columns(self) -> int:
        """Tiles from left to right."""
        return -(-self.width // self.tile)

    @property
    def rows(self) -> int:
        """Tiles from top to bottom."""
        return -(-self.height // self.tile)


@dataclass(frozen=True)
class Entry:
    """A tile in the directory."""

    lanes: int
    latents: int  # CRC32C
    lengths: tuple[int, ...]  # of the rungs, in bytes
    sums: tuple[int, ...]  # CRC32C of the rungs


@dataclass
class Container:
    """A file in parts. `rungs[r][t]` are the bytes of rung r of tile t; None: not there."""

    header: Header
    entries: list[Entry]
    rungs: list[list[bytes | None]]
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    size: int = 0  # of the file as its header says
    damage: list[str] = field(default_factory=list)  # of all but tiles

    def to_bytes(self) -> bytes:
        """Return the file; chunks `alph` go behind the rungs, all others before them."""
        directory = b"".join(
            ENTRY.pack(e.lanes, e.latents, *(x for pair in zip(e.lengths, e.sums, strict=True) for x in pair))
            for e in self.entries
        )  # fmt: skip
        late = (b"alph",)
        parts = [_chunk(kind, data) for kind, data in self.chunks.items() if kind not in late]
        parts.append(_chunk(b"TILE", directory))
        parts += [data or b"" for rung in self.rungs for data in rung]
        parts += [_chunk(kind, data) for kind, data in self.chunks.items() if kind in late]
        head, size = self.header, SIZE + sum(map(len, parts))
        if size >> 32:
            raise CodecError(f"the file would have {size} bytes, at most {(1 << 32) - 1} fit")
        sizes = head.width, head.height, head.tile, head.quality
        fields = _HEADER.pack(
            MAGIC, VERSION, PROFILE, head.channels, head.depth, *sizes, 0, head.model_id, size
        )
        return b"".join([fields, struct.pack("<I", crc32c(fields)), *parts])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return CHUNK.pack(kind, len(data), crc32c(kind + data)) + data


def is_photo(data: bytes) -> bool:
    """Whether a file that begins so is one of ours."""
    return data[:4] == MAGIC


def area(width: int, height: int) -> int:
    """Pixels that a limit counts: those of the picture, or half of the padded ones if that is more.

    A line of a single row is padded to 32, and latents take memory for all of them.
    """
    return max(width * height, padded(width) * padded(height) // 2)


def read_header(data: bytes, most_pixels: int = MOST_PIXELS) -> tuple[Header, int]:
    """Return (header, size of the whole file); CodecError if it is none, newer, damaged or too big."""
    if not is_photo(data):
        raise CodecError(
            f"this is no compressed picture: expected it to begin with {MAGIC!r}, "
            f"received {data[:4]!r}"
        )
    if len(data) < SIZE:
        raise CodecError(
            f"the file is truncated: expected a header of {SIZE} bytes, received {len(data)}"
        )
    fields = _HEADER.unpack_from(data)
    _, version, profile, channels, depth, width, height, tile, quality, zero, model, size = fields
    if version > VERSION:
        raise CodecError(
            f"the file has version {version}; this dimaging_edge reads up to {VERSION}. "
            "Update it: pip install -U dimaging"
        )
    (stored,) = struct.unpack_from("<I", data, _HEADER.size)
    found = crc32c(data[: _HEADER.size])
    if stored != found:
        raise CodecError(
            f"the header is damaged: expected CRC32C {stored:08x}, received {found:08x}; {AGAIN}"
        )
    rules = [
        (version == VERSION, f"version {version}, expected {VERSION}"),
        (profile == PROFILE, f"profile {profile}, expected {PROFILE}: another kind of model"),
        (channels in (1, 3), f"{channels} channels, expected 1 or 3"),
        (depth in (8, 16), f"{depth} bits a sample, expected 8 or 16"),
        (width > 0 and height > 0, f"{width} x {height} pixels, expected at least 1 x 1"),
        (
            32 <= tile <= MOST_TILE and tile % 32 == 0,
            f"tiles of {tile} pixels, expected a multiple of 32 up to {MOST_TILE}",
        ),
        (quality < QUALITIES, f"quality {quality}, expected 0 to {QUALITIES - 1}"),
        (zero == 0, f"{zero} in a reserved byte, expected 0"),
    ]
    for holds, words in rules:
        if not holds:
            raise CodecError(f"the header is damaged or forged: it says {words}")
    if area(width, height) > most_pixels:
        raise CodecError(
            f"the picture has {width} x {height} pixels, this reader stops at {most_pixels}; if the "
            f"file can be trusted: --max-pixels {area(width, height)}"
        )
    return Header(channels, depth, width, height, tile, quality, model, version, profile), size
