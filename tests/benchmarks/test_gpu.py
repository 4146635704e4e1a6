"""The commands for a GPU start without one: what they check and write, at its smallest."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.pages import ENV, ROOT

from benchmarks.parts import gpu_bundles
from dimaging_tf.compression.base import RUNGS
from dimaging_tf.models.unet_codec import UNetCodec
from dimaging_tf.registry import REGISTRY

BENCHMARKS = ROOT / "benchmarks"


def start(name: str, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", "--quick", *words],
        cwd=folder, env=ENV, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_every_engine_answers_or_says_why(tmp_path):
    start("gpu", tmp_path, "--json", "gpu.json")
    record = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    assert record["rows"][0]["figure"] == "classifier_signs, cpu: difference over what is allowed"
    assert record["rows"][0]["verdict"] == "ok"
    rows = record["facts"]["graphs"]
    assert {row["graph"] for row in rows} == {"classifier", "gradient"}
    for row in rows:
        if row["engine"] == "cpu":
            assert row["ok"]
            assert row["ms"] > 0
        elif row["ok"] is None:
            assert "cannot be used" in row["why"] or row["why"].startswith("not here"), row
    assert record["facts"]["not_reached"] == []


def test_every_model_of_the_registry_is_checked_on_a_gpu_or_left_out_for_a_reason():
    assert set(REGISTRY) == set(gpu_bundles.MODELS) | set(gpu_bundles.LEFT_OUT)
    assert not set(gpu_bundles.MODELS) & set(gpu_bundles.LEFT_OUT)
    for precisions in gpu_bundles.MODELS.values():
        assert precisions[0] == "fp32"  # what JAX is compared with


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Four steps, then four more of a training that goes on."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed: pip install '.[benchmarks]'")
    folder = tmp_path_factory.mktemp("codec")
    often = ("--every", "0", "--cache", "cache")
    start("codec_gpu", folder, *often)
    start("codec_gpu", folder, *often, "--resume", "codec_gpu", "--json", "codec_gpu.json")
    return folder


def lines(folder: Path) -> list[dict]:
    return [json.loads(x) for x in (folder / "codec_gpu/codec_gpu.jsonl").read_text().splitlines()]


def test_a_training_on_jax_goes_on_and_keeps_small_files(trained):
    found = lines(trained)
    assert [line["steps"] for line in found] == [4, 8]
    assert found[0]["progress"] < found[1]["progress"]
    files = {path.name for path in (trained / "codec_gpu").iterdir()}
    assert files == {"codec.keras", "state_0.npz", "codec_gpu.jsonl"}
    record = json.loads((trained / "codec_gpu.json").read_text("utf-8"))
    assert {row["figure"] for row in record["rows"]} >= {"steps", "held tiles, loss at the end"}


def test_tensorflow_computes_what_jax_did(trained):
    """The same weights on the same pictures: rate and quality at every rung."""
    model = keras.saving.load_model(trained / "codec_gpu" / "codec.keras")
    assert isinstance(model, UNetCodec)
    tiles = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    tiles = tiles.repeat(4, 1).repeat(4, 2)[:, 224:288, 224:288] / np.float32(255)
    here, there = model.validate(tiles), lines(trained)[-1]
    for name in ("loss", *(f"{kind}_{q}" for kind in ("bpp", "psnr") for q in RUNGS)):
        assert float(here[name]) == pytest.approx(there[f"val_{name}"], rel=3e-3), name
