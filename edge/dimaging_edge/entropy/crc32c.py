"""CRC32C (Castagnoli; iSCSI, RFC 3720): the check sum of all our formats.

A CRC is linear: the CRC of A followed by B is the CRC of A moved past len(B) zero bytes, xor that
of B. So long data is cut into rows, which are done side by side, two bytes at a time, and then joined.
"""

from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected
_SHORTEST = 1 << 10
"""The bytes from which on rows are worth it."""
_BITS = np.uint32(1) << np.arange(32, dtype=np.uint32)


def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ _POLYNOMIAL, table >> 1).astype(np.uint32)
    return table


_TABLE = _table()
_PLAIN = [int(entry) for entry in _TABLE]


def crc32c(data: bytes | np.ndarray) -> int:
    """Return the CRC32C, 0 to 2^32 - 1, of bytes or of a uint8 array in C order."""
    flat = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.reshape(-1)
    if len(flat) < _SHORTEST:
        crc = 0xFFFFFFFF
        for byte in flat.tolist():
            crc = _PLAIN[(crc ^ byte) & 255] ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF
    digits = min(10, max(6, len(flat).bit_length() // 2 - 2))  # rows of 64 to 1024 bytes
    head = -len(flat) % (1 << digits)
    rows = np.zeros(head + len(flat), np.uint8)  # zeros in front do not count
    rows[head:] = flat
    rows[head : head + 4] ^= 255  # the same as to begin with 0xFFFFFFFF
    pairs = rows.view("<u2").reshape(-1, 1 << (digits - 1))
    table, crcs = _two_bytes(), np.zeros(len(pairs), np.uint32)
    for column in np.ascontiguousarray(pairs.T):
        crcs = table[(crcs ^ column) & 0xFFFF] ^ (crcs >> 16)
    while len(crcs) > 1:
        if len(crcs) % 2:
            crcs = np.concatenate([np.zeros(1, np.uint32), crcs])
        crcs = _move(_past(digits), crcs[0::2]) ^ crcs[1::2]
        digits += 1
    return int(crcs[0]) ^ 0xFFFFFFFF


@cache
def _two_bytes() -> np.ndarray:
    """Return what two bytes make of a CRC of 0, uint32 [65536]; the second byte is the higher one."""
    first = _TABLE[np.arange(256)]
    return (_TABLE[(first ^ np.arange(256)[:, None]) & 255] ^ (first >> 8)).reshape(-1)


@cache
def _past(digits: int) -> np.ndarray:
    """Return what each byte of a CRC becomes when it is moved past 2^digits zero bytes, uint32 [4, 256]."""
    if digits:
        bits = _move(_past(digits - 1), _move(_past(digits - 1), _BITS))
    else:
        bits = _TABLE[_BITS & 255] ^ (_BITS >> 8)
    ones = (np.arange(256)[:, None] >> np.arange(8)) & 1 == 1
    each = np.where(ones, bits.reshape(4, 1, 8), np.uint32(0))
    return np.bitwise_xor.reduce(each, axis=2)


def _move(past: np.ndarray, crcs: np.ndarray) -> np.ndarray:
    moved = past[0][crcs & 255]
    for number in (1, 2, 3):
        moved ^= past[number][(crcs >> (8 * number)) & 255]
    return moved
