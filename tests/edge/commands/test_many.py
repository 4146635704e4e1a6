"""Folders and lists: shares of several machines, and what an earlier run has finished."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.commands import many
from dimaging_edge.commands import photo as verbs
from dimaging_edge.photo import bundle_model
from dimaging_export.gradient.build import gradient_model
from helpers.codec_dct import picture
from helpers.edge_command import run
from helpers.small_classifiers import convolutional, write_bundle
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path, any_codec_is_the_dct: None) -> Path:
    """Return a folder of five small pictures."""
    (tmp_path / "in").mkdir()
    for number in range(5):
        Image.fromarray(picture(40, 40, seed=number).image).save(tmp_path / "in" / f"{number}.png")
    return tmp_path / "in"


def names(said: str) -> list[str]:
    """The files that a run says it wrote."""
    return [Path(line.partition(":")[0]).stem for line in said.splitlines()]


def test_a_second_run_does_what_is_left(photos: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"

    def compress(*more: object, code: int = 0) -> list[str]:
        assert run("compress", photos, "-o", out, "--workers", 1, "--resume", *more) == code
        return names(capsys.readouterr().out)

    assert compress() == list("01234")
    assert compress() == []
    (out / "1.dimg").write_bytes(b"half")  # of a disk that was full
    (out / "2.dimg").unlink()
    Image.fromarray(picture(40, 40, seed=9).image).save(photos / "3.png")
    assert compress() == list("123")
    assert compress() == []
    assert compress("-q", 10) == list("01234")
    assert compress("-q", 10) == []
    (photos / "4.png").write_bytes(b"no picture")
    words = ("compress", photos, "-o", out, "--workers", 1, "--resume", "-q", 10)
    assert run(*words) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "note: 4 of 5 files are done already" in said.err
    assert "4.png is no readable picture" in said.err


def test_a_killed_run_left_half_a_line(photos: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    words = ("compress", photos, "-o", out, "--workers", 1, "--resume")
    assert run(*words) == 0
    (marks,) = out.glob(".dimaging-done-*.jsonl")
    text = marks.read_text()
    marks.write_text(text[: len(text) - 20])
    capsys.readouterr()
    assert run(*words) == 0
    assert names(capsys.readouterr().out) == ["4"]
    assert run(*words) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["folder", "list"])
def test_shares_are_parts_of_the_whole(photos: Path, tmp_path: Path, capsys, kind: str) -> None:
    given = photos
    if kind == "list":
        given = f"@{tmp_path / 'list.txt'}"
        (tmp_path / "list.txt").write_text("\n".join(map(str, sorted(photos.iterdir()))))
    made = []
    for share in (1, 2, 3):
        assert (
            run(
                "compress",
                given,
                "-o",
                tmp_path / "out",
                "--resume",
                "--shard",
                f"{share}/3",
                "--workers",
                1,
            )
            == 0
        )
        made += names(capsys.readouterr().out)
    assert sorted(made) == list("01234")


def test_a_share_of_one_named_file_goes_into_the_folder(photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.iterdir())
    for share in range(1, 10):
        words = (
            "compress",
            *files,
            "-o",
            tmp_path / "out",
            "--shard",
            f"{share}/9",
            "--workers",
            1,
        )
        assert run(*words) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{i}.dimg" for i in range(5)
    ]


def test_two_files_that_would_become_one_meet_in_a_share(
    photos: Path, tmp_path: Path, capsys
) -> None:
    Image.open(photos / "0.png").save(photos / "0.webp")
    codes = [
        run("compress", photos, "-o", tmp_path / "out", "--shard", f"{share}/9", "--workers", 1)
        for share in range(1, 10)
    ]
    assert sorted(codes) == [0] * 8 + [1]
    said = capsys.readouterr().err
    assert "would both become" in said
    assert "note: none of 6 files is in share " in said


def test_a_missing_file_of_a_list_is_one_error(photos: Path, tmp_path: Path, capsys) -> None:
    listed = [str(tmp_path / "none.png"), *map(str, sorted(photos.iterdir()))]
    (tmp_path / "list.txt").write_text("\n".join(listed))
    words = ("compress", f"@{tmp_path / 'list.txt'}", "-o", tmp_path / "out", "--workers", 1)
    assert run(*words, "--resume") == 1
    said = capsys.readouterr()
    assert names(said.out) == list("01234")
    assert "none.png" in said.err


def test_a_file_whose_name_begins_as_a_list(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    (photos / "0.png").rename(photos / "@0.png")
    assert run("compress", "@0.png", "-o", tmp_path / "a.dimg") == 0
    assert (tmp_path / "a.dimg").is_file()


def test_a_source_that_changes_while_it_is_worked_on_is_not_done(tmp_path: Path) -> None:
    source, out = tmp_path / "a.png", tmp_path / "out"
    source.write_bytes(b"first")
    with many.journal(out, "", (1, 1)) as marks:
        assert marks.left([source]) == [source]
        (out / "a.dimg").write_bytes(b"of the first")
        source.write_bytes(b"the second")
        marks.mark(source, [out / "a.dimg"])
    with many.journal(out, "", (1, 1)) as marks:
        assert marks.left([source]) == [source]


def test_settings_are_files_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask that was painted again, or a shipped model of that name that was replaced, is another setting."""
    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(bundle_model, "SHIPPED", tmp_path)
    mask, model = tmp_path / "mask.png", tmp_path / "mine" / "bundle.json"
    mask.write_bytes(b"1")
    model.write_bytes(b"1")
    options = Namespace(model="mine", roi=str(mask), verbose=False)
    found = [verbs._settings(options)]
    for path in (mask, model):
        path.write_bytes(b"22")
        found.append(verbs._settings(options))
    assert len(set(found)) == 3
    options.verbose = True
    assert verbs._settings(options) == found[-1]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0"])
def test_a_share_that_is_none(text: str, capsys) -> None:
    assert run("compress", "x.png", "--shard", text) == 2
    assert f"expected K/N, such as 3/16, received {text}" in capsys.readouterr().err


def test_other_files_stay(photos: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0.dimg").write_bytes(b"mine")
    assert run("compress", photos, "-o", tmp_path / "out", "--resume") == 1
    assert "holds files and no marks of an earlier --resume" in capsys.readouterr().err
    assert (tmp_path / "out" / "0.dimg").read_bytes() == b"mine"
    assert run("compress", photos / "0.png", "-o", tmp_path / "a.dimg", "--resume") == 1
    assert "--resume is of a folder of results: -o OUT" in capsys.readouterr().err
    assert run("compress", f"@{tmp_path / 'none.txt'}", "-o", tmp_path / "b") == 1
    assert "the list" in capsys.readouterr().err


def test_run_on_a_folder(toy: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(
            tmp_path / "in" / f"{number}.png"
        )
    out = tmp_path / "out"
    words = (
        "run",
        toy,
        "denoiser",
        "--input",
        f"noisy={tmp_path / 'in'}",
        "--out",
        out,
        "--resume",
    )
    assert run(*words) == 0
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["0", "1", "2"]
    alone = (
        "run",
        toy,
        "denoiser",
        "--input",
        f"noisy={tmp_path / 'in' / '1.png'}",
        "--out",
        tmp_path / "alone",
    )
    assert run(*alone) == 0
    found, expected = (np.load(folder / "clean.npy") for folder in (out / "1", tmp_path / "alone"))
    np.testing.assert_array_equal(found, expected)
    capsys.readouterr()
    (out / "2" / "clean.npy").unlink()
    assert run(*words) == 0
    assert capsys.readouterr().out.splitlines() == [str(out / "2")]
    marks = [
        json.loads(line)
        for path in out.glob(".dimaging*.jsonl")
        for line in path.read_text().split("\n")
        if line
    ]
    assert {Path(mark["source"]).name for mark in marks} == {"0.png", "1.png", "2.png"}
    assert run(*alone, "--resume") == 1
    assert "--resume and --shard are of a folder: --input NAME=FOLDER" in capsys.readouterr().err


def test_attack_on_a_folder(tmp_path: Path, capsys) -> None:
    models = {"classifier": convolutional(), "gradient": gradient_model(convolutional())}
    bundle = write_bundle(tmp_path / "bundle", models, (0.0, 1.0))
    (tmp_path / "in").mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(30, 220, (6, 6), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.png")
    words = (
        "attack",
        bundle,
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--eps",
        "40/255",
        "--resume",
    )
    assert run(*words) == 0
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {
        "0.png",
        "0-compare.png",
        "1.png",
        "1-compare.png",
    }
    capsys.readouterr()
    assert run(*words) == 0
    assert capsys.readouterr().out == ""
    assert run("attack", bundle, tmp_path / "in", "--out", "made.png") == 1
    assert "--out is a folder for several images; received made.png" in capsys.readouterr().err
