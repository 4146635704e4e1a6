"""Mutated and cut files: a clear error or a flagged picture; no crash, no hang, no large allocation."""

import struct
import time
import tracemalloc

import numpy as np
import pytest
from codec_dct import Dct, picture
from dimaging_edge.codec.crc32c import crc32c
from dimaging_edge.codec.photo import compress, decompress
from dimaging_edge.errors import CodecError

MODEL = Dct(channels=1)
MOST = 1 << 14  # pixels
BOUND = 48 << 20  # bytes, for such a picture


def small() -> bytes:
    photo = picture(33, 34, 1)
    photo.alpha, photo.icc = photo.image[..., 0], b"profile"
    return compress(MODEL, photo, 12, tile=32)


DATA = small()
FIRST = 44 + 12 + len(b"profile") + 12 + 30 * 4
TILES = 4


def reseal(data: bytearray) -> bytes:
    """Make all check sums right, so that damage reaches what is behind them."""
    struct.pack_into("<I", data, 36, len(data))
    struct.pack_into("<I", data, 40, crc32c(bytes(data[:40])))
    at = 44
    while at + 12 <= len(data):
        kind, length, _ = struct.unpack_from("<4sII", data, at)
        body = at + 12
        if kind == b"TILE":
            rung = body + length
            for r in range(3):
                for tile in range(min(TILES, (len(data) - body) // 30, length // 30)):
                    entry = body + 30 * tile + 6 + 8 * r
                    (size,) = struct.unpack_from("<I", data, entry)
                    part = bytes(data[rung : rung + size])
                    struct.pack_into("<I", data, entry + 4, crc32c(part))
                    rung += size
            next_chunk = rung
        else:
            next_chunk = body + length
        if body + length <= len(data):
            struct.pack_into("<I", data, at + 8, crc32c(kind + bytes(data[body : body + length])))
        at = next_chunk
    return bytes(data)


def mutate(rng: np.random.Generator) -> tuple[bytes, bool]:
    """(file, forged) with one of six kinds of damage; forged: all check sums are right again."""
    wrong, at = bytearray(DATA), int(rng.integers(len(DATA)))
    match rng.integers(6):
        case 0:
            wrong[at] ^= 1 << int(rng.integers(8))
        case 1:
            wrong[at : at + 4] = rng.bytes(len(wrong[at : at + 4]))
        case 2:
            del wrong[at:]
        case 3:
            wrong[at:at] = rng.bytes(int(rng.integers(1, 9)))
        case 4:
            wrong[int(rng.integers(4, 44))] = int(rng.integers(256))  # header
        case 5:
            wrong[int(rng.integers(63, FIRST))] = int(rng.integers(256))  # directory
    forged = rng.random() < 0.5 and len(wrong) >= 44
    return (reseal(wrong) if forged else bytes(wrong)), forged


def slowest(count: int, seed: int) -> float:
    """Decode `count` damaged files, half of them with --keep-going; seconds of the slowest."""
    rng, seconds = np.random.default_rng(seed), 0.0
    refused, flagged, words = 0, 0, set[str]()
    for number in range(count):
        (data, forged), started = mutate(rng), time.process_time()
        try:
            found, damage = decompress(MODEL, data, keep_going=number % 2 == 1, most_pixels=MOST)
        except CodecError as error:
            refused += 1
            words.add(str(error))
        else:
            flagged += bool(damage)
            assert found.image.size <= MOST
            assert damage or forged or data == DATA  # nothing is wrong without a word
        seconds = max(seconds, time.process_time() - started)
    assert all(len(text) > 20 for text in words)
    assert refused > 0.5 * count
    assert flagged > 0.1 * count
    return seconds


def test_2_000_mutations() -> None:
    assert slowest(2_000, 0) < 5


@pytest.mark.slow
def test_100_000_mutations() -> None:
    assert slowest(100_000, 1) < 5


def test_mutations_take_little_memory() -> None:
    slowest_of_few = slowest(20, 3)  # what is loaded and kept on the first calls
    assert slowest_of_few < 5
    tracemalloc.start()
    slowest(60, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < BOUND
