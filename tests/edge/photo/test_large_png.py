"""Large PNG files are read and written band by band, as Pillow reads and writes them whole."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.common.errors import InputError
from dimaging_edge.photo import large_png
from dimaging_edge.photo.picture import read_picture, write_picture
from dimaging_edge.photo.symbol_model import Photo
from helpers.codec_dct import picture
from PIL import Image, ImageCms, PngImagePlugin

MODES = ["L", "LA", "RGB", "RGBA"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is a large one, of several bands."""
    monkeypatch.setattr(large_png, "LARGE", 0)
    monkeypatch.setattr(large_png, "_BAND", 16)
    monkeypatch.setattr(large_png, "_PIECE", 100)


def stored(mode: str) -> Image.Image:
    values = np.dstack([picture(50, 61).image, picture(50, 61, 1, seed=3).image])
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_read_as_pillow_does(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    stored(mode).save(path, pnginfo=texts, dpi=(300, 300), icc_profile=profile, exif=exif)
    called = []
    read = large_png.read_large
    monkeypatch.setattr(large_png, "read_large", lambda *x: called.append(1) or read(*x))
    found = read_picture(path)
    assert called
    monkeypatch.setattr(large_png, "LARGE", 1 << 24)
    expected = read_picture(path)
    assert np.array_equal(found.image, expected.image)
    if found.alpha is None or expected.alpha is None:
        assert found.alpha is expected.alpha is None
    else:
        assert np.array_equal(found.alpha, expected.alpha)
    assert (found.icc, found.exif, found.notes) == (expected.icc, expected.exif, expected.notes)
    assert found.exif is not None
    write_picture(found, tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as again:
        assert again.getexif()[0x010E] == "a picture"
    assert found.notes == ("without dots an inch and the texts Author",)


@pytest.mark.parametrize("mode", MODES)
def test_written_files_are_read_by_pillow(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    values = np.asarray(stored(mode)).reshape(50, 61, -1)
    alpha = np.ascontiguousarray(values[..., -1]) if values.shape[2] in (2, 4) else None
    image = values if alpha is None else values[..., :-1]
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    write_picture(Photo(image, alpha, b"a profile", exif.tobytes()), path)
    with Image.open(path) as again:
        assert again.mode == mode
        assert again.info["icc_profile"] == b"a profile"
        assert again.getexif()[0x010E] == "a picture"
        assert np.array_equal(np.asarray(again).reshape(50, 61, -1), values)


OTHERS = [
    lambda path: stored("P").save(path),
    lambda path: stored("1").save(path),
    lambda path: stored("RGB").save(path, format="JPEG"),
    lambda path: stored("RGB").save(path, exif=_turned()),
]


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize("save", OTHERS)
def test_other_files_are_left_to_pillow(save, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(path)
    with path.open("rb") as file:
        found = large_png.look(file)
    assert found is None or not found.suits
    assert read_picture(path).image.ndim == 3


def test_damage_is_told(tmp_path: Path) -> None:
    file = io.BytesIO()
    stored("RGB").save(file, "PNG")
    data = bytearray(file.getvalue())
    path = tmp_path / "a.png"
    data[300:340] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(InputError, match="are damaged|is no readable picture"):
        read_picture(path)


def _png(rows: int, profile: bytes = b"") -> bytes:
    """Return a grey picture whose header says 50 rows of 61 pixels, and which has others."""
    pixels = zlib.compress(bytes(rows * 62))
    head = struct.pack(">IIBBBBB", 61, 50, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")]
    if profile:
        chunks.insert(1, (b"iCCP", b"name\0\0" + zlib.compress(profile)))
    made = [
        struct.pack(">I", len(x)) + k + x + struct.pack(">I", zlib.crc32(k + x)) for k, x in chunks
    ]
    return b"".join([b"\x89PNG\r\n\x1a\n", *made])


def test_more_rows_than_the_header_says_are_not_inflated(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png(50))
    assert read_picture(tmp_path / "a.png").image.shape == (50, 61, 1)
    (tmp_path / "a.png").write_bytes(_png(200_000))
    tracemalloc.start()
    with pytest.raises(InputError, match="more rows than its header says, 50"):
        read_picture(tmp_path / "a.png")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_profile_is_inflated_to_its_limit_only(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(large_png, "_MOST_PROFILE", 1000)
    for size, kept in ((1000, True), (1001, False)):
        with io.BytesIO(_png(50, bytes(size))) as file:
            found = large_png.look(file)
        assert found is not None
        assert (found.icc is not None) == kept


def test_small_pictures_are_left_at_their_header(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(large_png, "LARGE", 50 * 61)
    with io.BytesIO(_png(50, bytes(5000))) as file:
        assert large_png.look(file) is None
        assert file.tell() < 40


def test_deep_pictures_are_written_as_before(tmp_path: Path) -> None:
    deep = picture(20, 30, 1, 16)
    write_picture(deep, tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png").image, deep.image)
