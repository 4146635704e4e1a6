"""The pages of docs/ are programs too: their Python runs, and their budget files are read."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dimaging_edge.benchmark import read_budget
from dimaging_export import export
from dimaging_export.certificate.build import certificate_model
from dimaging_export.gradient.build import gradient_model
from helpers.pages import ROOT, blocks, run_warm
from helpers.small_classifiers import convolutional, write_bundle
from PIL import Image

from dimaging_tf import models

OLDER = ROOT / "tests" / "golden" / "older"


def _bundle(name: str) -> Callable[[Path], object]:
    """A small integer-valued PixelCNN under the name that the page gives it."""
    return lambda folder: shutil.copytree(OLDER / "pixelcnn-integer", folder / "bundle" / name)


def _packers(folder: Path) -> None:
    """The integer-valued models of images and of text, under the names that the page gives them."""
    for model in ("pixelcnn-integer", "char_lm-integer"):
        shutil.copytree(OLDER / model, folder / "bundle" / model)


def _photo(folder: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    Image.fromarray(image).save(folder / "photo.png")


def _classifier(folder: Path) -> None:
    """A small classifier with its gradient, and images that it knows."""
    models = {"classifier": convolutional(), "gradient": gradient_model(convolutional())}
    write_bundle(folder / "bundle" / "signs", models)
    x = np.random.default_rng(0).random((8, 6, 6, 1), np.float32)
    np.savez(folder / "signs.npz", x=x, y=np.arange(8) % 4)


def _captioner(folder: Path) -> None:
    """An untrained captioner, and a picture of its size."""
    from dimaging_export import export

    from dimaging_tf.models.captioning import Captioning, Config

    model = Captioning(
        Config(
            (16, 16, 3), ("a", "red", "square"), 3, filters=(4,), features=5, embedding=4, units=6
        )
    )
    image = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    export(model, folder / "bundle" / "captioning", data=(image, np.ones((4, 3), np.int32)))
    Image.fromarray(image[0]).save(folder / "photo.png")


def _movies(folder: Path) -> None:
    """Two networks that have learned nothing, in the sizes of their default data."""
    export(
        models.Lineage(),
        folder / "bundle" / "lineage",
        data=(np.zeros((4, 8, 27, 27, 1), np.float32), np.array([0, 1, 0, 1])),
    )
    export(
        models.FrameSelection(),
        folder / "bundle" / "frames",
        data=(np.zeros((4, 16, 8, 8, 1), np.float32), np.array([0, 1, 0, 1])),
    )


def _decoder(folder: Path) -> None:
    """A small VAE that has learned nothing."""
    config = models.VAEConfig(shape=(8, 8, 1), latent_dim=2, hidden=(8,))
    export(models.VAE(config), folder / "bundle" / "mine", data="digits")


def _certified(folder: Path) -> None:
    """The same with its certificate."""
    certificate, _ = certificate_model(convolutional(), (0.0, 1.0))
    write_bundle(
        folder / "bundle" / "proven", {"classifier": convolutional(), "certificate": certificate}
    )
    x = np.random.default_rng(0).random((8, 6, 6, 1), np.float32)
    np.savez(folder / "digits.npz", x=x, y=np.arange(8) % 4)


SCENES: dict[str, Callable[[Path], object]] = {  # what lies in the reader's folder
    "sampling": _bundle("pixelcnn-fp32"),
    "lossless": _packers,
    "format": _photo,
    "attacks": _classifier,
    "captions": _captioner,
    "physical": _classifier,
    "movies": _movies,
    "defenses": _certified,
    "deploy": _decoder,
}
PAGES = {page.stem: page.read_text("utf-8") for page in sorted((ROOT / "docs").glob("*.md"))}
ELSEWHERE = {"many": "tests/docs/test_many.py, with a local cluster"}
PROGRAMS = [
    name for name, text in PAGES.items() if name not in ELSEWHERE and blocks(text, "python", "py")
]


@pytest.mark.parametrize("name", PROGRAMS)
def test_python_of_a_page_runs(name, tmp_path):
    SCENES.get(name, lambda folder: None)(tmp_path)
    run_warm([sys.executable, "-c", "\n".join(blocks(PAGES[name], "python", "py"))], tmp_path)


def test_the_pages_that_show_python_are_found():
    assert set(SCENES) <= set(PROGRAMS)


def test_the_budget_of_the_page_is_read(tmp_path):
    (text,) = blocks(PAGES["latency"], "toml")
    (tmp_path / "latency.toml").write_text(text, "utf-8")
    assert read_budget(tmp_path / "latency.toml").max_ratio == {"decoder": 0.31}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)#: ]+)[)# ]", PAGES[name]):
        assert (ROOT / "docs" / link).exists(), link
