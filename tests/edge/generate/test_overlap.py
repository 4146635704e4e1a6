"""Tiles that overlap give what the whole image gives."""

from pathlib import Path

import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import InputError
from dimaging_edge.generate.overlap import run_tiled
from PIL import Image

PHOTO = np.random.default_rng(0).random((1, 50, 70, 1), np.float32)


@pytest.mark.parametrize("size", [(8, 8), (20, 31), (8, 9), (5, 30)], ids=str)
@pytest.mark.parametrize("overlap", [0, 2, 7])
def test_a_file_of_one_size_takes_images_of_any_size(toy: Path, size, overlap: int) -> None:
    """The negative of 8 x 8 pixels: a tile is as large, whatever is asked for, and bytes stay bytes."""
    photo = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    found = run_tiled(open_bundle(toy), "negative", {"photo": photo}, tile=64, overlap=overlap)
    np.testing.assert_array_equal(found["negative"], 255 - photo)
    assert found["negative"].dtype == np.uint8


def test_a_wider_filter_differs_at_seams_alone_and_less_with_overlap(toy: Path) -> None:
    bundle = open_bundle(toy)
    whole = bundle.run("denoiser", noisy=PHOTO)["clean"]
    error = {}
    for overlap in (0, 8):
        found = run_tiled(bundle, "denoiser", {"noisy": PHOTO}, tile=32, overlap=overlap)["clean"]
        difference = np.abs(found - whole)
        error[overlap] = difference.max()
        np.testing.assert_allclose(found[:, :16, :16], whole[:, :16, :16], atol=1e-6)
    assert error[8] < error[0]


def test_progress_counts_the_tiles(toy: Path) -> None:
    said: list[tuple[int, int]] = []
    tell = lambda done, total: said.append((done, total))  # noqa: E731
    run_tiled(open_bundle(toy), "denoiser", {"noisy": PHOTO}, tile=32, overlap=8, progress=tell)
    assert said == [(k, 6) for k in range(1, 7)]  # 2 rows of 3


@pytest.mark.parametrize(
    ("graph", "inputs", "options", "words"),
    [
        (
            "decoder",
            {"z": np.zeros((1, 4), np.float32)},
            {},
            "takes no image, so there is nothing to cut",
        ),
        ("denoiser", {"noisy": PHOTO}, {"tile": 16, "overlap": 16}, "overlap: expected 0 to 15"),
        (
            "denoiser",
            {"noisy": PHOTO},
            {"tile": 16, "overlap": -1},
            "less than the tile; received -1",
        ),
    ],
)
def test_what_has_no_tiles_is_refused(toy: Path, graph, inputs, options, words) -> None:
    with pytest.raises(InputError, match=words):
        run_tiled(open_bundle(toy), graph, inputs, **options)


def test_the_command_runs_in_tiles(toy: Path, tmp_path: Path, capsys) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    given = ["run", str(toy), "negative", "--input", f"photo={tmp_path / 'photo.png'}"]
    assert main([*given, "--out", str(tmp_path / "tiled"), "--tile"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "tiled" / "negative.npy")[0], 255 - pixels)
    assert main([*given, "--out", str(tmp_path / "whole")]) == 1  # one size only
    capsys.readouterr()
    assert main([*given, "--overlap", "4"]) == 1
    assert "--overlap is of --tile; give both, or neither" in capsys.readouterr().err
    np.save(tmp_path / "z.npy", np.zeros((1, 4), np.float32))
    noise = ["run", str(toy), "decoder", "--input", f"z={tmp_path / 'z.npy'}", "--over"]
    assert main([*noise, "--out", str(tmp_path / "over")]) == 1
    assert "--over: graph 'decoder' gives no classes a pixel" in capsys.readouterr().err
