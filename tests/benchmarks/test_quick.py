"""Every command of benchmarks/ starts: once with --quick, on data drawn here. Minutes long."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import tiny_data
from helpers.pages import ENV, ROOT

BENCHMARKS = ROOT / "benchmarks"
COMMANDS = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
OPTIONAL = {"bm3d", "openvino", "ai_edge_litert", "pillow_jxl", "jax", "foolbox", "art", "onnx_ad"}
"""Modules of the extra `benchmarks`; a rival that is not installed is no fault of the command."""


def test_the_folder_holds_commands_alone():
    others = {path.name for path in BENCHMARKS.iterdir() if path.suffix != ".py"}
    assert others - {"__pycache__"} == {"parts", "results", "weights"}
    for name in COMMANDS:
        text = (BENCHMARKS / f"{name}.py").read_text("utf-8")
        assert '__name__ == "__main__"' in text, name
        imported = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
        assert not imported & set(COMMANDS), f"{name}: what two commands share goes to parts/"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tiny_data.make(tmp_path_factory.mktemp("data"))


def results() -> dict[str, tuple[int, int]]:
    """What every file of the results is known by."""
    stats = {path.name: path.stat() for path in (BENCHMARKS / "results").iterdir()}
    return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in stats.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_quick_run_ends_well_and_keeps_nothing(name, data, tmp_path):
    before, page = results(), (ROOT / "docs" / "figures.md").read_bytes()
    env = {**ENV, "DIMAGING_DATA": str(data), "HOME": str(tmp_path)}
    env["PYTHONPATH"] += os.pathsep + str(ROOT / "tests")
    said = tmp_path / "said.json"
    options = [] if name == "table" else ["--json", str(said)]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", "--quick", *options],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    missing = re.search(r"No module named '(\w+)", done.stderr)
    if done.returncode and missing and missing[1] in OPTIONAL:
        pytest.skip(f"{missing[1]} is not installed: pip install '.[benchmarks]'")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert results() == before
    assert (ROOT / "docs" / "figures.md").read_bytes() == page
    if options:
        record = json.loads(said.read_text("utf-8"))
        assert record["topic"] == name
        assert record["quick"]
        assert record["rows"]
