"""LiteRT files: proven against Keras or not written."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from dimaging_export.bundle import tflite
from dimaging_export.errors import ExportError, ParityError

from dimaging_tf import registry

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install ai-edge-litert")


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 1), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(1, 3, padding="same")(x)
    return keras.Model(image, {"clean": x}, name="net")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tflite") / "net"
    tflite.export_tflite(network(), out, size=16)
    return out


def test_the_file_computes_what_keras_computes(written: Path) -> None:
    (file,) = written.glob("*.tflite")
    report = json.loads((written / tflite.PARITY).read_text("utf-8"))
    figures = report[file.stem]["clean"]
    assert figures["max_abs"] <= figures["allowed"]
    image = np.random.default_rng(1).random((1, 16, 16, 1), np.float32)
    found = tflite.tflite_graph(file)({"image": image})["clean"]
    np.testing.assert_allclose(found, network()(image)["clean"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "graphs"),
    [
        ("autoencoder", {"encoder", "decoder"}),
        ("dcgan", {"generator", "discriminator"}),
        ("classifier", {"classifier"}),
    ],
)
def test_plain_graphs_of_the_registry(tmp_path: Path, name: str, graphs: set[str]) -> None:
    """All of them: benchmarks/litert.py."""
    keras.utils.set_random_seed(0)
    entry = registry.find(name)
    kind = entry.model_class()
    model = kind(kind.config_for((28, 28, 1), entry.changes))
    found = tflite.export_tflite(model, tmp_path / name, size=32)
    assert set(found) == graphs
    for outputs in found.values():
        assert all(one["max_abs"] <= one["allowed"] for one in outputs.values())


def test_what_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(path: Path):
        return lambda arrays: {"clean": arrays["image"] + 1}

    monkeypatch.setattr(tflite, "tflite_graph", wrong)
    with pytest.raises(ParityError):
        tflite.export_tflite(network(), tmp_path / "net", size=16)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays(written: Path) -> None:
    with pytest.raises(ExportError, match="exists; choose another folder, or remove it"):
        tflite.export_tflite(network(), written)


def test_what_keras_cannot_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self, *words, **more):
        raise RuntimeError("no such op")

    monkeypatch.setattr(keras.Model, "export", refuse)
    with pytest.raises(ExportError, match="Keras cannot write it as .tflite: no such op"):
        tflite.export_tflite(network(), tmp_path / "net", size=16)
