"""The bytes of a `.dimg` file around its pixels: header, chunks, directory; docs/format.md specifies them.

    header (44 bytes) | chunks | TILE chunk, the directory | rungs | chunks

Everything is little-endian. The rungs lie coarse to fine: z of every tile, then pass 0 of y of every
tile, then pass 1. So whatever prefix of the file arrives is a preview.
"""

import struct
from dataclasses import dataclass, field

from dimaging_edge.common.errors import CodecError
from dimaging_edge.entropy import headers
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo.tiles import padded

MAGIC = b"DIMG"
EXACT = b"PIXL"
"""The chunk of exact pixels."""
HALF = b"HALF"
"""The chunk of a picture that is coded at half its width and height: its own width and height."""
VERSION, PROFILE = 1, 1
MOST_PIXELS = 1 << 27
"""The most pixels of a picture that is read unless one asks for more: 134 megapixels."""
MOST_TILE = 1024
"""The largest edge of a tile, in pixels."""
QUALITIES = 64
"""The number of qualities: 0 (smallest) to 63."""
RUNGS = ("z", "y pass 0", "y pass 1")
"""The names of the rungs, coarse to fine."""

_PACKED = {b"DPIX": "images", b"DTXT": "a text"}
"""What other files of ours begin with, and what they hold."""
_HEADER = struct.Struct("<4sBBBBIIHBB16sI")
SIZE = _HEADER.size + headers.CRC_SIZE
CHUNK = struct.Struct("<4sII")  # type, length, CRC32C of type and data
FULL = struct.Struct("<II")  # width and height of HALF
ENTRY = struct.Struct("<HI6I")  # lanes, CRC32C of the latents, then length and CRC32C of each rung


@dataclass(frozen=True)
class Header:
    """What a file says about its picture as it is coded; see also `Container.shown`."""

    channels: int  # 1 or 3
    depth: int  # bits of a sample, 8 or 16
    width: int
    height: int
    tile: int  # edge in pixels, a multiple of 32
    quality: int  # 0 to 63
    model_id: bytes  # 16

    @property
    def columns(self) -> int:
        """The number of tiles from left to right."""
        return -(-self.width // self.tile)

    @property
    def rows(self) -> int:
        """The number of tiles from top to bottom."""
        return -(-self.height // self.tile)


@dataclass(frozen=True)
class Entry:
    """What the directory says of a tile."""

    lanes: int
    latents: int  # CRC32C
    lengths: tuple[int, ...]  # of the rungs, in bytes
    sums: tuple[int, ...]  # CRC32C of the rungs


@dataclass
class Container:
    """A file in parts; `rungs[r][t]` are the bytes of rung r of tile t, None where they are missing."""

    header: Header
    entries: list[Entry]
    rungs: list[list[bytes | None]]
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    size: int = 0  # of the file as its header says
    damage: list[str] = field(default_factory=list)  # of all but tiles

    @property
    def half(self) -> bool:
        """Whether the picture is coded at half its width and height."""
        return HALF in self.chunks

    @property
    def shown(self) -> tuple[int, int]:
        """The width and height of the picture, in pixels; those of the header are as it is coded."""
        if self.half:
            width, height = FULL.unpack(self.chunks[HALF])
            return width, height
        return self.header.width, self.header.height

    def to_bytes(self) -> bytes:
        """Return the file; chunks `alph` and EXACT go behind the rungs, all others before them."""
        directory = b"".join(
            ENTRY.pack(e.lanes, e.latents, *(x for pair in zip(e.lengths, e.sums, strict=True) for x in pair))
            for e in self.entries
        )  # fmt: skip
        late = (b"alph", EXACT)
        parts = [_chunk(kind, data) for kind, data in self.chunks.items() if kind not in late]
        parts.append(_chunk(b"TILE", directory))
        parts += [data or b"" for rung in self.rungs for data in rung]
        parts += [_chunk(kind, data) for kind, data in self.chunks.items() if kind in late]
        head, size = self.header, SIZE + sum(map(len, parts))
        if size >> 32:
            raise CodecError(f"the file would have {size} bytes, at most {(1 << 32) - 1} fit")
        sizes = head.width, head.height, head.tile, head.quality
        header = headers.write_header(
            _HEADER,
            MAGIC,
            VERSION,
            PROFILE,
            head.channels,
            head.depth,
            *sizes,
            0,
            head.model_id,
            size,
        )
        return b"".join([header, *parts])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return CHUNK.pack(kind, len(data), crc32c(kind + data)) + data


def area(width: int, height: int) -> int:
    """Return the pixels that a limit counts: those of the picture, or half of the padded ones if more.

    A line of a single row is padded to 32, and latents take memory for all of them.
    """
    return max(width * height, padded(width) * padded(height) // 2)


def read_header(data: bytes, most_pixels: int = MOST_PIXELS) -> tuple[Header, int]:
    """Return (header, size of the whole file); CodecError if it is none, newer, damaged or too big."""
    if data[:4] in _PACKED:
        raise CodecError(
            f"this is no compressed picture, it holds {_PACKED[data[:4]]}, packed without loss: "
            "dimaging-edge unpack BUNDLE FILE"
        )
    fields = headers.read_header(data, _HEADER, MAGIC, VERSION, "compressed picture")
    profile, channels, depth, width, height, tile, quality, zero, model, size = fields
    rules = [
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
    headers.check_rules(rules)
    check_area(width, height, most_pixels)
    return Header(channels, depth, width, height, tile, quality, model), size


def check_area(width: int, height: int, most_pixels: int) -> None:
    """Raise CodecError for a picture above a reader's limit."""
    if area(width, height) > most_pixels:
        raise CodecError(
            f"the picture has {width} x {height} pixels, this reader stops at {most_pixels}; if the "
            f"file can be trusted: --max-pixels {area(width, height)}"
        )
