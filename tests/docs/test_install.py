"""The wheel with [cpu] alone, in a new environment: no TensorFlow, and a bundle runs."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    from dimaging_export import export

    from dimaging_tf.models.vae import VAE, Config

    model = VAE(Config((8, 8, 1), 2, (8,)))
    return export(model, tmp_path_factory.mktemp("bundle") / "vae-fp32", data="digits")


def test_edge_runs_without_tensorflow(bundle, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH")  # it would show the new environment this checkout
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        tmp_path,
        ROOT,
    ]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("dimaging-*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}[cpu]"], check=True)

    def edge(*words):
        command = [python.parent / "dimaging-edge", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    listed = subprocess.run(
        [python, "-m", "pip", "list"], check=True, capture_output=True, text=True
    ).stdout
    assert not {"tensorflow", "keras", "onnx", "typer", "matplotlib"} & set(listed.split())
    assert "decoder" in edge("info", bundle)
    assert "OUT OF TOLERANCE" not in edge("check", bundle)
    edge("run", bundle, "decoder", "--input", "z=normal", "--n", "3", "--out", tmp_path / "out")
    assert np.load(tmp_path / "out" / "image.npy").shape == (3, 8, 8, 1)

    train = subprocess.run(
        [python.parent / "dimaging", "train", "vae"], capture_output=True, text=True, check=False
    )
    assert train.returncode == 1
    assert "pip install 'dimaging[train,export,cpu]'" in train.stderr
