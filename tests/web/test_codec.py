"""The codec of the page against the one in Python, both ways; byte for byte where the latents are equal."""

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo import tile_codec, tiles
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.container import CHUNK
from dimaging_edge.photo.half import enlarged, reduced
from dimaging_edge.photo.reading import read_container
from dimaging_edge.photo.search import to_target
from dimaging_edge.photo.symbol_model import Photo, widest
from dimaging_edge.photo.symbols import scale_tables

from benchmarks.parts.page_cross import ALL, MODELS, Row, cross, model, photo
from benchmarks.parts.page_kit import packed, unpacked

FEW: list[Row] = [
    ("unet_codec", (1, 1), "colour", 768),
    ("unet_codec", (31, 33), "alpha", 32),
    ("unet_codec", (512, 512), "grey", 256),
    ("unet_codec", (769, 513), "colour", 1024),
    ("unet_codec_msssim", (1, 1), "alpha", 32),
    ("unet_codec_msssim", (31, 33), "grey", 1024),
    ("unet_codec_msssim", (512, 512), "colour", 768),
    ("unet_codec_grey16", (31, 33), "alpha", 256),
    ("unet_codec_grey16", (512, 512), "grey", 768),
    ("unet_codec_grey16", (1, 1), "grey", 256),
    ("unet_codec", (31, 33), "half", 32),
    ("unet_codec_grey16", (769, 513), "half", 768),
]
OPEN = """async ([name, data, options]) => {
  const {photo, damage, latents} = await kit.decompress(await kit.model(name), kit.bytes(data), options ?? {});
  return {image: kit.text(photo.image), alpha: photo.alpha && kit.text(photo.alpha), damage, latents};
}"""


@pytest.mark.parametrize("row", FEW, ids=lambda row: "-".join(map(str, row)))
def test_files_go_both_ways(kit: Any, row: Row) -> None:
    """The whole table of 162 rows: benchmarks/phone_cross.py."""
    found = cross(kit, row)
    assert found.latents
    assert found.pixels <= 1
    assert (found.alpha, found.damage) == (0, 0)


def test_the_few_rows_hold_every_model_size_kind_and_tile_of_the_table() -> None:
    assert set(FEW) <= set(ALL)
    for few, every in zip(zip(*FEW, strict=True), zip(*ALL, strict=True), strict=True):
        assert set(few) == set(every)


ENCODE = """async ([name, z, y, quality, height, width]) => {
  const ints = (text) => new Int32Array(kit.bytes(text).buffer);
  const {entry, rungs} = await kit.encodeTile(await kit.model(name), ints(z), ints(y), quality, height, width);
  return {...entry, rungs: rungs.map(kit.text)};
}"""


@pytest.mark.parametrize("quality", [0, 30, 63])
@pytest.mark.parametrize("name", MODELS)
def test_equal_latents_give_equal_bytes(kit: Any, name: str, quality: int) -> None:
    one = model(name)
    image = photo(name, (192, 256), "colour").image[None]
    z, y = one.encode(image, quality)
    y = (
        y + (np.arange(y.size).reshape(y.shape) % 977 == 0) * 60_000
    )  # far beyond the tables: escapes
    coded = tile_codec.encode_tile(one, scale_tables(one.counts, widest(one)), z, y, quality)
    given = [name, packed(z.astype("<i4")), packed(y.astype("<i4")), quality, *y.shape[1:3]]
    found = kit.evaluate(ENCODE, given)
    rungs = [hashlib.sha256(unpacked(rung).tobytes()).hexdigest() for rung in found["rungs"]]
    assert rungs == [hashlib.sha256(rung).hexdigest() for rung in coded.rungs]
    assert (found["lanes"], found["latents"]) == (coded.entry.lanes, coded.entry.latents)
    assert tuple(found["sums"]) == coded.entry.sums


def test_previews_and_what_is_left_of_a_cut_file(kit: Any) -> None:
    name = "unet_codec"
    data = compress(model(name), photo(name, (90, 130), "colour"), 50, tile=64)
    for cut, options in [
        (len(data), {"rungs": 1}),
        (len(data), {"rungs": 2}),
        (len(data) * 2 // 3, {}),
    ]:
        part = data[:cut]
        found = kit.evaluate(OPEN, [name, packed(part), {"keepGoing": True, **options}])
        back, damage = decompress(model(name), part, keep_going=True, **options)
        seen = unpacked(found["image"]).reshape(back.image.shape)
        assert np.abs(seen.astype(int) - back.image).max() <= 1
        assert len(found["damage"]) == len(damage)
        assert bool(damage) == (cut < len(data))


HALVES = [
    ("unet_codec", (31, 33), "alpha", 32),
    ("unet_codec", (130, 67), "grey", 768),
    ("unet_codec_grey16", (64, 65), "grey", 768),
]


@pytest.mark.parametrize("row", HALVES, ids=lambda row: "-".join(map(str, row)))
def test_pictures_of_half_size_are_enlarged(kit: Any, row: Row) -> None:
    """The page opens what Python coded at half size: all of it, and its previews."""
    name, size, kind, tile = row
    data = compress(model(name), photo(name, size, kind), 20, tile=tile, half=True)
    for rungs in (1, 3):
        back, _ = decompress(model(name), data, rungs=rungs)
        found = kit.evaluate(OPEN, [name, packed(data), {"rungs": rungs}])
        assert found["damage"] == []
        seen = unpacked(found["image"], f"u{back.image.itemsize}").reshape(back.image.shape)
        assert np.abs(seen.astype(int) - back.image).max() <= 1
        assert found["latents"] == [entry.latents for entry in read_container(data).entries]
        if back.alpha is not None:
            np.testing.assert_array_equal(unpacked(found["alpha"]), back.alpha.ravel())


RESAMPLE = """async ([image, from, to, channels, wide]) => {
  const {enlarged, reduced} = await import("/photo/half.mjs");
  const bytes = kit.bytes(image);
  const values = wide ? new Uint16Array(bytes.buffer) : bytes;
  return kit.text(to ? enlarged(values, from, to, channels) : reduced(values, from, channels));
}"""


@pytest.mark.parametrize(("depth", "channels"), [(1, 3), (2, 1)])
def test_resampling_is_the_same_to_the_last_bit(kit: Any, depth: int, channels: int) -> None:
    small = np.random.default_rng(depth).integers(0, 256**depth, (9, 14, channels))
    small = small.astype(f"u{depth}")
    small[:4] = np.where(small[:4] > 100, 256**depth - 1, 0)
    for height, width in ((18, 28), (17, 27)):
        given = [packed(small), {"height": 9, "width": 14}, {"height": height, "width": width}]
        found = unpacked(kit.evaluate(RESAMPLE, [*given, channels, depth == 2]), f"u{depth}")
        np.testing.assert_array_equal(found, enlarged(small, height, width).ravel())
    for image in (small, small[:1], small[:2, :3], small.transpose(1, 0, 2).copy()):
        size = dict(zip(("height", "width"), image.shape[:2], strict=True))
        given = [packed(image), size, None, channels, depth == 2]
        found = unpacked(kit.evaluate(RESAMPLE, given), f"u{depth}")
        np.testing.assert_array_equal(found, reduced(image).ravel())


WRITE = """async ([name, image, icc, [height, width, channels], quality, latents]) => {
  const [z, y] = latents.map((text) => new Int32Array(kit.bytes(text).buffer));
  const model = Object.assign(Object.create(await kit.model(name)), {encode: async () => ({z, y})});
  const photo = {image: kit.bytes(image), height, width, channels, icc: kit.bytes(icc)};
  return kit.text(await kit.compress(model, photo, quality, {tile: 768, half: true}));
}"""


@pytest.mark.parametrize("quality", [0, 12])
def test_equal_latents_give_equal_files_of_half_size(kit: Any, quality: int) -> None:
    """All of a file: header, the picture's own size, profile, directory, rungs."""
    name, icc = "unet_codec", b"profile"
    source = replace(photo(name, (191, 254), "colour"), icc=icc)
    latents = model(name).encode(tiles.cut(reduced(source.image), (0, 96, 0, 128)), quality)
    given = [packed(values.astype("<i4")) for values in latents]
    given = [name, packed(source.image), packed(icc), list(source.image.shape), quality, given]
    found = unpacked(kit.evaluate(WRITE, given)).tobytes()
    assert found == compress(model(name), source, quality, half=True)


def test_half_of_a_line_is_refused(kit: Any) -> None:
    image = bytes(3 * 90)
    given = ["unet_codec", packed(image), "", [1, 90, 3], 12, ["", ""]]
    with pytest.raises(Exception, match="at least 2 x 2 pixels, received 90 x 1; leave half out"):
        kit.evaluate(WRITE, given)


SEARCH = """async ([name, image, [height, width, channels], quality, limits]) => {
  const {atMost} = await import("/photo/search.mjs");
  const photo = {image: kit.bytes(image), height, width, channels};
  const found = [];
  for (const most of limits) {
    const {data, quality: one, half} = await atMost(await kit.model(name), photo, quality, most);
    found.push([data.length <= most, one, half]);
  }
  return found;
}"""


def test_a_limit_takes_half_size_where_the_command_does(kit: Any) -> None:
    """The quality too, but for a byte that an engine's encoder may shift; none above the one that is chosen."""
    y, x = np.mgrid[:64, :96]
    colours = [128 + 100 * np.sin(x / 6 + k) * np.cos(y / 7 - k) for k in range(3)]
    name, source = "unet_codec", Photo(np.stack(colours, -1).astype(np.uint8))
    whole, least = (len(compress(model(name), source, 0, half=half)) for half in (False, True))
    limits = [3 * whole, whole + 20, least + 20]
    rates = [8 * most / x.size for most in limits]
    expected = [to_target(model(name), source, bpp=rate) for rate in rates]
    given = [name, packed(source.image), list(source.image.shape)]
    found = kit.evaluate(SEARCH, [*given, 63, limits])
    assert [half for _, _, half in found] == [half for *_, half in expected] == [False, True, True]
    for (fits, quality, _), (_, theirs, _) in zip(found, expected, strict=True):
        assert fits
        assert abs(quality - theirs) <= 1
    assert kit.evaluate(SEARCH, [*given, 3, [1e6]]) == [[True, 3, False]]
    words = f"10 bytes cannot be met: this photo has at least {least};"
    with pytest.raises(Exception, match=words):
        kit.evaluate(SEARCH, [*given, 3, [10]])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (struct.pack("<II", 66, 40), "HALF says 66 x 40 pixels, of which 34 x 20 are not half"),
        (bytes(3), "its chunk HALF has 3 bytes, expected 8"),
        (struct.pack("<II", 68, 40), ""),
    ],
)
def test_words_of_a_size_that_does_not_fit(kit: Any, body: bytes, words: str) -> None:
    name = "unet_codec"
    data = compress(model(name), photo(name, (40, 67), "colour"), 0, half=True)
    wrong = CHUNK.pack(b"HALF", len(body), crc32c(b"HALF" + body)) + body
    fields = data[:36] + struct.pack("<I", len(data) + len(body) - 8)
    data = fields + struct.pack("<I", crc32c(fields)) + wrong + data[64:]
    if words:
        with pytest.raises(Exception, match=words):
            kit.evaluate(OPEN, [name, packed(data)])
    found = kit.evaluate(OPEN, [name, packed(data), {"keepGoing": True}])
    assert [words in one for one in found["damage"]] == [True] * bool(words)
    assert len(unpacked(found["image"])) == (20 * 34 * 3 if words else 40 * 68 * 3)


def test_a_file_of_the_model_before_opens(kit: Any) -> None:
    """That bundle has no encoder, here as there."""
    name = "unet_codec_wallpapers"
    golden = Path(__file__).parents[1] / "golden" / f"shipped-{name}.json"
    data = bytes.fromhex(json.loads(golden.read_text())["files"]["odd, tiles"]["file"])
    found, (back, _) = kit.evaluate(OPEN, [name, packed(data)]), decompress(model(name), data)
    assert found["damage"] == []
    seen = unpacked(found["image"]).reshape(back.image.shape)
    assert np.abs(seen.astype(int) - back.image).max() <= 1


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, b"JPEG", "this is no compressed picture"),
        (4, b"\2", "version 2; this page reads up to 1. Update it: pip install -U dimaging"),
        (8, b"\xff", "the header is damaged: expected CRC32C"),
        (60, b"\xff", "the directory of tiles is damaged"),
        (-1, b"\xff", "rung y pass 1 is damaged: another CRC32C"),
    ],
)
def test_words_of_damage(kit: Any, place: int, value: bytes, words: str) -> None:
    name = "unet_codec"
    data = bytearray(compress(model(name), photo(name, (40, 40), "colour"), 30))
    data[place : place + len(value) if place >= 0 else None] = value
    with pytest.raises(Exception, match=words):
        kit.evaluate(OPEN, [name, packed(bytes(data))])
