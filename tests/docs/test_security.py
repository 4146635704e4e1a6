"""SECURITY.md: the recipe runs, the options exist, and the dependencies stand above known holes."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dimaging_edge.photo.bundle_model import SHIPPED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
RECIPE = re.findall(r"```sh\n(.*?)```", PAGE.split("## Signing a bundle")[1], re.S)[0].splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

FLOORS = [
    ("onnxruntime", (1, 24, 1)),  # external data outside of the folder, microsoft/onnxruntime#26776
    ("onnxruntime-gpu", (1, 24, 1)),
    ("onnxruntime-openvino", (1, 24, 1)),
    ("onnx", (1, 21)),  # CVE-2026-27489, -34446, -34447
    ("pillow", (12, 3)),  # CVE-2026-59197, -59199, -59205
]


@pytest.mark.parametrize(("name", "floor"), FLOORS)
def test_floors_stand_above_known_holes(name: str, floor: tuple[int, ...]) -> None:
    lines = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    found = [m for line in lines if (m := re.match(rf"{name}(?![a-z0-9-])>=([0-9.]+)", line))]
    assert found
    assert all(tuple(map(int, m[1].split("."))) >= floor for m in found)


def test_no_dependency_of_training_runs_a_setup_script() -> None:
    """keras-cv brings promise, which comes as source alone, so that every install would execute it."""
    assert not [line for line in PROJECT["optional-dependencies"]["train"] if "keras-cv" in line]


def test_the_licences_of_what_is_shipped_are_in_the_metadata() -> None:
    assert (
        PROJECT["license"] == "Apache-2.0 AND MIT AND LicenseRef-dimaging-weights"
    )  # MIT: onnxruntime-web
    engine = "edge/dimaging_edge/web/engine"
    files = {"LICENSE", "NOTICE", f"{engine}/LICENSE", f"{engine}/ThirdPartyNotices.txt"}
    assert set(PROJECT["license-files"]) == files
    assert all((ROOT / file).is_file() for file in files)
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "LicenseRef-dimaging-weights" in notice
    for path in SHIPPED.glob("*/bundle.json"):
        assert path.parent.name in notice
        stated = json.loads(path.read_text(encoding="utf-8"))["licence"]
        assert stated.startswith("weights learned from ")
        assert f"* Licence: {stated}\n" in (path.parent / "CARD.md").read_text(encoding="utf-8")
    for licence in ("CC BY 4.0", "CC BY-SA 4.0", "CC BY-SA 3.0", "GPL-2.0-or-later", "CC0 1.0"):
        assert licence in notice


@pytest.mark.parametrize("option", ["--limit", "--max-pixels"])
def test_options_of_the_page_exist(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    from dimaging_edge.commands.main import main

    assert option in PAGE
    assert main(["decompress", "--help"]) == 0
    assert option in capsys.readouterr().out


def _run(command: str, folder: Path) -> int:
    words = command.split()
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode


@pytest.mark.slow
def test_the_recipe_signs_and_finds_every_change(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("model_signing")
    found = shutil.which("model_signing") or (str(program) if program.exists() else None)
    if found is None or shutil.which("openssl") is None:
        pytest.skip("model-signing or openssl is not installed")
    bundle = tmp_path / "bundle" / "mine"
    shutil.copytree(SHIPPED / "unet_codec_grey16", bundle)
    install, *steps, verify = [line.replace("model_signing", found) for line in RECIPE]
    assert install.startswith("pip install ")
    for step in (*steps, verify):
        assert _run(step, tmp_path) == 0, step
    card = (bundle / "CARD.md").read_bytes()
    (bundle / "CARD.md").write_bytes(card + b"!")
    assert _run(verify, tmp_path) != 0
    (bundle / "CARD.md").write_bytes(card)
    assert _run(verify, tmp_path) == 0
    (bundle / "new.txt").write_text("x")
    assert _run(verify, tmp_path) != 0
