"""Single image files: every format gives back its pixels, with orientation, pages, transparency."""

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from dimaging_tf.data import files
from dimaging_tf.data.files import read_image, read_mask
from dimaging_tf.errors import DataError

RNG = np.random.default_rng(0)
GREY8 = RNG.integers(0, 256, (20, 30), np.uint8)
RGB8 = RNG.integers(0, 256, (20, 30, 3), np.uint8)
GREY16 = RNG.integers(0, 65536, (20, 30), np.uint16)
RGB16 = RNG.integers(0, 65536, (20, 30, 3), np.uint16)
ALPHA = np.concatenate([RGB8, np.full((20, 30, 1), 255, np.uint8)], -1)


def save(path, array, **options):
    if path.suffix == ".png" and array.dtype == np.uint16 and array.ndim == 3:
        path.write_bytes(tf.io.encode_png(array).numpy())
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array, **options)
    else:
        Image.fromarray(array).save(path, **options)
    return path


LOSSLESS = [
    ("grey.png", GREY8, {}),
    ("grey.tif", GREY8, {}),
    ("grey.bmp", GREY8, {}),
    ("deep.png", GREY16, {}),
    ("deep.tif", GREY16, {}),
    ("deep_big.tif", GREY16, {"byteorder": ">"}),
    ("rgb.png", RGB8, {}),
    ("rgb.tif", RGB8, {"photometric": "rgb"}),
    ("rgb.webp", RGB8, {"lossless": True}),
    ("rgb16.png", RGB16, {}),
    ("rgb16.tif", RGB16, {"photometric": "rgb"}),
    ("planes.tif", np.moveaxis(RGB16, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
    ("opaque.png", ALPHA, {}),
    ("black_and_white.png", GREY8 > 127, {}),
]


@pytest.mark.parametrize(("name", "array", "options"), LOSSLESS, ids=[row[0] for row in LOSSLESS])
def test_a_lossless_file_gives_back_its_pixels(tmp_path, name, array, options):
    (read,) = read_image(save(tmp_path / name, array, **options))
    if name == "planes.tif":
        array = RGB16
    expected = array[..., :3] if array.ndim == 3 else array[..., None]
    expected = expected * np.uint8(255) if expected.dtype == bool else expected
    assert read.dtype == expected.dtype
    assert np.array_equal(read, expected)


def test_jpeg_orientation_pages_and_transparency(tmp_path):
    smooth = np.tile(np.linspace(0, 255, 32, dtype=np.uint8), (16, 1))
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    (upright,) = read_image(save(tmp_path / "a.jpg", smooth, exif=turned, quality=95))
    assert np.abs(upright[..., 0].astype(int) - np.rot90(smooth, -1)).max() <= 4

    pages = read_image(save(tmp_path / "stack.tif", np.stack([GREY16] * 5)))
    assert [page.shape for page in pages] == [(20, 30, 1)] * 5

    clear = np.dstack([RGB8, np.zeros((20, 30), np.uint8)])
    (white,) = read_image(save(tmp_path / "clear.png", clear))
    assert (white == 255).all()
    deep = np.dstack([RGB16, np.zeros((20, 30), np.uint16)])
    (white,) = read_image(save(tmp_path / "deep.png", deep))
    assert (white == 65535).all()
    faint = np.dstack([GREY8, np.full_like(GREY8, 255)])
    (grey,) = read_image(save(tmp_path / "faint.png", faint))
    assert np.array_equal(grey[..., 0], GREY8)


TOO_LARGE = [
    ("grey.png", GREY8, read_image, "has 600 pixels, at most 599 are read"),
    ("deep.png", RGB16, read_image, "has 600 pixels"),
    ("deep.tif", RGB16, read_image, "has 600 pixels"),
    ("stack.tif", np.stack([GREY16] * 5), read_image, "has 2 pages with 1200 pixels"),
    ("stack8.tif", np.stack([GREY8] * 5), read_image, "has 2 pages with 1200 pixels"),
    ("a.jpg", RGB8, read_image, "has 600 pixels"),
    ("mask.png", GREY8, read_mask, "has 600 pixels"),
]


@pytest.mark.parametrize(
    ("name", "array", "read", "says"), TOO_LARGE, ids=[row[0] for row in TOO_LARGE]
)
def test_what_is_too_large_is_not_decoded(tmp_path, monkeypatch, name, array, read, says):
    """The header says how many pixels there are, of all pages together."""
    options = {"photometric": "rgb"} if name == "deep.tif" else {}
    path = save(tmp_path / name, array, **options)
    monkeypatch.setattr(
        files, "MOST_PIXELS", 599 if array.ndim < 3 or array.shape[-1] == 3 else 1199
    )
    with pytest.raises(DataError, match=says):
        read(path)


def test_a_deep_png_of_a_few_bytes_is_not_decoded(tmp_path):
    """12,000 x 12,000 pixels of 16-bit colour would take 860 MB; here not one of them is there."""
    data = bytearray(tf.io.encode_png(RGB16).numpy())
    data[16:24] = (12_000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(DataError, match="has 144000000 pixels, at most 134217728 are read"):
        read_image(tmp_path / "bomb.png")
