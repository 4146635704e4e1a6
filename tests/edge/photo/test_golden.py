"""The format is frozen: files written once, their latents, and a second decoder by the page."""

import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo.codec import Photo, compress, decompress
from helpers.codec_dct import Dct

GOLDEN = Path(__file__).parents[2] / "golden" / "codec-v1.json"
CASES = {
    "grey, tiles": (Dct(channels=1), (40, 50, 1, 8), 40, 32),
    "colour, lanes": (Dct(), (60, 64, 3, 8), 63, 64),
    "16 bits, alpha": (Dct(channels=1, bit_depth=16), (33, 20, 1, 16), 50, 32),
    "no escape": (Dct(channels=1, escape=False), (33, 34, 1, 8), 50, 64),
    "1 x 1": (Dct(), (1, 1, 3, 8), 63, 768),
    "half size, tiles, alpha": (Dct(), (67, 70, 3, 8), 40, 32),
    "half size, 16 bits": (Dct(channels=1, bit_depth=16), (40, 33, 1, 16), 50, 768),
}


def pattern(height: int, width: int, channels: int, depth: int) -> Photo:
    """Waves, and specks that no table expects; without a generator that might change."""
    y, x, c = np.ogrid[:height, :width, :channels]
    value = np.abs((x * (9 + c) + y * (5 + 2 * c)) % 256 - 128) + (x * x + 7 * y * y + c) % 13
    value = np.where((x * x + 7 * y + c) % 131 == 0, 255, value)
    return Photo((value << (depth - 8)).astype(f"u{depth // 8}"))


def make(name: str) -> tuple[Dct, bytes]:
    model, kind, quality, tile = CASES[name]
    photo = pattern(*kind)
    if "alpha" in name:
        photo.alpha, photo.icc = photo.image[..., 0] // 2, b"profile"
    return model, compress(model, photo, quality, tile=tile, half="half" in name)


def sha(array: np.ndarray) -> str:
    little = array.astype(array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    """What was written is read for ever, and is still what is written."""
    golden = json.loads(GOLDEN.read_text())["files"][name]
    data = bytes.fromhex(golden["file"])
    model, again = make(name)
    found, damage = decompress(model, data)
    assert damage == []
    assert sha(found.image) == golden["image_sha256"]
    assert (found.alpha is None) == (golden["alpha_sha256"] is None)
    if found.alpha is not None:
        assert sha(found.alpha) == golden["alpha_sha256"]
    assert [[sha(z), sha(y)] for z, y in by_the_page(model, data)] == golden["latents_sha256"]
    assert again == data


def by_the_page(model: Dct, data: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Latents (z int8, y int16) of each tile: docs/format.md word for word, in Python's integers."""
    magic, version, profile, _, _, width, height, edge, quality, zero = struct.unpack(
        "<4sBBBBIIHBB", data[:20]
    )
    assert (magic, version, profile, zero) == (b"DIMG", 1, 1, 0)
    assert data[20:36] == model.model_id
    assert struct.unpack("<II", data[36:44]) == (len(data), crc32c(data[:40]))
    at, kind = 44, b""
    while kind != b"TILE":
        kind, length, stored = struct.unpack("<4sII", data[at : at + 12])
        directory = data[at + 12 : at + 12 + length]
        assert crc32c(kind + directory) == stored
        at += 12 + length
    entries = [struct.unpack("<HI6I", directory[i : i + 30]) for i in range(0, length, 30)]
    rungs: list[list[bytes]] = [[] for _ in entries]
    for rung in range(3):
        for tile, entry in enumerate(entries):
            rungs[tile].append(data[at : at + entry[2 + 2 * rung]])
            at += entry[2 + 2 * rung]
            assert crc32c(rungs[tile][-1]) == entry[3 + 2 * rung]
    padded = [-(-size // 32) * 32 for size in (height, width)]
    places = [(r, c) for r in range(0, padded[0], edge) for c in range(0, padded[1], edge)]
    found = []
    for (top, left), entry, parts in zip(places, entries, rungs, strict=True):
        h, w = min(edge, padded[0] - top) // 8, min(edge, padded[1] - left) // 8
        z, y = tile_by_the_page(model, quality, h, w, entry[0], parts)
        assert crc32c(z.tobytes() + y.astype("<i2").tobytes()) == entry[1]
        found.append((z, y))
    return found


def tile_by_the_page(model: Dct, quality: int, h: int, w: int, lanes: int, parts: list[bytes]):
    state = [int.from_bytes(parts[0][4 * k : 4 * k + 4], "little") for k in range(lanes)]
    parts = [parts[0][4 * lanes :], *parts[1:]]
    z = np.zeros((1, h // 4, w // 4, model.z_channels), np.int32)
    y = np.zeros((1, h, w, model.y_channels), np.int32)
    table, half = model.counts.tolist(), (model.counts.shape[1] - 1) // 2
    for rung, part in enumerate(parts):
        if rung == 0:
            index, mean = np.zeros_like(z) + model.z_index(quality), np.zeros_like(z)
            target, places = z, list(np.ndindex(z.shape))
        else:
            index, mean = model.prior(z, y.copy(), rung - 1, quality)
            target = y
            places = [p for p in np.ndindex(y.shape) if (p[1] + p[2]) % 2 == rung - 1]
        symbols = dict.fromkeys(places, 0)
        coded = [p for p in places if index[p]]
        at, escaped = 0, []
        for first in range(0, len(coded), lanes):
            step = coded[first : first + lanes]
            for lane, place in enumerate(step):
                row, slot, j, start = table[index[place]], state[lane] % 4096, 0, 0
                while start + row[j] <= slot:
                    start, j = start + row[j], j + 1
                state[lane] = row[j] * (state[lane] // 4096) + slot - start
                symbols[place] = j - half
                if j == 2 * half + 1:
                    escaped.append(place)
            for lane in range(len(step)):
                if state[lane] < 1 << 16:
                    state[lane] = state[lane] << 16 | int.from_bytes(part[at : at + 2], "little")
                    at += 2
        for place, byte in zip(escaped, part[at:], strict=True):
            symbols[place] = byte - 256 * (byte > 127)
        for place, symbol in symbols.items():
            target[place] = 8 * symbol + mean[place] if rung else symbol
    assert state == [1 << 16] * lanes
    return z[0].astype(np.int8), y[0].astype(np.int16)


def write() -> None:
    """Run by hand, once for each version of the format."""
    files = {}
    for name in CASES:
        model, data = make(name)
        found, _ = decompress(model, data)
        files[name] = {
            "file": data.hex(),
            "latents_sha256": [[sha(z), sha(y)] for z, y in by_the_page(model, data)],
            "image_sha256": sha(found.image),
            "alpha_sha256": None if found.alpha is None else sha(found.alpha),
        }
    text = {
        "format": "docs/format.md, version 1",
        "model": "tests/helpers/codec_dct.py; latents: z int8 and y int16, image and alpha as their samples",
        "files": files,
    }
    GOLDEN.write_text(json.dumps(text, indent=1) + "\n")


if __name__ == "__main__" and "--write" in sys.argv:
    write()
