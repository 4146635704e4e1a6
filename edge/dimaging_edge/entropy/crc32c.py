"""CRC32C (Castagnoli; iSCSI, RFC 3720): the check sum of all our formats.

A CRC is linear: the CRC of A followed by B is the CRC of A moved past len(B) zero bytes, xor that
of B. So long data is cut into rows that are done side by side and then joined two by two.
"""

from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected
_ROW = 1 << 8
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
    if len(flat) < 4 * _ROW:
        crc = 0xFFFFFFFF
        for byte in flat.tolist():
            crc = _PLAIN[(crc ^ byte) & 255] ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF
    head = -len(flat) % _ROW
    rows = np.zeros(head + len(flat), np.uint8)  # zeros in front do not count
    rows[head:] = flat
    rows[head : head + 4] ^= 255  # the same as to begin with 0xFFFFFFFF
    crcs = np.zeros(len(rows) // _ROW, np.uint32)
    for column in np.ascontiguousarray(rows.reshape(-1, _ROW).T):
        crcs = _TABLE[(crcs ^ column) & 255] ^ (crcs >> 8)
    return int(_join(crcs)) ^ 0xFFFFFFFF


def _join(crcs: np.ndarray) -> np.uint32:
    """Return the CRC of the rows one after the other."""
    shift = _past_a_row()
    while len(crcs) > 1:
        if len(crcs) % 2:
            crcs = np.concatenate([np.zeros(1, np.uint32), crcs])
        crcs = _move(shift, crcs[0::2]) ^ crcs[1::2]
        shift = _move(shift, shift)  # now past twice as many
    return crcs[0]


@cache
def _past_a_row() -> np.ndarray:
    """Return what each bit of a CRC becomes when it is moved past one row of zeros."""
    shift = _BITS
    for _ in range(_ROW):
        shift = _TABLE[shift & 255] ^ (shift >> 8)
    return shift


def _move(shift: np.ndarray, crcs: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(crcs)
    for bit, image in enumerate(shift):
        moved ^= np.where((crcs >> bit) & 1, image, np.uint32(0))
    return moved
