"""The wire format of protobuf, read so strictly that no two readers can differ about a message.

A tag or a number has one encoding here, its shortest. protobuf itself drops the bits of a tag above 32, and
readers disagree about padded numbers, so a file that needs such leniency is refused. Source: the encoding
guide of protobuf; a message is a row of fields, each a tag (field number x 8 + wire type) and a value.
"""

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LARGEST_TAG = (1 << 32) - 1


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, start, stop) of each length-delimited field of the message data[at:end].

    Fields of other wire types are checked and passed over. ValueError for what no serialiser writes: a number
    that is not in its shortest form, a tag of more than 32 bits, field number 0, a group, a field that runs
    past the end. IndexError where the data end inside a number.
    """
    while at < end:
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if tag > _LARGEST_TAG or not number:
            raise ValueError(f"a tag of field {number}; expected 1 to {_LARGEST_TAG >> 3}")
        if kind == _BYTES:
            size, at = varint(data, at)
            if at + size > end:
                raise ValueError("a field runs past the end: the file is cut off")
            yield number, at, at + size
            at += size
        elif kind == _VARINT:
            _, at = varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
    if at != end:
        raise ValueError("a field runs past the end: the file is cut off")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return (number, where it ends); ValueError for more than 64 bits or a form that is not the shortest."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            if value >> 64:
                raise ValueError("a number of more than 64 bits")
            if not byte and shift > 7:
                raise ValueError("a number that is not in its shortest form")
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def encode_field(number: int, value: bytes) -> bytes:
    """Return a length-delimited field."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def _encode_varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
