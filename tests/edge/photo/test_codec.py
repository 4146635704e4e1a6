"""Photographs into files and back: any size, no seams, damage stays where it is and is told."""

import math
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo import tile_codec
from dimaging_edge.photo.codec import Photo, compress, decompress
from dimaging_edge.photo.reading import read_container
from dimaging_edge.photo.search import to_target
from dimaging_edge.photo.symbols import ScaleTables
from dimaging_edge.photo.tiles import cut, tiles
from helpers.codec_dct import Dct, picture, psnr

RGB, GREY, DEEP = Dct(), Dct(channels=1), Dct(channels=1, bit_depth=16)
SIZES = [(1, 1), (1, 90), (33, 7), (64, 64), (65, 129), (97, 31)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tile", [32, 64, 768])
def test_any_size(size: tuple[int, int], tile: int) -> None:
    photo = picture(*size)
    found, damage = decompress(RGB, compress(RGB, photo, 50, tile=tile))
    assert found.image.shape == photo.image.shape
    assert found.image.dtype == np.uint8
    assert psnr(found.image, photo.image) > 28
    assert damage == []


KINDS = [(RGB, 3, 8, 27), (RGB, 1, 8, 27), (GREY, 1, 8, 27), (DEEP, 1, 16, 27)]


@pytest.mark.parametrize(("model", "channels", "depth", "least"), KINDS)
def test_kinds_of_pictures(model: Dct, channels: int, depth: int, least: float) -> None:
    photo = picture(70, 100, channels, depth)
    photo.icc, photo.exif = b"profile", b"Exif\0\0data"
    photo.alpha = picture(70, 100, 1).image[..., 0]
    found, _ = decompress(model, compress(model, photo, 40, tile=64))
    assert found.image.shape == (70, 100, channels)
    assert found.image.dtype == photo.image.dtype
    assert psnr(found.image, photo.image, depth) > least
    assert (found.icc, found.exif) == (photo.icc, photo.exif)
    np.testing.assert_array_equal(found.alpha, photo.alpha)


def test_every_quality_is_larger_or_equal_and_no_worse() -> None:
    photo, sizes, levels = picture(96, 128), [], []
    for quality in (0, 20, 40, 63):
        data = compress(RGB, photo, quality)
        sizes.append(len(data))
        levels.append(psnr(decompress(RGB, data)[0].image, photo.image))
    assert sizes == sorted(sizes)
    assert levels == sorted(levels)


def test_bytes_over_the_ideal() -> None:
    """768 x 512: at most 1 % and 120 bytes over what the model's tables promise, all of the file."""
    photo, scale = picture(512, 768, seed=3), ScaleTables(RGB.counts)
    for quality in (12, 30):
        data = compress(RGB, photo, quality)
        z, y = RGB.encode(cut(photo.image, (0, 512, 0, 768)), quality)
        index = tile_codec.z_index(RGB, quality, z.shape)
        known, bits = np.zeros(y.shape, np.int32), scale.bits(index, z)
        for pass_ in (0, 1):
            mask = tile_codec.checkerboard(y.shape, pass_)
            index, mean = RGB.prior(z, known, pass_, quality)
            index = np.where(mask, index, 0)
            symbol = scale.clip((y - 32 * mean + 128) >> 8, index)
            known = known + np.where(mask, 8 * symbol + mean, 0)
            bits += scale.bits(index, symbol)
        assert bits / 8 < len(data) <= 1.01 * bits / 8 + 120


def test_no_seams() -> None:
    """Tiles of 96 and one tile: the decoded pixels differ at seams no more than elsewhere."""
    photo = picture(192, 288, seed=5)
    parts = decompress(RGB, compress(RGB, photo, 40, tile=96))[0].image
    error = np.square(parts.astype(float) - photo.image).mean(-1)
    seam = np.zeros(error.shape, bool)
    for line in (96, 192):
        seam[line - 2 : line + 2] |= line < 192
        seam[:, line - 2 : line + 2] = True
    inside = np.zeros(error.shape, bool)  # other edges between blocks
    for line in range(8, 288, 8):
        inside[line - 2 : line + 2] |= line < 192
        inside[:, line - 2 : line + 2] = True
    inside &= ~seam
    assert error[seam].mean() < 1.1 * error[inside].mean()
    blind = Dct(halo=0)
    apart = decompress(blind, compress(blind, photo, 40, tile=96))[0].image
    worse = np.square(apart.astype(float) - photo.image).mean(-1)
    assert worse[seam].mean() > error[seam].mean()  # so the halo is what does it


def test_a_halo_answers_as_the_whole_picture() -> None:
    """Without context in the prior, tiles and one tile give the same pixels, to the last bit."""

    class Flat(Dct):
        def prior(self, z, y, pass_, quality):
            index, mean = super().prior(z, y, 0, quality)
            return np.full_like(index, 40), mean

    photo = picture(70, 140)
    one = decompress(Flat(), compress(Flat(), photo, 40))[0].image
    for tile in (32, 64):
        np.testing.assert_array_equal(
            decompress(Flat(), compress(Flat(), photo, 40, tile=tile))[0].image, one
        )


def test_workers_change_nothing() -> None:
    photo, heard = picture(200, 150), []
    data = compress(RGB, photo, 30, tile=64)
    assert compress(RGB, photo, 30, tile=64, workers=3) == data
    found, _ = decompress(RGB, data, workers=3, progress=lambda *now: heard.append(now))
    np.testing.assert_array_equal(found.image, decompress(RGB, data)[0].image)
    assert heard == [(n, 12) for n in range(1, 13)]


def test_tiles_cover_the_picture_once() -> None:
    seen = np.zeros((224, 320), int)
    for part in tiles(200, 300, 96, 64):
        seen[part.top : part.bottom, part.left : part.right] += 1
        rows, columns = part.inside(1)
        assert rows.stop - rows.start == part.bottom - part.top
        assert columns.stop - columns.start == part.right - part.left
    assert seen.min() == seen.max() == 1


def test_preview() -> None:
    """More rungs, or more bytes of a cut file: a better picture."""
    photo = picture(128, 192)
    data = compress(RGB, photo, 40, tile=64)
    by_rungs = [psnr(decompress(RGB, data, rungs=n)[0].image, photo.image) for n in (1, 2, 3)]
    assert by_rungs == sorted(by_rungs)
    found = read_container(data)
    start = 44 + 12 + 30 * 6
    ends = np.cumsum([start] + [sum(e.lengths[r] for e in found.entries) for r in range(3)])
    for end, whole in zip(ends[1:], by_rungs, strict=True):
        shown, damage = decompress(RGB, data[:end], keep_going=True)
        assert psnr(shown.image, photo.image) == whole
        assert (damage == []) == (end == len(data))
    cut_off = decompress(RGB, data[: int(ends[2]) + 40], keep_going=True)
    assert by_rungs[1] <= psnr(cut_off[0].image, photo.image) <= by_rungs[2]


PHOTO = picture(100, 130, seed=2)
DATA = compress(RGB, PHOTO, 40, tile=64)
TILES, FIRST = 6, 44 + 12 + 30 * 6
ENTRIES = read_container(DATA).entries


def rung_at(rung: int, tile: int) -> int:
    """Where a rung begins in DATA."""
    before = sum(e.lengths[r] for r in range(rung) for e in ENTRIES)
    return FIRST + before + sum(e.lengths[rung] for e in ENTRIES[:tile])


@pytest.mark.parametrize(("rung", "name"), [(0, "z"), (1, "y pass 0"), (2, "y pass 1")])
def test_a_damaged_tile_is_told_and_skipped(rung: int, name: str) -> None:
    wrong = bytearray(DATA)
    wrong[rung_at(rung, 4)] ^= 16
    with pytest.raises(CodecError, match=f"tile 4, rung {name} is damaged: another CRC32C"):
        decompress(RGB, bytes(wrong))
    found, damage = decompress(RGB, bytes(wrong), keep_going=True)
    assert [words.partition(" is damaged")[0] for words in damage] == [f"tile 4, rung {name}"]
    differs = (found.image != decompress(RGB, DATA)[0].image).any(-1)
    assert differs[64:, 64:128].any()
    far = np.ones_like(differs)
    far[63:, 63:129] = (
        False  # the tile, and the pixel that the smoothing of its neighbours takes from it
    )
    assert not differs[far].any()


def reseal(data: bytes, latents: bool = False) -> bytes:
    """Make length and check sums right again, so that damage reaches what is behind them."""
    found = bytearray(data)
    struct.pack_into("<I", found, 36, len(found))
    struct.pack_into("<I", found, 40, crc32c(bytes(found[:40])))
    for tile, entry in enumerate(ENTRIES):
        for rung in range(3):
            at = rung_at(rung, tile)
            part = bytes(found[at : at + entry.lengths[rung]])
            struct.pack_into("<I", found, 56 + 30 * tile + 10 + 8 * rung, crc32c(part))
    body = bytes(found[56:FIRST])
    struct.pack_into("<I", found, 52, crc32c(b"TILE" + body))
    return bytes(found)


def put(at: int, data: bytes) -> bytes:
    return reseal(DATA[:at] + data + DATA[at + len(data) :])


DAMAGE = [
    (b"", "expected it to begin with b'DIMG', received b''"),
    (b"\x89PNG" + DATA[4:], r"this is no compressed picture: .* received b'\\x89PNG'"),
    (DATA[:30], "the compressed picture is truncated: expected a header of 44 bytes, received 30"),
    (DATA[:-1], f"truncated: expected {len(DATA)} bytes, received {len(DATA) - 1}; --keep-going"),
    (DATA + b"\0", f"the file is too long: expected {len(DATA)} bytes"),
    (put(4, b"\2"), "has version 2; this dimaging_edge reads up to 1. Update it: pip install -U"),
    (put(4, b"\0"), "it says version 0, expected 1"),
    (put(5, b"\2"), "it says profile 2, expected 1: another kind of model"),
    (put(6, b"\2"), "it says 2 channels, expected 1 or 3"),
    (put(7, b"\x10"), "it says 3 channels of 16 bits, its model has 3 of 8"),
    (put(7, b"\5"), "it says 5 bits a sample, expected 8 or 16"),
    (put(8, bytes(4)), "it says 0 x 100 pixels"),
    (put(8, b"\xff" * 8), r"has 4294967295 x 4294967295 pixels, .* --max-pixels"),
    (
        put(8, struct.pack("<II", 1 << 27, 1)),
        "has 134217728 x 1 pixels, .* --max-pixels 2147483648",
    ),
    (put(8, b"\xff\0\0\0"), "its 8 tiles need a directory of 240 bytes, received 180"),
    (put(16, b"\x21\0"), "it says tiles of 33 pixels, expected a multiple of 32 up to 1024"),
    (put(16, b"\0\x08"), "it says tiles of 2048 pixels"),
    (put(18, b"\x40"), "it says quality 64, expected 0 to 63"),
    (put(19, b"\1"), "it says 1 in a reserved byte"),
    (put(20, b"\xaa"), "compressed with model aa01.*, this is model 000102.*: --model BUNDLE"),
    (DATA[:9] + b"\7" + DATA[10:], "the header is damaged: expected CRC32C"),
    (DATA[:70] + b"\7" + DATA[71:], "the directory of tiles is damaged"),
    (put(44, b"TILF"), "chunk TILF is damaged: another CRC32C"),
    (put(44, b"\0ILE"), r"no chunk at byte 44, found b'\\x00ILE'"),
    (put(48, b"\xff\xff\xff\0"), "chunk TILE ends at byte 16777271, the file at"),
    (put(56, bytes(2)), "tile 0, rung z says 0 lanes, expected 1 to 1024"),
    (put(62, b"\xff\xff\xff\0"), "its rungs end at byte .*, the file at"),
    (put(58, b"\7"), r"tile 0, its latents have another CRC32C .* computes the model differently"),
    (put(rung_at(0, 2), bytes(4)), r"tile 2, rung z: rANS: .* lane 0 begins with state 0"),
    (put(rung_at(1, 2), bytes(9)), "tile 2, (rung y pass [01]: rANS|its latents have another)"),
]


@pytest.mark.parametrize(("data", "says"), DAMAGE)
def test_damaged_file(data: bytes, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        decompress(RGB, data)


def test_machine_that_computes_the_model_otherwise() -> None:
    class Other(Dct):
        def prior(self, z, y, pass_, quality):
            index, mean = super().prior(z, y, pass_, quality)
            return index, mean + (pass_ == 1)

    with pytest.raises(CodecError, match="that computes the model differently, .* --provider cpu"):
        decompress(Other(), DATA)
    found, damage = decompress(Other(), DATA, keep_going=True)
    assert len(damage) == TILES
    assert psnr(found.image, PHOTO.image) > 10


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<4sII", kind, len(data), crc32c(kind + data)) + data


def sized(data: bytes) -> bytes:
    fields = data[:36] + struct.pack("<I", len(data))
    return fields + struct.pack("<I", crc32c(fields)) + data[44:]


CHUNKS = [
    (chunk(b"text", b"hello"), True, ""),
    (chunk(b"Text", b"hello"), True, "needs chunk Text"),
    (chunk(b"iccp", b"a") * 2, True, "two chunks iccp"),
    (chunk(b"iccp", b"a")[:-1] + b"b", True, "chunk iccp is damaged: another CRC32C"),
    (chunk(b"text", b"hello"), False, ""),
    (chunk(b"alph", b"hello"), False, "the alpha plane is damaged: 104 bits"),
    (b"junk", False, "a chunk is missing at byte"),
]


@pytest.mark.parametrize(("extra", "before", "says"), CHUNKS)
def test_chunks(extra: bytes, before: bool, says: str) -> None:
    """Small letters are skipped if unknown, capitals refused; --keep-going goes on in any case."""
    data = sized(DATA[:44] + extra + DATA[44:] if before else DATA + extra)
    if says:
        with pytest.raises(CodecError, match=says):
            decompress(RGB, data)
    found, damage = decompress(RGB, data, keep_going=True)
    assert len(damage) == bool(says)
    np.testing.assert_array_equal(found.image, decompress(RGB, DATA)[0].image)


any_compress: Any = compress
any_decompress: Any = decompress
any_photo: Any = Photo

WRONG = [
    (lambda: compress(RGB, PHOTO, 64), "quality: expected 0 to 63, received 64"),
    (lambda: compress(RGB, PHOTO, 3, tile=100), "tile: expected a multiple of 32 up to 1024"),
    (
        lambda: compress(GREY, PHOTO, 3),
        r"expected uint8 \[H, W, 1\], received uint8 \[100, 130, 3\]",
    ),
    (lambda: compress(DEEP, PHOTO, 3), "image: expected uint16"),
    (lambda: compress(RGB, Photo(PHOTO.image[:0]), 3), "expected 1 to .* pixels, received 130 x 0"),
    (
        lambda: compress(RGB, replace(PHOTO, alpha=PHOTO.image), 3),
        r"alpha: .*uint8 \[100, 130, 3\]",
    ),
    (lambda: decompress(RGB, DATA, rungs=0), "rungs: expected 1 to 3, received 0"),
    (
        lambda: any_compress(RGB, PHOTO.image, 3),
        "photo: expected a Photo, received ndarray; such as",
    ),
    (
        lambda: any_compress("m", PHOTO, 3),
        r"model: expected an open model, received str; .*open_model",
    ),
    (lambda: any_compress(RGB, PHOTO, 3.5), "quality: expected a whole number, received 3.5"),
    (lambda: any_compress(RGB, PHOTO, True), "quality: expected a whole number, received True"),
    (lambda: any_compress(RGB, PHOTO, 3, max_error=1.5), "max_error: expected a whole number"),
    (
        lambda: any_compress(RGB, any_photo([[1]]), 3),
        "image: expected a numpy array, received list",
    ),
    (lambda: any_decompress(RGB, "p.dimg"), "data: expected the bytes of a file, received str"),
    (lambda: to_target(RGB, PHOTO, bpp=math.nan), "expected a target above 0, received nan"),
    (lambda: to_target(RGB, PHOTO), "either a target of bits a pixel or one of dB"),
    (lambda: to_target(RGB, PHOTO, bpp=0.01), "0.01 bits a pixel cannot be met: .* at least"),
    (
        lambda: to_target(RGB, PHOTO, decibel=99),
        "99 dB cannot be met: this picture has at most 3.*--lossless reach more",
    ),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_arguments(call, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()


def test_targets() -> None:
    data, quality, _ = to_target(RGB, PHOTO, bpp=1.5)
    assert 8 * len(data) <= 1.5 * 13_000 < 8 * len(compress(RGB, PHOTO, quality + 1))
    data, quality, _ = to_target(RGB, PHOTO, decibel=28)
    worse = decompress(RGB, compress(RGB, PHOTO, quality - 1))[0]
    assert psnr(decompress(RGB, data)[0].image, PHOTO.image) >= 28 > psnr(worse.image, PHOTO.image)


MEMORY = """
import resource, sys
import numpy as np
from helpers.codec_dct import Dct
from dimaging_edge.photo.codec import Photo, compress, decompress
x = np.arange(4000, dtype=np.uint32)
image = np.empty((3000, 4000, 3), np.uint8)
for y in range(3000):
    image[y] = ((x * (y + 7) >> 9)[:, None] + np.arange(3)) & 255
model, photo = Dct(), Photo(image)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
base = peak()
data = compress(model, photo, 0)
print(peak() - base)
found = decompress(model, data)[0]
print(peak() - base)
"""


@pytest.mark.slow
def test_12_megapixels_in_400_megabytes() -> None:
    tests = Path(__file__).parents[2]
    code = f"import sys; sys.path[:0] = {[str(tests), str(tests.parent / 'edge')]!r}\n{MEMORY}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert max(float(line) for line in done.stdout.split()) < 400
