"""Pictures in files: grey, colour, alpha, 8 and 16 bits, upright, with their profile."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.photo.picture import read_picture, to_depth, write_picture
from dimaging_edge.photo.plane import pack_plane, unpack_plane
from dimaging_edge.photo.stored_bits import stored_bits
from dimaging_edge.photo.symbol_model import Photo
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
DEEP = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)


def photo_of(tmp_path: Path, picture: Image.Image, name: str = "a.png", **more) -> Photo:
    picture.save(tmp_path / name, **more)
    return read_picture(tmp_path / name)


MODES = [
    (Image.fromarray(RGB), "a.png", RGB, None),
    (Image.fromarray(RGB[..., 0]), "a.png", RGB[..., :1], None),
    (Image.fromarray(RGB[..., 0] > 99), "a.png", (RGB[..., :1] > 99) * 255, None),
    (Image.fromarray(np.dstack([RGB, RGB[..., 0]])), "a.png", RGB, RGB[..., 0]),
    (Image.fromarray(RGB[..., :2]), "a.png", RGB[..., :1], RGB[..., 1]),
    (Image.fromarray(DEEP), "a.png", DEEP[..., None], None),
    (Image.fromarray(DEEP), "a.tif", DEEP[..., None], None),
    (Image.fromarray(RGB).quantize(200), "a.png", None, None),
    (Image.fromarray(np.tile(RGB, (1, 103, 1))[:, :720]), "a.bmp", None, None),  # rows of 2160 bytes
    (Image.fromarray(np.tile(RGB, (9, 9, 1))), "a.jp2", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("picture", "name", "image", "alpha"), MODES)
def test_read(tmp_path: Path, picture, name: str, image, alpha) -> None:
    found = photo_of(tmp_path, picture, name)
    image = np.asarray(picture.convert("RGB")) if image is None else image
    np.testing.assert_array_equal(found.image, image)
    assert found.image.dtype == (np.uint16 if image.max() > 255 else np.uint8)
    if alpha is None:
        assert found.alpha is None
    else:
        np.testing.assert_array_equal(found.alpha, alpha)


def test_palette_with_transparency(tmp_path: Path) -> None:
    picture = Image.fromarray(RGB).quantize(4)
    found = photo_of(tmp_path, picture, transparency=0)
    assert found.alpha is not None
    assert set(np.unique(found.alpha)) == {0, 255}


def test_the_profile_of_other_colours_is_left_out(tmp_path: Path) -> None:
    picture = Image.fromarray(RGB).convert("CMYK")
    found = photo_of(tmp_path, picture, "a.tif", icc_profile=b"of an ink")
    assert found.image.shape == RGB.shape
    assert found.icc is None
    assert found.notes == ("CMYK as RGB", "without colour profile")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_one_grey_of_16_bits_is_transparent(tmp_path: Path) -> None:
    Image.fromarray(DEEP).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    clear = chunk(b"tRNS", struct.pack(">H", int(DEEP[2, 3])))
    (tmp_path / "b.png").write_bytes(data[:33] + clear + data[33:])
    found = read_picture(tmp_path / "b.png")
    assert found.alpha is not None
    np.testing.assert_array_equal(found.alpha, np.where(DEEP == DEEP[2, 3], 0, 255))


TEXT_AS_ORIENTATION = struct.pack("<HHII", 0x112, 2, 4, 0x41424344)
TEXT_BEYOND_ITS_END = struct.pack("<HHII", 0x10F, 2, 4000, 100000)


@pytest.mark.parametrize(
    ("entry", "note"),
    [
        (TEXT_AS_ORIENTATION, "without its EXIF, which is damaged"),
        (TEXT_BEYOND_ITS_END, "without a part of its EXIF, which is damaged"),
    ],
)
def test_a_photo_with_damaged_exif_is_read(tmp_path: Path, entry: bytes, note: str) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)
    found = photo_of(tmp_path, Image.fromarray(RGB), "a.jpg", exif=exif)
    assert found.image.shape == RGB.shape
    if (
        entry == TEXT_BEYOND_ITS_END and int(Image.__version__.partition(".")[0]) < 13
    ):  # which reads nothing of such an EXIF, and says less
        note = "without dots an inch"
    assert found.notes[-1] == note


@pytest.mark.parametrize(
    ("name", "values"), [("A.NPY", RGB), ("none", RGB), ("a.npy", DEEP.astype(">u2")[..., None])]
)
def test_arrays_are_known_by_their_first_bytes(tmp_path: Path, name: str, values) -> None:
    with (tmp_path / name).open("wb") as file:
        np.save(file, values)
    found = read_picture(tmp_path / name)
    np.testing.assert_array_equal(found.image, values)
    assert found.image.dtype == values.dtype.newbyteorder("=")


def deep_colour(path: Path, kind: str) -> Path:
    """Write 16-bit colour, which Pillow reads as 8 bits, or as the halves of samples."""
    values = RNG.integers(0, 65536, (8, 9, 4 if kind == "inks" else 3)).astype(np.uint16)
    if kind == "planes":
        planes = values.transpose(2, 0, 1)
        tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    elif kind == "inks":
        tifffile.imwrite(path, values, photometric="separated")
    else:
        path.write_bytes(b"P6\n9 8\n65535\n" + values.astype(">u2").tobytes())
    return path


@pytest.mark.parametrize(
    ("kind", "name"), [("planes", "a.tif"), ("inks", "a.tif"), ("plain", "a.ppm")]
)
def test_colour_of_16_bits_is_never_read_as_8(tmp_path: Path, kind: str, name: str) -> None:
    with pytest.raises(InputError, match="it has colour of 16 bits a sample"):
        read_picture(deep_colour(tmp_path / name, kind))


@pytest.mark.parametrize(
    ("kind", "head", "bits"),
    [
        ("JPEG2000", b"\xff\x4f\xff\x51" + bytes(38) + b"\x0b", 12),
        ("JPEG2000", b"\xff\x4f\xff\x51", 8),
        ("AVIF", b"....av1C\x81\x00\x40", 10),
        ("AVIF", b"....av1C\x81\x00\x60", 12),
        ("AVIF", b"....av1C\x81\x00\x0c", 8),
    ],
)
def test_bits_of_a_code_stream(tmp_path: Path, kind: str, head: bytes, bits: int) -> None:
    (tmp_path / "a").write_bytes(head)
    stored = Image.new("RGB", (1, 1))
    stored.format = kind
    assert stored_bits(stored, tmp_path / "a") == bits


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "maker"
    stored = Image.fromarray(RGB)
    found = photo_of(tmp_path, stored, exif=exif.tobytes())
    transposed = {
        1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1], 5: RGB.swapaxes(0, 1),
        6: RGB[::-1].swapaxes(0, 1), 7: RGB[::-1, ::-1].swapaxes(0, 1), 8: RGB[:, ::-1].swapaxes(0, 1),
    }  # fmt: skip
    np.testing.assert_array_equal(found.image, transposed[orientation])
    assert found.exif is not None
    kept = Image.Exif()
    kept.load(found.exif)
    assert kept[0x010F] == "maker"
    assert kept.get(0x0112, 1) == 1


def test_profile_and_exif_come_back(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    found = photo_of(tmp_path, Image.fromarray(RGB), icc_profile=profile, exif=exif.tobytes())
    assert found.icc == profile
    write_picture(found, tmp_path / "b.png")
    again = read_picture(tmp_path / "b.png")
    assert (again.icc, again.exif) == (found.icc, found.exif)


def exif_of(tag: int, kind: int, value: int) -> bytes:
    entry = struct.pack("<HHII", tag, kind, 4 if kind == 2 else 1, value)
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)


NOT_KEPT = ("without its EXIF, which it cannot hold",)


@pytest.mark.parametrize(
    ("exif", "name", "notes"),
    [
        (b"junk", "a.tif", NOT_KEPT),
        (b"junk", "a.avif", NOT_KEPT),
        (exif_of(0x112, 2, 0x41424344), "a.tif", NOT_KEPT),
        (exif_of(0x112, 2, 0x41424344), "a.avif", NOT_KEPT),
        (exif_of(0x100, 4, 9999), "a.tif", NOT_KEPT),  # a width, which Pillow would believe
        (b"Exif\0\0II*\0" + bytes(70_000), "a.jpg", NOT_KEPT),
        (exif_of(0x112, 3, 1), "a.jpg", ()),
    ],
)
def test_exif_that_a_format_cannot_hold_costs_no_picture(
    tmp_path: Path, exif: bytes, name: str, notes: tuple[str, ...]
) -> None:
    """A forged file may bring any EXIF, and a camera's may describe other pixels."""
    assert write_picture(Photo(RGB, exif=exif), tmp_path / name) == notes
    assert read_picture(tmp_path / name).image.shape == RGB.shape


WRITTEN = [
    (Photo(RGB), "b.png"),
    (Photo(RGB[..., :1]), "b.png"),
    (Photo(RGB, RGB[..., 0]), "b.png"),
    (Photo(RGB[..., :1], RGB[..., 0]), "b.png"),
    (Photo(DEEP[..., None]), "b.png"),
    (Photo(DEEP[..., None]), "b.tif"),
    (Photo(RGB.astype(np.uint16) * 200), "b.npy"),
    (Photo(RGB, RGB[..., 0]), "b.npy"),
    (Photo(RGB), "B.NPY"),
]


@pytest.mark.parametrize(("photo", "name"), WRITTEN)
def test_write(tmp_path: Path, photo: Photo, name: str) -> None:
    write_picture(photo, tmp_path / name)
    found = read_picture(tmp_path / name)
    np.testing.assert_array_equal(found.image, photo.image)
    assert found.image.dtype == photo.image.dtype
    assert (found.alpha is None) == (photo.alpha is None)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_depth() -> None:
    deep = to_depth(Photo(RGB), 16)
    assert deep.image.max() <= 65535
    np.testing.assert_array_equal(to_depth(deep, 8).image, RGB)
    assert to_depth(Photo(np.array([[[65535, 0, 128]]], np.uint16)), 8).image.tolist() == [
        [[255, 0, 0]]
    ]


def wrong(tmp_path: Path, name: str, array=None, text: bytes = b"") -> Path:
    path = tmp_path / name
    if array is None:
        path.write_bytes(text)
    else:
        np.save(path, array)
    return path


WRONG = [
    (lambda t: read_picture(t / "none.png"), "no file .*none.png"),
    (lambda t: read_picture(wrong(t, "a.png", text=b"junk")), "a.png is no readable picture"),
    (lambda t: read_picture(wrong(t, "a.npy", text=b"junk")), "a.npy cannot be read"),
    (
        lambda t: read_picture(wrong(t, "a.npy", np.zeros((2, 2, 5), np.uint8))),
        r"uint8 \[2, 2, 5\]",
    ),
    (lambda t: read_picture(wrong(t, "a.npy", np.zeros((2, 2)))), r"1 to 4\], received float64"),
    (lambda t: write_picture(Photo(RGB), t / "a.xyz"), "no picture has the suffix '.xyz'"),
    (
        lambda t: write_picture(Photo(RGB, RGB[..., 0]), t / "a.jpg"),
        "cannot write .*a.jpg: cannot write mode RGBA as JPEG.* a.jpg as .png or .npy",
    ),
    (
        lambda t: write_picture(Photo(RGB.astype(np.uint16)), t / "a.png"),
        "16-bit colour .*choose a .npy",
    ),
    (lambda t: write_picture(Photo(DEEP[..., None]), t / "a.webp"), "holds no grey of 16 bits"),
    (lambda t: write_picture(Photo(RGB, RGB[..., 0]), t / "a.ppm"), "holds no transparency"),
    (lambda t: write_picture(Photo(RGB, RGB[..., 0]), t / "a.bmp"), "holds no transparency"),
    (lambda t: write_picture(Photo(RGB), t / "a.ico"), "an icon has sizes of its own"),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_files(tmp_path: Path, call, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call(tmp_path)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 150), st.integers(1, 9), st.sampled_from(["u1", "u2"]), st.integers(0, 99), st.booleans()
)  # fmt: skip
def test_plane(height: int, width: int, kind: str, seed: int, smooth: bool) -> None:
    plane = np.random.default_rng(seed).integers(0, 1 << 8 * int(kind[1]), (height, width))
    if smooth:
        plane = np.cumsum(plane % 3, axis=seed % 2)
    plane = plane.astype(kind)
    np.testing.assert_array_equal(unpack_plane(pack_plane(plane), height, width), plane)


def test_plane_is_small() -> None:
    y, x = np.mgrid[:200, :300]
    circle = np.clip(np.hypot(y - 100, x - 150) * 4 - 300, 0, 255).astype(np.uint8)
    assert len(pack_plane(circle)) < 0.15 * circle.size
    assert len(pack_plane(np.full((200, 300), 255, np.uint8))) < 150


DAMAGE = [
    (b"", "0 bits a sample, expected 8 or 16"),
    (b"\x08junk", "incorrect header check"),
    (pack_plane(RGB[..., 0])[:-3], "expected 40 bytes, received 40"),
    (pack_plane(RGB[:4, :, 0]), "expected 40 bytes, received 32"),
    (pack_plane(np.tile(RGB[..., 0], (99, 1))), "expected 40 bytes, received 41"),
]


@pytest.mark.parametrize(("data", "says"), DAMAGE)
def test_damaged_plane(data: bytes, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        unpack_plane(data, 5, 7)
