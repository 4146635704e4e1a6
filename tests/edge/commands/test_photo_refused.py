"""What compress and decompress refuse, in which words, and that nothing is written then."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dimaging_edge.photo import bundle_model
from dimaging_edge.photo.picture import read_picture, write_picture
from helpers.edge_command import run

pytestmark = pytest.mark.usefixtures("any_codec_is_the_dct")

WRONG = [
    (("compress", "{t}/none.png", "--model", "m"), "no file {t}/none.png"),
    (("compress", "{t}/empty", "--model", "m"), "no files with .png, .jpg, "),
    (
        ("compress", "{t}/a.png", "{t}/a.webp", "--model", "m"),
        "would both become {t}/a.dimg; rename one",
    ),
    (
        ("compress", "{t}/photo.png", "-q", "64", "--model", "m"),
        "quality: expected 0 to 63, received 64",
    ),
    (
        ("compress", "{t}/photo.png", "-o", "{t}/b.jpg", "--model", "m"),
        "{t}/b.jpg would be no picture but a .dimg: -o {t}/b.dimg",
    ),
    (("compress", "{t}/photo.png"), "no model for 3 channels of 8 bits comes with this package"),
    (("decompress", "{t}/photo.png", "--model", "m"), "this is no compressed picture"),
    (("info", "{t}/photo.png"), "this is no compressed picture"),
    (("info", "{t}/nothing"), "no bundle folder at {t}/nothing"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG)
def test_errors(
    photo: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments, says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(bundle_model, "SHIPPED", tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    for name in ("a.png", "a.webp"):
        write_picture(read_picture(photo), tmp_path / name)
    before = sorted(tmp_path.iterdir())
    assert run(*(text.format(t=tmp_path) for text in arguments)) == 1
    found = capsys.readouterr().err
    assert says.format(t=tmp_path) in found
    assert "Traceback" not in found
    assert sorted(tmp_path.iterdir()) == before


def test_standard_input_needs_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compress", "-") == 1
    assert "- takes one file in and one -o out" in capsys.readouterr().err


def test_colour_of_16_bits_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint16), photometric="rgb")
    assert run("compress", str(path)) == 1
    assert "it has colour of 16 bits a sample" in capsys.readouterr().err


EARLY = [
    (("--lossless", "--target-bpp", 3), "exact pixels leave nothing to choose"),
    (("--max-error", 33), "expected 0 (lossless) to 32 levels, received 33"),
    (("--half", "--lossless"), "exact pixels are of the whole picture: drop --half, or --lossless"),
    (("--half", "--max-error", 2), "exact pixels are of the whole picture: drop --half"),
    (("--half", "--target-bpp", 0.1), "take half size where it is better: drop --half"),
    (("--half", "--target-psnr", 25), "take half size where it is better: drop --half"),
    (("--half", "--roi", "mask.png", "-q", 3), "--background 4 is not below --quality 3"),
    (("--background", 9), "--background is the quality outside a mask"),
    (("--background", 64, "--roi", "mask.png"), "--background: expected 0 to 63, received 64"),
    (("-q", 4, "--roi", "mask.png"), "--background 4 is not below --quality 4"),
    (("-q", -1), "--quality: expected 0 to 63, received -1"),
    (("--tile", 33), "--tile: expected a multiple of 32 up to 1024, received 33"),
    (("-o", "-", "--resume"), "--resume and --shard are of a folder, - is of one file"),
    (("-o", "-", "--shard", "1/2"), "--resume and --shard are of a folder, - is of one file"),
]


USAGE = [
    ("compress", "--workers", "0", "expected 1 or more"),
    ("compress", "--target-bpp", "nan", "expected a number above 0, received nan"),
    ("compress", "--target-psnr", "-3", "expected a number above 0, received -3"),
    ("decompress", "--max-pixels", "0", "expected 1 or more"),
]


@pytest.mark.parametrize(("verb", "option", "value", "says"), USAGE)
def test_numbers_that_mean_nothing(verb: str, option: str, value: str, says: str, capsys) -> None:
    assert run(verb, "none.png", option, value) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-o", "a.png", "--save-quality", 30), "--save-quality is of -o FILE with .jpg"),
        (("--save-quality", 30), "--save-quality is of -o FILE with .jpg"),
        (("-o", "a.jpg", "--save-quality", 0), "--save-quality: expected 1 to 100, received 0"),
        (("-o", "a.png", "--progressive", "--resume"), "of a folder, --progressive is of one"),
        ((), "no file none.dimg"),
    ],
)
def test_options_of_decompress_are_not_passed_over(options, says: str, capsys) -> None:
    assert run("decompress", "none.dimg", *options) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["decompress", "info"])
def test_a_large_file_of_another_kind_is_refused_by_its_start(
    verb: str, tmp_path: Path, capsys
) -> None:
    film = tmp_path / "film.dimg"
    for start, says in ((b"\0\0\0 ftyp", "no compressed picture"), (b"DPIX", "unpack BUNDLE FILE")):
        film.write_bytes(start)
        os.truncate(film, 1 << 40)  # sparse
        assert run(verb, film) == 1
        assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "says"), [(np.zeros, "largest value is 0"), (np.ones, "largest value is 1")]
)
def test_a_mask_without_white_is_refused(make, says, photo: Path, tmp_path, capsys) -> None:
    np.save(tmp_path / "mask.npy", make((60, 90), np.uint8))
    assert run("compress", photo, "--roi", tmp_path / "mask.npy") == 1
    assert f"the mask's {says}, so nothing is in the region; white, 255," in capsys.readouterr().err


@pytest.mark.parametrize(("options", "says"), EARLY)
def test_options_are_checked_before_a_picture_is_read(options, says: str, capsys) -> None:
    assert run("compress", "none.png", *options) == 1
    found = capsys.readouterr().err
    assert says in found
    assert "none.png" not in found
