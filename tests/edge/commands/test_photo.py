"""compress, decompress and info, end to end, with a codec that needs no network."""

import io
import os
import re
import struct
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.commands import photo as verbs
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo import search
from dimaging_edge.photo.picture import read_picture, write_picture
from dimaging_edge.photo.region import mask_of
from dimaging_edge.photo.symbol_model import Photo
from helpers.codec_dct import picture, psnr
from helpers.edge_command import run
from PIL import Image, PngImagePlugin

pytestmark = pytest.mark.usefixtures("any_codec_is_the_dct")


def test_there_and_back(photo: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, out = tmp_path / "photo.dimg", tmp_path / "back.png"
    assert run("compress", photo, "-q", 40, "--model", "m") == 0
    size = file.stat().st_size
    words = f"{file}: {size} bytes, {8 * size / 5400:.3f} bits a pixel, quality 40\n"
    assert capsys.readouterr().out == words
    assert run("info", file) == 0
    found = capsys.readouterr().out
    for line in (
        "photo.dimg, compressed photo, version 1",
        "picture    90 x 60, 3 channels of 8 bits",
        f"file       {size} bytes, ",
        "quality    40",
        "model      000102030405060708090a0b0c0d0e0f",
        "tiles      1 x 1 of up to 768 x 768",
        "damage     none",
        "y pass 0",
    ):
        assert line in found
    assert run("decompress", file, "-o", out, "--model", "m") == 0
    assert capsys.readouterr().out == f"{out}: 90 x 60\n"
    assert psnr(read_picture(out).image, read_picture(photo).image) > 27
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "back.png",
        "photo.dimg",
        "photo.png",
    ]


def test_half_size(photo: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Sizes are those of the picture; `info` says what is coded."""
    Image.fromarray(picture(61, 90).image).save(photo)
    file, out = tmp_path / "photo.dimg", tmp_path / "back.png"
    assert run("compress", photo, "--half", "--model", "m") == 0
    size = file.stat().st_size
    rate = f"{size} bytes, {8 * size / 5490:.3f} bits a pixel"
    assert capsys.readouterr().out == f"{file}: {rate}, quality 12, coded at half size\n"
    assert run("info", file) == 0
    found = capsys.readouterr().out
    for line in (
        "picture    90 x 61, 3 channels of 8 bits, coded at half size, 45 x 31",
        f"file       {rate}",
        "tiles      1 x 1 of up to 768 x 768",
        "also       HALF",
    ):
        assert line in found
    for options in ((), ("--preview", 1), ("--progressive",)):
        assert run("decompress", file, "-o", out, "--force", "--model", "m", *options) == 0
        assert read_picture(out).image.shape == (61, 90, 3)
    assert f"{out}: 90 x 61\n{out}: 90 x 61\n" in capsys.readouterr().out
    mask = np.zeros((61, 90), np.uint8)
    mask[:32, :32] = 255
    np.save(tmp_path / "mask.npy", mask)
    roi = ("--half", "-q", 40, "--roi", tmp_path / "mask.npy", "--force", "--model", "m")
    assert run("compress", photo, *roi) == 0
    least = 8 * file.stat().st_size / 5490
    assert run("compress", photo, "--force", "--model", "m", "--target-bpp", 0.3) == 0
    assert "coded at half size" in capsys.readouterr().out
    assert 8 * file.stat().st_size / 5490 <= 0.3 < least
    roi = ("--roi", tmp_path / "mask.npy", "--force", "--model", "m")
    assert run("compress", photo, *roi, "--target-bpp", 0.3) == 0
    assert "coded at half size" in capsys.readouterr().out
    assert run("compress", photo, *roi, "--target-bpp", 0.3, "--background", 60) == 0
    words = "the mask changes little: --background 60 is not below this quality"
    assert words in capsys.readouterr().out


TARGETS = [("--target-bpp", 1.5), ("--target-psnr", 26)]


@pytest.mark.parametrize(("option", "value"), TARGETS)
def test_targets(
    photo: Path, capsys: pytest.CaptureFixture[str], option: str, value: float
) -> None:
    assert run("compress", photo, option, value, "--model", "m") == 0
    found = capsys.readouterr().out
    rate = float(found.split(" bytes, ")[1].split()[0])
    assert 0.2 < rate <= (value if option == "--target-bpp" else 24)
    assert "quality" in found


def test_folders(photo: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A bad file is told, the others are done, and the exit code is 1."""
    photo.rename(tmp_path / "in.png")
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        write_picture(read_picture(tmp_path / "in.png"), folder / name)
    (folder / "notes.txt").write_text("not a picture")
    (folder / "c.png").write_text("not a picture")
    assert run("compress", folder, "-o", tmp_path / "out", "--workers", 1, "--model", "m") == 1
    found = capsys.readouterr()
    assert [line.split(":")[0] for line in found.out.splitlines()] == [
        str(tmp_path / "out" / name) for name in ("a.dimg", "b.dimg")
    ]
    first, _, rest = found.err.partition("\n")
    assert first == "provider cpu, threads 1"
    assert rest.startswith(f"error: {folder / 'c.png'}: {folder / 'c.png'} is no readable picture")
    assert (
        run("decompress", tmp_path / "out", "-o", tmp_path / "back", "--workers", 1, "--model", "m")
        == 0
    )
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["a.png", "b.png"]


def test_damage(photo: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, out = tmp_path / "photo.dimg", tmp_path / "back.png"
    run("compress", photo, "--tile", 32, "--model", "m")
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    capsys.readouterr()
    assert run("decompress", file, "-o", out, "--model", "m") == 1
    assert f"error: {file}: tile 5, rung y pass 1 is damaged" in capsys.readouterr().err
    assert not out.exists()
    assert run("decompress", file, "-o", out, "--keep-going", "--model", "m") == 1
    assert "damaged: tile 5, rung y pass 1 is damaged" in capsys.readouterr().out
    assert read_picture(out).image.shape == (60, 90, 3)
    assert run("info", file) == 0
    assert "damage     tile 5, rung y pass 1 is damaged" in capsys.readouterr().out
    assert run("decompress", file, "-o", out, "--preview", 1, "--keep-going", "--model", "m") == 1


def test_alpha_grey_and_16_bits(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    values = np.dstack([picture(40, 50).image, picture(40, 50, 1).image])
    Image.fromarray(values).save(tmp_path / "clear.png")
    Image.fromarray(picture(40, 50, 1, 16).image[..., 0]).save(tmp_path / "deep.png")
    found = {}
    for name in ("clear", "deep"):
        assert run("compress", tmp_path / f"{name}.png", "--model", "m") == 0
        out = tmp_path / f"{name}-back.png"
        assert run("decompress", tmp_path / f"{name}.dimg", "-o", out, "--model", "m") == 0
        found[name] = read_picture(out)
    np.testing.assert_array_equal(found["clear"].alpha, values[..., 3])
    assert (found["deep"].image.shape, found["deep"].alpha) == ((40, 50, 1), None)
    assert "quality 30, as 8 bits" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["compress", "decompress"])
def test_help_says_defaults_and_units(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    found = " ".join(capsys.readouterr().out.split())
    for option in ("--out", "--model", "--workers"):
        assert option in found
    words = {
        "compress": [
            "default: 30; with --half 12",
            "in pixels",
            "default: 768",
            "of .03 to .1 bits a pixel",
        ],
        "decompress": ["134 megapixels"],
    }
    assert all(text in found for text in words[verb])


def test_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    verbs._bar(1, 3)
    assert capsys.readouterr().err == f"\r\033[K[{'#' * 10}{'.' * 20}] 1 of 3 files"


def test_nothing_is_replaced_unasked(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = photo.with_suffix(".dimg")
    assert run("compress", str(photo)) == 0
    first = out.read_bytes()
    assert run("compress", str(photo), "-q", "50") == 1
    assert f"{out} is there already; --force replaces it" in capsys.readouterr().err
    assert out.read_bytes() == first
    assert run("compress", str(photo), "-q", "50", "--force") == 0
    assert out.read_bytes() != first
    picture = photo.read_bytes()
    assert run("decompress", str(out)) == 1  # photo.png, which it was made from, is there
    assert photo.read_bytes() == picture


def test_standard_input_and_output(
    photo: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def piped(verb: str, stdin: bytes) -> bytes:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        assert run(verb, "-", "-o", "-", "--model", "m") == 0
        found = capsysbinary.readouterr()
        assert re.match(rb"(provider cpu, threads 1\n)?standard-output\.", found.err)
        return found.out

    packed = piped("compress", photo.read_bytes())
    assert packed.startswith(b"DIMG")
    assert piped("decompress", packed).startswith(b"\x89PNG")


def test_quality_of_a_jpeg(photo: Path, tmp_path: Path) -> None:
    assert run("compress", str(photo), "-o", str(tmp_path / "p.dimg"), "--model", "m") == 0
    for quality, name in (("95", "a.jpg"), ("30", "b.jpg")):
        words = ("decompress", str(tmp_path / "p.dimg"), "-o", str(tmp_path / name))
        assert run(*words, "--save-quality", quality, "--model", "m") == 0
    assert (tmp_path / "b.jpg").stat().st_size < (tmp_path / "a.jpg").stat().st_size / 2


def test_what_is_left_out_is_said(photo: Path, tmp_path: Path, capsys) -> None:
    with Image.open(photo) as picture:
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Author", "somebody")
        picture.save(tmp_path / "a.png", pnginfo=texts, dpi=(300, 300))
        small = picture.convert("1")
        small.save(tmp_path / "b.png")
        picture.save(tmp_path / "c.tif", save_all=True, append_images=[picture, picture])
        picture.quantize(16).save(tmp_path / "d.png")
    for name in "a.png", "b.png", "c.tif", "d.png":
        assert run("compress", str(tmp_path / name), "-q", "50") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("without dots an inch and the texts Author")
    assert ", black and white as shades of grey, larger than b.png, which has " in said[1]
    assert said[1].endswith(" bytes: keep that")
    assert ", the first of 3 frames" in said[2]
    assert ", a palette as full colour" in said[3]


def test_a_mask_says_where_bytes_go(photo: Path, tmp_path: Path, capsys) -> None:
    mask = np.zeros((60, 90), np.uint8)
    mask[16:40, 24:64] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    sizes, inside, outside = {}, {}, {}
    original = read_picture(photo).image
    for name, options in (("all", ()), ("roi", ("--roi", tmp_path / "mask.png"))):
        file = tmp_path / f"{name}.dimg"
        assert run("compress", photo, "-q", 50, "-o", file, *options) == 0
        assert run("decompress", file, "-o", tmp_path / f"{name}.png", "--model", "m") == 0
        again = read_picture(tmp_path / f"{name}.png").image
        sizes[name] = file.stat().st_size
        inside[name] = psnr(again[mask > 0], original[mask > 0])
        outside[name] = psnr(again[mask == 0], original[mask == 0])
    assert sizes["roi"] < 0.8 * sizes["all"]
    assert (
        inside["roi"] > outside["roi"] + 1
    )  # the DCT's z sees 64 x 64 pixels, so some is lost inside
    assert outside["roi"] < outside["all"] - 3
    Image.fromarray(mask[1:]).save(tmp_path / "mask.png")
    assert run("compress", photo, "--roi", tmp_path / "mask.png", "--force") == 1
    assert "the mask has 90 x 59 pixels, the picture 90 x 60" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "bound", "words"),
    [(("--lossless",), 0, "lossless"), (("--max-error", 2), 2, "at most 2 levels off")],
)
def test_exact_pixels(options, bound, words, photo: Path, tmp_path: Path, capsys) -> None:
    file, out = tmp_path / "p.dimg", tmp_path / "back.png"
    assert run("compress", photo, *options, "-o", file) == 0
    assert f"quality 0, {words}" in capsys.readouterr().out
    assert run("info", file) == 0
    assert f"pixels     {words}, " in capsys.readouterr().out
    assert run("decompress", file, "-o", out, "--model", "m") == 0
    again, original = (read_picture(path).image.astype(int) for path in (out, photo))
    assert np.abs(again - original).max() == bound


def test_info_names_the_file_of_another_kind_of_layer(photo: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "p.dimg"
    assert run("compress", photo, "--lossless", "-o", file) == 0
    head, kind, tail = file.read_bytes().partition(b"PIXL")
    body = b"\2" + tail[9:]
    file.write_bytes(head + struct.pack("<4sII", kind, len(body), crc32c(kind + body)) + body)
    assert run("info", file) == 1
    assert f"{file}: the exact pixels are of kind 02" in capsys.readouterr().err


def test_pixels_of_another_depth_than_the_model_are_not_called_exact(
    tmp_path: Path, capsys
) -> None:
    Image.fromarray(picture(40, 50, 1, 16).image[..., 0]).save(tmp_path / "deep.png")
    assert run("compress", tmp_path / "deep.png", "--lossless", "--model", "m") == 1
    assert "has 16 bits a sample and the model 8" in capsys.readouterr().err
    assert not (tmp_path / "deep.dimg").exists()


def test_a_folder_is_made_where_one_is_named(photo: Path, tmp_path: Path, capsys) -> None:
    assert run("compress", photo, "-o", f"{tmp_path}/new/") == 0
    file = tmp_path / "new" / "photo.dimg"
    assert file.is_file()
    assert run("compress", photo, file, "-o", file) == 1
    assert f"{file} is a file, and several results need a folder" in capsys.readouterr().err


def test_names_that_are_no_text(photo: Path, tmp_path: Path) -> None:
    """A name may hold any bytes; shares and results go by them."""
    folder = tmp_path / "in"
    folder.mkdir()
    try:
        photo.rename(folder / os.fsdecode(b"bad\xff.png"))
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    assert run("compress", folder, "-o", tmp_path / "out", "--resume") == 0
    assert os.fsdecode(b"bad\xff.dimg") in os.listdir(tmp_path / "out")


def test_a_worker_that_was_killed_is_told(photo: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    class Killed(futures.ThreadPoolExecutor):
        def __init__(self, workers: int, *_: object):
            super().__init__(workers)

        def submit(self, *_: object, **__: object) -> futures.Future:
            ended: futures.Future = futures.Future()
            ended.set_exception(BrokenProcessPool("abruptly"))
            return ended

    monkeypatch.setattr(futures, "ProcessPoolExecutor", Killed)
    photo.with_name("b.png").write_bytes(photo.read_bytes())
    assert run("compress", photo, photo.with_name("b.png"), "--workers", 2) == 1
    assert "perhaps for want of memory; what is done stays" in capsys.readouterr().err


def test_a_mask_is_what_is_white_and_not_transparent() -> None:
    image = np.array([[[255, 255, 255], [255, 0, 0]], [[255, 255, 255], [9, 9, 9]]], np.uint8)
    assert mask_of(Photo(image)).tolist() == [[255, 0], [255, 9]]
    clear = np.array([[65535, 65535], [0, 65535]], np.uint16)
    assert mask_of(Photo(image, clear)).tolist() == [[255, 0], [0, 9]]


def test_targets_use_the_workers_too(photo: Path, monkeypatch) -> None:
    seen = []
    usual = search.compress
    monkeypatch.setattr(
        search, "compress", lambda *a, **more: seen.append(more["workers"]) or usual(*a, **more)
    )
    assert run("compress", photo, "--target-psnr", 26, "--workers", 3, "--tile", 32) == 0
    assert set(seen) == {3}
