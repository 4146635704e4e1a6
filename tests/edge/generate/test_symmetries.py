"""The mean over an image's symmetries: the same for an image that is turned, closer than one answer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import InputError
from dimaging_edge.generate import symmetries
from dimaging_edge.generate.overlap import run_tiled
from dimaging_edge.generate.symmetries import run_symmetric

PHOTO = np.random.default_rng(0).random((1, 20, 32, 1), np.float32)


@pytest.mark.parametrize(
    "options", [{}, {"run": run_tiled, "tile": 16, "overlap": 4}], ids=["whole", "tiles"]
)
def test_a_turned_image_gives_the_turned_mean(toy: Path, options) -> None:
    bundle = open_bundle(toy)
    mean = run_symmetric(bundle, "denoiser", {"noisy": PHOTO}, **options)["clean"]
    for turn in range(4):
        for axes in ((), (1,)):
            turned = np.flip(np.rot90(PHOTO, turn, (1, 2)), axes)
            found = run_symmetric(bundle, "denoiser", {"noisy": turned.copy()}, **options)["clean"]
            expected = np.flip(np.rot90(mean, turn, (1, 2)), axes)
            np.testing.assert_allclose(found, expected, atol=1e-6)
    assert mean.dtype == np.float32


def test_it_is_the_mean_of_eight_runs(toy: Path) -> None:
    bundle = open_bundle(toy)
    runs = []
    for turn in range(4):
        for mirror in (1, -1):
            seen = np.rot90(PHOTO, turn, (1, 2))[:, :, ::mirror]
            found = bundle.run("denoiser", noisy=np.ascontiguousarray(seen))["clean"]
            runs.append(np.rot90(found[:, :, ::mirror], -turn, (1, 2)))
    mean = run_symmetric(bundle, "denoiser", {"noisy": PHOTO})["clean"]
    np.testing.assert_allclose(mean, np.mean(runs, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "parts"), [({}, 8), ({"run": run_tiled, "tile": 16, "overlap": 4}, 8 * 6)],
    ids=["whole", "tiles"],
)  # fmt: skip
def test_progress_counts_every_part_once(toy: Path, options, parts) -> None:
    told = []
    run_symmetric(
        open_bundle(toy), "denoiser", {"noisy": PHOTO}, **options,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(done, parts) for done in range(1, parts + 1)]


@pytest.mark.parametrize(
    ("graph", "inputs", "words"),
    [
        ("decoder", {"z": np.zeros((1, 4), np.float32)}, "takes no image, so there is nothing to turn"),
        ("negative", {"photo": np.zeros((1, 8, 8, 3), np.uint8)}, r"holds whole numbers \(uint8\)"),
    ],
)  # fmt: skip
def test_what_has_no_mean_is_refused(toy: Path, graph, inputs, words) -> None:
    with pytest.raises(InputError, match=words):
        run_symmetric(open_bundle(toy), graph, inputs)


def test_the_command_takes_the_mean_whole_and_in_tiles(toy: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "noisy.npy", PHOTO)
    given = ["run", str(toy), "denoiser", "--input", f"noisy={tmp_path / 'noisy.npy'}"]
    whole = run_symmetric(open_bundle(toy), "denoiser", {"noisy": PHOTO})["clean"]
    for name, more in (("whole", []), ("tiled", ["--tile", "16", "--overlap", "8"])):
        assert main([*given, "--symmetries", *more, "--out", str(tmp_path / name)]) == 0
        found = np.load(tmp_path / name / "clean.npy")
        np.testing.assert_allclose(found, whole, atol=1e-6 if name == "whole" else 0.1)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [("height", "width", True), (16, 16, True), (16, 12, False), (16, "width", False)],
)
def test_a_fixed_size_that_is_no_square_is_not_turned_by_a_quarter(
    toy: Path, height, width, expected: bool
) -> None:
    spec = open_bundle(toy).graph("denoiser")
    fixed = replace(spec.inputs[0], shape=(1, height, width, 1))
    assert symmetries._turns(replace(spec, inputs=(fixed,))) == expected
