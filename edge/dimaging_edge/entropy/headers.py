"""The first bytes of a file of ours, written and checked: magic, version, fields, CRC32C.

fields of a struct.Struct, little-endian: the magic first, the version second | CRC32C of those fields
"""

import struct
from collections.abc import Iterable
from typing import Any

from dimaging_edge.common.errors import CodecError
from dimaging_edge.entropy.crc32c import crc32c

AGAIN = "get the file again"
"""What mends damage."""
CRC_SIZE = 4
"""Bytes of the check sum behind the fields."""


def write_header(layout: struct.Struct, *fields: Any) -> bytes:
    """Return the fields and their CRC32C."""
    data = layout.pack(*fields)
    return data + struct.pack("<I", crc32c(data))


def read_header(
    data: bytes, layout: struct.Struct, magic: bytes, version: int, what: str
) -> tuple[Any, ...]:
    """Return the fields at the start of `data` behind magic and version, whose check sum is right.

    `what` names such files in messages, as "compressed picture". CodecError if the data begin otherwise, are
    too short, of a newer or an unknown version, or damaged. Nothing is allocated.
    """
    if data[: len(magic)] != magic:
        raise CodecError(
            f"this is no {what}: expected it to begin with {magic!r}, "
            f"received {data[: len(magic)]!r}"
        )
    size = layout.size + CRC_SIZE
    if len(data) < size:
        raise CodecError(
            f"the {what} is truncated: expected a header of {size} bytes, received {len(data)}"
        )
    _, found_version, *fields = layout.unpack_from(data)
    if found_version > version:
        raise CodecError(
            f"the {what} has version {found_version}; this dimaging_edge reads up to {version}. "
            "Update it: pip install -U dimaging"
        )
    (stored,) = struct.unpack_from("<I", data, layout.size)
    found = crc32c(data[: layout.size])
    if stored != found:
        raise CodecError(
            f"the header is damaged: expected CRC32C {stored:08x}, received {found:08x}; {AGAIN}"
        )
    check_rules([(found_version == version, f"version {found_version}, expected {version}")])
    return tuple(fields)


def check_rules(rules: Iterable[tuple[bool, str]]) -> None:
    """Refuse a header that breaks a rule: pairs of whether it holds, and what the header says."""
    for holds, words in rules:
        if not holds:
            raise CodecError(f"the header is damaged or forged: it says {words}")
