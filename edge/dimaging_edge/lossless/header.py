"""The first 56 bytes of a stream of packed images, written and checked; `stream` shows their layout."""

import re
import struct
from dataclasses import dataclass

from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.entropy import headers

MAGIC = b"DPIX"
VERSION = 1
BITS = 16
"""log2 of the sum of a frequency table."""
MOST_SYMBOLS = 1 << 28
"""The most pixels of all images of a stream together."""
MOST_LANES = 1 << 10
"""The most lanes of a stream."""
_FIELDS = struct.Struct("<4sHHIIII16sIII")
SIZE = _FIELDS.size + headers.CRC_SIZE
"""Bytes of the header, 56."""


@dataclass(frozen=True)
class Header:
    """What a stream says about itself."""

    levels: int  # 2 to 256
    height: int
    width: int
    images: int
    lanes: int
    model_id: str  # 32 hexadecimal digits
    symbols_crc: int
    payload_crc: int
    payload_bytes: int

    @property
    def symbols(self) -> int:
        """The number of pixels in all images together."""
        return self.images * self.height * self.width

    def to_bytes(self) -> bytes:
        """Return the header with its check sum."""
        sizes = self.levels, self.height, self.width, self.images, self.lanes
        sums = self.symbols_crc, self.payload_crc, self.payload_bytes
        return headers.write_header(
            _FIELDS, MAGIC, VERSION, *sizes, bytes.fromhex(self.model_id), *sums
        )


def short_id(model_id: str) -> str:
    """Return the part of a model id that a stream holds: 32 hexadecimal digits, lower case."""
    if not re.fullmatch(r"[0-9a-fA-F]{32,}", model_id):
        raise InputError(
            f"model_id: expected 32 or more hexadecimal digits (model_id of the bundle), "
            f"received {model_id!r}"
        )
    return model_id[:32].lower()


def read_header(data: bytes) -> Header:
    """Return the header of a whole stream; CodecError if it is none, damaged, newer or cut.

    Nothing is allocated: a header that asks for too much is refused here.
    """
    levels, height, width, images, lanes, model, *rest = headers.read_header(
        data, _FIELDS, MAGIC, VERSION, "stream of packed images"
    )
    header = Header(levels, height, width, images, lanes, model.hex(), *rest)
    _check(header)
    expected = SIZE + header.payload_bytes
    if len(data) != expected:
        word = "truncated" if len(data) < expected else "too long"
        raise CodecError(f"the stream is {word}: expected {expected} bytes, received {len(data)}")
    return header


def _check(header: Header) -> None:
    """Refuse what no encoder writes, before memory is taken for it."""
    floor = header.symbols * (header.levels - 1) >> (BITS + 3)  # bytes; see below
    rules = [
        (2 <= header.levels <= 256, f"{header.levels} levels, expected 2 to 256"),
        (header.symbols > 0, "no pixels, expected at least one"),
        (header.symbols <= MOST_SYMBOLS, f"{header.symbols} pixels, at most {MOST_SYMBOLS} fit"),
        (
            1 <= header.lanes <= min(MOST_LANES, header.images),
            f"{header.lanes} lanes, expected 1 to {min(MOST_LANES, header.images)}",
        ),
        (
            header.payload_bytes >= 4 * header.lanes,
            f"{header.payload_bytes} bytes of payload, expected {4 * header.lanes} or more",
        ),
        # No symbol owns more than 2^16 - (levels - 1) slots, so each costs at least
        # 1.44 (levels - 1) / 2^16 bits: a short file cannot ask for a lot of memory.
        (
            header.payload_bytes >= floor,
            f"{header.symbols} pixels in {header.payload_bytes} bytes, expected {floor} or more",
        ),
    ]
    headers.check_rules(rules)
