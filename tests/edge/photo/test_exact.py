"""Exact pixels: every picture comes back, within a bound; damage is told; old readers refuse in words."""

import base64
import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo import exact_chunk
from dimaging_edge.photo.codec import Photo, compress, decompress
from dimaging_edge.photo.exact import decode_pixels, encode_pixels
from dimaging_edge.photo.exact_colour import from_planes, to_planes
from dimaging_edge.photo.exact_grid import LEVELS, steps
from dimaging_edge.photo.exact_tables import TABLES, exact_tables
from helpers.codec_dct import Dct, picture
from hypothesis import given, settings
from hypothesis import strategies as st

RGB, GREY = Dct(), Dct(channels=1)
GOLDEN = Path(__file__).parents[2] / "golden" / "exact-v1.json"
RNG = np.random.default_rng(0)
PICTURES = {
    "one pixel": picture(1, 1).image,
    "a column": picture(70, 1).image,
    "colour": picture(65, 97).image,
    "grey": picture(40, 65, 1).image,
    "12 of 16 bits": RNG.integers(3000, 3000 + 4096, (33, 34, 1)).astype(np.uint16),
    "noise": RNG.integers(0, 256, (37, 66, 3)).astype(np.uint8),
    "black and white": (255 * RNG.integers(0, 2, (64, 64, 3))).astype(np.uint8),
    "flat": np.full((66, 70, 3), 255, np.uint8),
}


@pytest.mark.parametrize("bound", [0, 1, 5, 32])
@pytest.mark.parametrize("image", PICTURES.values(), ids=PICTURES.keys())
def test_every_pixel_is_within_the_bound(image: np.ndarray, bound: int) -> None:
    again = decode_pixels(encode_pixels(image, bound), image.shape, image.dtype, bound)
    assert again.dtype == image.dtype
    assert np.abs(again.astype(int) - image).max() <= bound


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([1, 3]),
    st.integers(0, 3),
    st.integers(),
)
def test_any_size(height: int, width: int, channels: int, bound: int, seed: int) -> None:
    rng = np.random.default_rng(abs(seed))
    image = rng.integers(0, 1 + rng.integers(1, 255), (height, width, channels)).astype(np.uint8)
    again = decode_pixels(encode_pixels(image, bound), image.shape, image.dtype, bound)
    assert np.abs(again.astype(int) - image).max() <= bound


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (64, 65), (100, 7)])
def test_every_pixel_is_coded_once(size: tuple[int, int]) -> None:
    seen = np.zeros(size, int)
    seen[:: 1 << LEVELS, :: 1 << LEVELS] += 1
    for _, _, where in steps(*size):
        seen[where] += 1
    assert seen.min() == seen.max() == 1


def test_colours_come_back() -> None:
    corners = np.array(np.meshgrid(*[[0, 1, 127, 254, 255]] * 3)).reshape(3, -1).T[None]
    image = corners.astype(np.uint8)
    for mixed in (True, False):
        assert np.array_equal(
            from_planes(to_planes(image, mixed=mixed), image.dtype, mixed=mixed), image
        )


@pytest.mark.parametrize("planes", [[-1], [256], [255, 90, 255], [0, 0, 511], [0, -255, 0]])
@pytest.mark.parametrize("mixed", [True, False])
def test_forged_planes_are_refused_not_wrapped(planes: list[int], mixed: bool) -> None:
    given = [np.full((2, 2), value, np.int32) for value in planes]
    if not mixed and 0 <= min(planes) and max(planes) <= 255:
        assert from_planes(given, np.dtype(np.uint8), mixed=False).shape == (2, 2, 3)
        return
    with pytest.raises(
        CodecError, match=r"the exact pixels are damaged: samples from .*, expected 0 to 255"
    ):
        from_planes(given, np.dtype(np.uint8), mixed=mixed)


def test_tables_are_those_of_the_format() -> None:
    """A second implementation must find the same counts."""
    counts = exact_tables().frequency[1:].astype("<u2")
    assert counts.shape == (TABLES, 256)
    assert zlib.crc32(counts.tobytes()) == 913235418


def test_a_file_without_loss_and_its_preview() -> None:
    photo = picture(100, 130, seed=2)
    data = compress(RGB, photo, 0, tile=64, max_error=0)
    for workers in (1, 3):
        again, damage = decompress(RGB, data, workers=workers)
        assert damage == []
        assert np.array_equal(again.image, photo.image)
    plain = compress(RGB, photo, 0, tile=64)
    preview, _ = decompress(RGB, data, rungs=2)
    assert np.array_equal(preview.image, decompress(RGB, plain, rungs=2)[0].image)
    bounded = compress(RGB, photo, 0, tile=64, max_error=3)
    again = decompress(RGB, bounded)[0].image
    assert np.abs(again.astype(int) - photo.image).max() == 3
    assert len(plain) < len(bounded) < len(data) < photo.image.nbytes


@pytest.mark.parametrize(("model", "channels", "depth"), [(GREY, 1, 8), (RGB, 1, 8)])
def test_grey_files(model: Dct, channels: int, depth: int) -> None:
    photo = picture(50, 60, channels, depth)
    again = decompress(model, compress(model, photo, 0, max_error=0))[0].image
    assert np.array_equal(again, photo.image)


def test_progress_counts_exact_tiles() -> None:
    photo, told = picture(40, 60, 1), []

    def hear(done: int, total: int) -> None:
        told.append((done, total))

    data = compress(GREY, photo, 0, tile=32, max_error=0, progress=hear)
    assert told == [(n, 8) for n in range(1, 9)]
    told.clear()
    decompress(GREY, data, progress=hear)
    assert told == [(n, 4) for n in range(1, 5)]


def test_an_old_reader_refuses_in_words() -> None:
    """It meets PIXL as this reader meets a chunk of the future: whole, and unknown."""
    head, _, tail = compress(RGB, picture(40, 40), 0, max_error=0).partition(b"PIXL")
    body = tail[8:]
    data = head + struct.pack("<4sII", b"PIXM", len(body), crc32c(b"PIXM" + body)) + body
    with pytest.raises(
        CodecError, match="needs chunk PIXM, which this dimaging_edge does not know"
    ):
        decompress(RGB, data)


@pytest.mark.parametrize("one", json.loads(GOLDEN.read_text())["tiles"])
def test_golden_tiles(one: dict) -> None:
    """Files of before decode to the same pixels for ever."""
    data = base64.b64decode(one["data"])
    image = decode_pixels(data, tuple(one["shape"]), np.dtype(one["dtype"]), one["bound"])
    assert hashlib.sha256(image.tobytes()).hexdigest() == one["sha256"]


def test_damaged_exact_pixels() -> None:
    photo = picture(60, 70)
    data = bytearray(compress(RGB, photo, 20, max_error=0))
    data[-5] ^= 1
    with pytest.raises(CodecError, match="chunk PIXL is damaged"):
        decompress(RGB, bytes(data))
    shown, damage = decompress(RGB, bytes(data), keep_going=True)
    assert damage == ["chunk PIXL is damaged: another CRC32C; get the file again"]
    plain = decompress(RGB, compress(RGB, photo, 20))[0].image
    assert np.array_equal(shown.image, plain)


GOOD = encode_pixels(picture(40, 50).image)
LENGTH = struct.unpack_from("<I", GOOD, 2)[0]


def _told(change) -> bytes:
    told = change(bytearray(zlib.decompress(GOOD[6 : 6 + LENGTH])))
    packed = zlib.compress(bytes(told))
    return GOOD[:2] + struct.pack("<I", len(packed)) + packed + GOOD[6 + LENGTH :]


def _last(told: bytearray) -> bytearray:
    told[-1] = 255
    return told


def _word(number: int, value: int):
    """Return a change that sets one of the words before the tables: ranges, first pixels, weights."""

    def change(told: bytearray) -> bytearray:
        count = (len(told) - 27 * 36) // 3  # 3 groups, kinds and planes with 36 tables each
        for layer in range(3):
            told[layer * count + number] = value >> 8 * layer & 255
        return told

    return _told(change)


FORGED = {
    "range": (_word(1, 256), "to 256, expected from 0 to 255"),
    "colour": (_word(2, -256), "from -256 to .*, expected from -255 to 255"),
    "empty range": (_word(0, 300), "a plane has values from 300"),
    "first pixel": (_word(6, 256), "first pixels outside their plane's range"),
    "below": (_word(6, -1), "first pixels outside their plane's range"),
    "weight": (_word(9, 1 << 15), "weights of more than 16 bits"),
    "spread": (_word(9 + 16, -(1 << 15) - 1), "weights of more than 16 bits"),
    "nothing": (b"", "0 bytes of a tile"),
    "lanes": (b"\0\0" + GOOD[2:], "0 lanes, expected 1 to 1024"),
    "numbers": (GOOD[:6] + b"\0" + GOOD[7:], "the exact pixels are damaged"),
    "short": (GOOD[:-2], "rANS: the stream is"),
    "long": (GOOD + b"\0\0", "rANS: the stream is damaged"),
    "table": (_told(_last), "table 255 of 120"),
    "too few": (_told(lambda told: told[:-1]), "bytes of numbers"),
}


@pytest.mark.parametrize(("data", "says"), FORGED.values(), ids=FORGED.keys())
def test_forged_tiles(data: bytes, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        decode_pixels(data, (40, 50, 3), np.dtype("u1"), 0)


def test_flipped_bytes_are_an_error_or_a_picture() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(GOOD)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        try:
            assert decode_pixels(bytes(data), (40, 50, 3), np.dtype("u1"), 0).shape == (40, 50, 3)
        except CodecError:
            pass


WIDE = Photo(np.array([[[0], [9000]]], np.uint16))


class NoNetwork(Dct):
    """A model that must not be asked."""

    def encode(self, image: np.ndarray, quality: int) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("the network ran before the picture was checked")


WRONG = [
    (
        lambda: compress(RGB, picture(8, 8), 0, max_error=33),
        "expected 0 .lossless. to 32 levels, received 33",
    ),
    (
        lambda: encode_pixels(np.array([[[0, 9000, 0]] * 2 + [[0, 0, 0]] * 2], np.uint16)),
        "values from 0 to 4500: exact pixels may span 4096 levels in each tile",
    ),
    (
        lambda: compress(NoNetwork(channels=1, bit_depth=16), WIDE, 0, max_error=0),
        "values from 0 to 9000: exact pixels may span 4096 levels",
    ),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_arguments(call, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()


def test_another_kind_of_layer_is_refused() -> None:
    with pytest.raises(CodecError, match="are of kind 02"):
        exact_chunk.bound_of(b"\2\0")
