"""Lossless coding of one plane: rows are filtered as in PNG (none, left or up, the best for each), then zlib.

    byte 0: bits of a sample, 8 or 16; then a zlib stream of H filter bytes (0 none, 1 left, 2 up),
    the H x W low bytes of the differences, and for 16 bits the H x W high bytes.

Differences are modulo 2^bits; the pixel left of a row and the row above the first are 0. Average and
Paeth are left out: undoing them takes a step for each pixel, these two one for each row.
"""

import zlib

import numpy as np

from dimaging_edge.common.errors import CodecError

_BAND = 64
"""The number of rows that are filtered at a time."""


def pack_plane(plane: np.ndarray) -> bytes:
    """Return the bytes of a plane, uint8 or uint16 [H, W]."""
    chosen, rows = np.empty(len(plane), np.uint8), np.empty_like(plane)
    above = np.zeros_like(plane[:1])
    for top in range(0, len(plane), _BAND):
        band = slice(top, top + _BAND)
        chosen[band], rows[band] = _filtered(plane[band], above)
        above = plane[band][-1:]
    parts = [chosen]
    parts += [(rows >> shift).astype(np.uint8) for shift in range(0, 8 * plane.itemsize, 8)]
    body = zlib.compress(b"".join(part.tobytes() for part in parts), 9)
    return bytes([8 * plane.itemsize]) + body


def _filtered(band: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best filter of each row, [h], and the differences that it leaves, [h, W]."""
    zero = band.dtype.type(0)
    left, up = np.diff(band, axis=1, prepend=zero), np.diff(band, axis=0, prepend=above)
    choices = np.stack([band, left, up])
    signed = choices.view(f"i{band.itemsize}").astype(np.int32)
    chosen = np.abs(signed).sum(axis=2, dtype=np.int64).argmin(axis=0)
    return chosen, choices[chosen, np.arange(len(band))]


def unpack_plane(data: bytes, height: int, width: int) -> np.ndarray:
    """Return the plane [height, width]; CodecError if the data are not of such a plane."""
    bits = data[0] if data else 0
    if bits not in (8, 16):
        raise CodecError(f"the alpha plane is damaged: {bits} bits a sample, expected 8 or 16")
    size = height * (1 + width * bits // 8)
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(data[1:], size + 1)
    except zlib.error as error:
        raise CodecError(f"the alpha plane is damaged: {error}") from None
    if len(body) != size or not inflate.eof:
        raise CodecError(f"the alpha plane is damaged: expected {size} bytes, received {len(body)}")
    filters = np.frombuffer(body, np.uint8, height)
    values = np.frombuffer(body, np.uint8, offset=height).reshape(bits // 8, height, width)
    plane = values[0].astype(f"u{bits // 8}")
    if bits == 16:
        plane |= values[1].astype(np.uint16) << 8
    left = filters == 1
    plane[left] = np.cumsum(plane[left], axis=1, dtype=plane.dtype)
    for row in np.flatnonzero(filters == 2):
        if row:
            plane[row] += plane[row - 1]
    if filters.size and filters.max() > 2:
        raise CodecError(f"the alpha plane is damaged: filter {filters.max()}, expected 0 to 2")
    return plane
