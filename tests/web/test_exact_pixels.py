"""Exact pixels in the page: those of Python, to the last bit; damage in words; what the tab Open says."""

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimaging_edge.commands.main import main
from dimaging_edge.photo.codec import compress
from dimaging_edge.photo.exact import encode_pixels
from dimaging_edge.photo.symbol_model import Photo
from helpers.browser import GOLDEN

from benchmarks.parts.page_cross import model, photo
from benchmarks.parts.page_kit import packed, unpacked

TILE = """async ([data, shape, most, bound]) => {
  const {decodePixels} = await import("/photo/exact.mjs");
  return kit.text(await decodePixels(kit.bytes(data), ...shape, most, bound));
}"""
FILE = """async ([name, data, options]) => {
  const found = await kit.decompress(await kit.model(name), kit.bytes(data), options);
  const {image, alpha} = found.photo;
  return {image: kit.text(image), alpha: alpha && kit.text(alpha), damage: found.damage, bound: found.bound};
}"""
RNG = np.random.default_rng(0)
PICTURES = {
    "one pixel": RNG.integers(0, 256, (1, 1, 3), np.uint8),
    "a column": RNG.integers(100, 140, (130, 1, 3), np.uint8),
    "noise": RNG.integers(0, 256, (37, 66, 3), np.uint8),
    "black and white": (255 * RNG.integers(0, 2, (65, 64, 3))).astype(np.uint8),
    "flat": np.full((66, 70, 1), 255, np.uint8),
    "12 of 16 bits": RNG.integers(3000, 3000 + 4096, (33, 34, 1)).astype(np.uint16),
    "colours of 16 bits": RNG.integers(60_000, 62_000, (33, 34, 3)).astype(np.uint16),
}


def decoded(kit: Any, data: bytes, shape: tuple[int, ...], kind: np.dtype, bound: int) -> Any:
    most = int(np.iinfo(kind).max)
    return unpacked(kit.evaluate(TILE, [packed(data), list(shape), most, bound]), kind.str)


def test_tables_are_those_of_the_format(kit: Any) -> None:
    script = """async () => {
      const {exactTables} = await import("/photo/exact_tables.mjs");
      return kit.text(exactTables().frequency);
    }"""
    counts = unpacked(kit.evaluate(script), "<u2").reshape(-1, 256)
    assert counts.shape == (121, 256)
    assert zlib.crc32(counts[1:].tobytes()) == 913235418


def test_golden_tiles(kit: Any) -> None:
    for one in json.loads((GOLDEN / "exact-v1.json").read_text())["tiles"]:
        data = base64.b64decode(one["data"])
        found = decoded(kit, data, one["shape"], np.dtype(one["dtype"]), one["bound"])
        assert hashlib.sha256(found.tobytes()).hexdigest() == one["sha256"]


@pytest.mark.parametrize("image", PICTURES.values(), ids=PICTURES.keys())
def test_every_pixel_is_within_the_bound(kit: Any, image: np.ndarray) -> None:
    for bound in (0, 1, 32):
        found = decoded(kit, encode_pixels(image, bound), image.shape, image.dtype, bound)
        assert np.abs(found.reshape(image.shape).astype(int) - image).max() <= bound


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("unet_codec", "alpha", (70, 131)),
        ("unet_codec_grey16", "grey", (65, 40)),
    ],
)
def test_files_without_loss_and_their_previews(
    kit: Any, name: str, kind: str, size: tuple[int, int]
) -> None:
    source = photo(name, size, kind)
    source = Photo(source.image // source.image.itemsize**4, source.alpha)  # a span of 12 bits
    data = compress(model(name), source, 0, tile=64, max_error=0)
    found = kit.evaluate(FILE, [name, packed(data), {}])
    assert (found["damage"], found["bound"]) == ([], 0)
    assert found["image"] == packed(source.image)
    assert source.alpha is None or found["alpha"] == packed(source.alpha)
    plain = compress(model(name), source, 0, tile=64)
    previews = [kit.evaluate(FILE, [name, packed(one), {"rungs": 2}]) for one in (data, plain)]
    assert previews[0] == previews[1]
    assert previews[0]["bound"] is None


def test_damaged_exact_pixels(kit: Any) -> None:
    name = "unet_codec"
    source = photo(name, (40, 60), "colour")
    data = bytearray(compress(model(name), source, 20, max_error=0))
    data[-5] ^= 1
    words = "chunk PIXL is damaged: another CRC32C; fetch or copy it again"
    with pytest.raises(Exception, match=words):
        kit.evaluate(FILE, [name, packed(bytes(data)), {}])
    shown = kit.evaluate(FILE, [name, packed(bytes(data)), {"keepGoing": True}])
    plain = kit.evaluate(FILE, [name, packed(compress(model(name), source, 20)), {}])
    assert (shown["damage"], shown["bound"]) == ([words], None)
    assert shown["image"] == plain["image"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:5], "5 bytes of a tile"),
        (lambda data: b"\0\0" + data[2:], "0 lanes, expected 1 to 1024"),
        (lambda data: data[:10] + b"\xff" + data[11:], "the exact pixels are damaged: "),
        (lambda data: data[:-2], "rANS: the stream is"),
        (lambda data: data + b"\0", "rANS: the stream is damaged: "),
    ],
    ids=["short", "lanes", "numbers", "cut", "long"],
)
def test_damaged_tiles_are_told(kit: Any, change: Any, words: str) -> None:
    image = PICTURES["noise"]
    with pytest.raises(Exception, match=words):
        decoded(kit, change(encode_pixels(image)), image.shape, image.dtype, 0)


@pytest.mark.parametrize(("bound", "words"), [(0, "every pixel, without loss"), (3, "at most 3")])
def test_the_tab_says_how_exact_a_file_is(
    page: Any, tmp_path: Path, bound: int, words: str
) -> None:
    file = tmp_path / "photo.dimg"
    file.write_bytes(
        compress(model("unet_codec"), photo("unet_codec", (50, 60), "colour"), 0, max_error=bound)
    )
    page.evaluate("location.hash = '#/open'")
    page.wait_for_function("document.title.startsWith('open')")
    page.set_input_files("main input[type=file] >> nth=0", file)
    # The link of the file before stays until this one is open, so the words are waited for.
    page.locator("main .error").or_(page.locator("main", has_text=words)).first.wait_for(
        timeout=60_000
    )
    assert words in page.inner_text("main")
    with page.expect_download() as download:
        page.click("main a[download]")
    download.value.save_as(tmp_path / "page.png")
    assert main(["decompress", str(file), "-o", str(tmp_path / "python.png")]) == 0
    from PIL import Image

    paths = [tmp_path / f"{name}.png" for name in ("page", "python")]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    np.testing.assert_array_equal(pictures[0], pictures[1])
