"""The codec of the page against the one in Python, both ways; byte for byte where the latents are equal."""

import hashlib
import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimaging_edge.photo import tile_codec
from dimaging_edge.photo.bundle_model import BundleModel, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.reading import read_container
from dimaging_edge.photo.symbol_model import Photo, widest
from dimaging_edge.photo.symbols import scale_tables
from helpers.browser import packed, unpacked

MODELS = ("unet_codec", "unet_codec_msssim", "unet_codec_grey16")
SIZES = ((1, 1), (31, 33), (512, 512), (769, 513))
KINDS = ("grey", "colour", "alpha")
TILES = (32, 256, 768, 1024)
FEW = [  # every model, size, kind and tile at least twice
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
]
ALL = list(itertools.product(MODELS, SIZES, KINDS, TILES))


@cache
def model(name: str) -> BundleModel:
    return open_model(name, "cpu", 1)


def photo(name: str, size: tuple[int, int], kind: str) -> Photo:
    """Waves, edges and specks; without a generator that might change."""
    found, (height, width) = model(name), size
    y, x, c = np.ogrid[:height, :width, : 1 if kind == "grey" else found.channels]
    value = np.abs((x * (3 + c) + y * (5 - c)) % 256 - 128) + (x * x + 7 * y * y + c) % 13
    value = np.where((x // 20 + y // 16) % 3 == 0, 190 - 30 * c, value)
    value = np.where((x * x + 7 * y + c) % 131 == 0, 255, value)
    image = (value << (found.bit_depth - 8)).astype(f"u{found.bit_depth // 8}")
    alpha = ((x + 2 * y) % 256).astype(np.uint8)[..., 0] if kind == "alpha" else None
    return Photo(image, alpha)


OPEN = """async ([name, data]) => {
  const {photo, damage, latents} = await kit.decompress(await kit.model(name), kit.bytes(data));
  return {image: kit.text(photo.image), alpha: photo.alpha && kit.text(photo.alpha), damage, latents};
}"""
WRITE = """async ([name, image, alpha, height, width, channels, quality, tile]) => {
  const model = await kit.model(name);
  const bytes = kit.bytes(image);
  const values = model.bitDepth === 16 ? new Uint16Array(bytes.buffer) : bytes;
  const photo = {image: values, height, width, channels, alpha: alpha && kit.bytes(alpha)};
  return kit.text(await kit.compress(model, photo, quality, {tile}));
}"""


@pytest.mark.parametrize(
    ("name", "size", "kind", "tile"),
    [pytest.param(*one, id="-".join(map(str, one))) for one in FEW]
    + [
        pytest.param(*one, id=f"all-{'-'.join(map(str, one))}", marks=pytest.mark.slow)
        for one in ALL
    ],
)
def test_files_go_both_ways(
    kit: Any, name: str, size: tuple[int, int], kind: str, tile: int
) -> None:
    source, quality = photo(name, size, kind), 40
    ours = compress(model(name), source, quality, tile=tile)
    found = kit.evaluate(OPEN, [name, packed(ours)])
    assert found["damage"] == []
    assert found["latents"] == [entry.latents for entry in read_container(ours).entries]
    assert_near(found, ours, name, source)

    height, width, channels = source.image.shape
    alpha = None if source.alpha is None else packed(source.alpha)
    given = [name, packed(source.image), alpha, height, width, channels, quality, tile]
    theirs = unpacked(kit.evaluate(WRITE, given)).tobytes()
    assert_near(kit.evaluate(OPEN, [name, packed(theirs)]), theirs, name, source)


def assert_near(found: dict[str, Any], data: bytes, name: str, source: Photo) -> None:
    """Python reads the same file without damage, and the pixels agree within one level."""
    back, damage = decompress(model(name), data)
    assert damage == []
    seen = unpacked(found["image"], back.image.dtype.str).reshape(back.image.shape)
    assert np.abs(seen.astype(int) - back.image).max() <= 1
    if source.alpha is not None:
        np.testing.assert_array_equal(unpacked(found["alpha"]), source.alpha.ravel())
        np.testing.assert_array_equal(back.alpha, source.alpha)


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
    script = """async ([name, data, options]) => {
      const found = await kit.decompress(await kit.model(name), kit.bytes(data), options);
      return {image: kit.text(found.photo.image), damage: found.damage};
    }"""
    for cut, options in [
        (len(data), {"rungs": 1}),
        (len(data), {"rungs": 2}),
        (len(data) * 2 // 3, {}),
    ]:
        part = data[:cut]
        found = kit.evaluate(script, [name, packed(part), {"keepGoing": True, **options}])
        back, damage = decompress(model(name), part, keep_going=True, **options)
        seen = unpacked(found["image"]).reshape(back.image.shape)
        assert np.abs(seen.astype(int) - back.image).max() <= 1
        assert len(found["damage"]) == len(damage)
        assert bool(damage) == (cut < len(data))


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
