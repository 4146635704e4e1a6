"""Images that `dimaging-edge pack` compressed, unpacked by the page: the same pixels, and damage in words."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.entropy.frequencies import normalise
from dimaging_edge.lossless import pack
from dimaging_edge.lossless.bundle_predictor import BundlePredictor
from dimaging_edge.photo.bundle_model import SHIPPED
from helpers.browser import GOLDEN, SMALL

from benchmarks.parts.page_kit import packed, unpacked

STREAM = (GOLDEN / "older" / "digits.dpix").read_bytes()
UNPACK = """async ([name, data]) => {
  const {unpack} = await import("/lossless/stream.mjs");
  const found = await unpack(await kit.bundle(name), kit.bytes(data), () => undefined);
  return kit.text(found.symbols);
}"""
FREQUENCIES = """async ([data, levels]) => {
  const {normalise} = await import("/entropy/frequencies.mjs");
  const all = new Float64Array(kit.bytes(data).buffer);
  const row = (i) => normalise(all.subarray(levels * i, levels * (i + 1)), 16);
  const rows = Array.from({length: all.length / levels}, (_, i) => row(i));
  return rows.map(kit.text);
}"""


def opened(kit: Any, data: bytes, name: str = SMALL[0].name) -> np.ndarray:
    return unpacked(kit.evaluate(UNPACK, [name, packed(data)]))


def test_images_of_before(kit: Any) -> None:
    with np.load(GOLDEN / "older" / "numbers.npz") as numbers:
        expected = numbers["pixelcnn-integer/symbols"]
    np.testing.assert_array_equal(opened(kit, STREAM), expected.ravel())


@pytest.mark.parametrize(("images", "lanes"), [(1, 1), (5, 2), (4, 4)])
def test_images_of_several_lanes(kit: Any, images: int, lanes: int) -> None:
    bundle = open_bundle(SMALL[0], "cpu", 1)
    predictor = BundlePredictor(bundle)
    shape = (images, *predictor.shape[:2])
    symbols = np.random.default_rng(images).integers(0, predictor.levels, shape).astype(np.uint8)
    data = pack(predictor, symbols, bundle.manifest.model_id, lanes=lanes)
    np.testing.assert_array_equal(opened(kit, data), symbols.ravel())


def test_a_digit_by_the_model_that_comes_along(kit: Any) -> None:
    bundle = open_bundle(SHIPPED / "pixelcnn_digits", "cpu", 1)
    y, x = np.mgrid[:28, :28]
    digit = (np.hypot(x - 14, 1.4 * (y - 14)).round() == 7).astype(np.uint8)[None]
    data = pack(BundlePredictor(bundle), digit, bundle.manifest.model_id)
    np.testing.assert_array_equal(opened(kit, data, "pixelcnn_digits"), digit.ravel())


@pytest.mark.parametrize("levels", [2, 3, 16, 256])
def test_frequencies_are_python_s(kit: Any, levels: int) -> None:
    rng = np.random.default_rng(levels)
    weights = np.exp2(rng.uniform(0, 32, (200, levels))).astype(np.int64).clip(1, 1 << 32)
    weights[0], weights[1] = 1, 1 << 32
    given = packed(weights.astype("<f8"))
    found = [unpacked(row, "<f8") for row in kit.evaluate(FREQUENCIES, [given, levels])]
    np.testing.assert_array_equal(np.stack(found), normalise(weights))


def sealed(data: bytes, place: int, value: bytes) -> bytes:
    """The stream with other bytes, and both check sums right again."""
    found = bytearray(data)
    found[place : place + len(value)] = value
    struct.pack_into("<I", found, 44, crc32c(bytes(found[56:])))
    struct.pack_into("<I", found, 52, crc32c(bytes(found[:52])))
    return bytes(found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:40], "are truncated: a header has 56 bytes, received 40"),
        (lambda x: x[:-1], "the file is truncated: expected"),
        (lambda x: x + b"\0", "the file is too long: expected"),
        (lambda x: sealed(x, 4, b"\2"), "have version 2; this page reads up to 1"),
        (lambda x: x[:9] + b"\1" + x[10:], "are damaged: another CRC32C of the header"),
        (lambda x: x[:60] + b"\1" + x[61:], "are damaged: another CRC32C of the payload"),
        (lambda x: sealed(x, 6, b"\1\0"), "damaged or forged: it says"),
        (lambda x: sealed(x, 20, b"\xff\xff"), "damaged or forged: it says"),
        (lambda x: sealed(x, 24, b"\xff"), "were packed with model ff"),
        (lambda x: sealed(x, 6, b"\7"), "gives no whole weights of 7 levels"),
        (lambda x: sealed(x, 56, b"\0\0\0\0"), "a lane begins with a state that none has"),
        (lambda x: sealed(x, 62, b"\1\2\3"), "are damaged: |decodes it to other images"),
    ],
    ids=lambda one: "" if callable(one) else one[:24],
)
def test_damage_is_told(kit: Any, change: Callable, words: str) -> None:
    with pytest.raises(Exception, match=words):
        opened(kit, change(STREAM))


def shown(page: Any, folder: Path, data: bytes) -> str:
    (folder / "digits.dpix").write_bytes(data)
    page.evaluate("location.hash = '#/open'")
    page.wait_for_function("document.title.startsWith('open')")
    page.evaluate("document.querySelectorAll('main section').forEach((x) => x.replaceChildren())")
    page.set_input_files("main input[type=file] >> nth=0", folder / "digits.dpix")
    page.wait_for_selector("main a[download], main .error", timeout=60_000)
    return page.inner_text("main")


def test_the_tab_shows_them_or_says_which_model_is_missing(page: Any, tmp_path: Path) -> None:
    words = shown(page, tmp_path, STREAM)
    assert "images\t6 of 8 x 8, 4 levels" in words
    assert "Unpacked without loss: the check sum of all pixels agrees." in words
    assert page.get_attribute("main a[download]", "download") == "digits.png"
    words = shown(page, tmp_path, sealed(STREAM, 24, b"\xff"))
    assert "packed without loss by the model ff" in words
    assert "dimaging-edge unpack BUNDLE FILE" in words
