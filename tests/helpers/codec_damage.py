"""Damage to `.dimg` files, found by chance: for tests and benchmarks of what a reader makes of it."""

import struct
from dataclasses import dataclass

import numpy as np
from dimaging_edge.entropy.crc32c import crc32c
from helpers.damage import a_byte, damaged

_HEADER, _CHUNK, _ENTRY = 44, 12, 30


@dataclass(frozen=True)
class Damage:
    """Six kinds of damage to a whole file, half of them with all check sums made right again."""

    data: bytes

    def one(self, rng: np.random.Generator) -> tuple[bytes, bool]:
        """(file, forged); forged: all check sums are right."""
        wrong = damaged(rng, self.data, a_byte(rng, 4, _HEADER), a_byte(rng, *self._directory()))
        forged = rng.random() < 0.5 and len(wrong) >= _HEADER
        return (self._resealed(wrong) if forged else bytes(wrong)), forged

    def _directory(self) -> tuple[int, int]:
        """Where the first chunk's length begins, and where the directory ends."""
        at = _HEADER
        while True:
            kind, length, _ = struct.unpack_from("<4sII", self.data, at)
            at += _CHUNK + length
            if kind == b"TILE":
                return _HEADER + 4, at

    def _resealed(self, data: bytearray) -> bytes:
        """With all check sums right, so that damage reaches what is behind them."""
        struct.pack_into("<I", data, 36, len(data))
        struct.pack_into("<I", data, 40, crc32c(bytes(data[:40])))
        at, most = _HEADER, len(self.data) // _ENTRY
        while at + _CHUNK <= len(data):
            kind, length, _ = struct.unpack_from("<4sII", data, at)
            body = at + _CHUNK
            after = body + length
            if kind == b"TILE":
                tiles = min(most, (len(data) - body) // _ENTRY, length // _ENTRY)
                after = self._reseal_rungs(data, body, after, tiles)
            if body + length <= len(data):
                part = bytes(data[body : body + length])
                struct.pack_into("<I", data, at + 8, crc32c(kind + part))
            at = after
        return bytes(data)

    @staticmethod
    def _reseal_rungs(data: bytearray, directory: int, at: int, tiles: int) -> int:
        for rung in range(3):
            for tile in range(tiles):
                entry = directory + _ENTRY * tile + 6 + 8 * rung
                (size,) = struct.unpack_from("<I", data, entry)
                struct.pack_into("<I", data, entry + 4, crc32c(bytes(data[at : at + size])))
                at += size
        return at
