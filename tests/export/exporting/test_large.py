"""Models whose weights no single ONNX file holds: the limit is 20 kB here, and all else is as with 2 GiB."""

import errno
import json
import os

import keras
import numpy as np
import onnxruntime as ort
import pytest
from dimaging_edge import BundleError, open_bundle
from dimaging_export import ExportError, export
from dimaging_export.graph import weights
from helpers.damage import flip
from helpers.plain_keras import functional
from keras import layers

from dimaging_tf.models.pixelcnn import Config, PixelCNN

LIMIT = 20_000  # bytes
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    monkeypatch.setattr(weights, "LARGEST_FILE", LIMIT)


class Mystery(layers.Layer):
    """A layer without an emitter, with weights of its own."""

    def __init__(self, units=8, **more):
        super().__init__(**more)
        self.units = units

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x):
        return keras.ops.sin(x @ self.w)


def dense():
    return functional(
        (40,), layers.Dense(100, activation="relu"), layers.Dense(80), layers.Dense(3)
    )


def conv():
    stack = [layers.Conv2D(n, 3, padding="same", activation="relu") for n in (8, 32, 32, 16)]
    return functional((8, 8, 3), *stack, layers.Flatten(), layers.Dense(5))


def mixed():
    return functional((40,), layers.Dense(100), Mystery(), layers.Dense(100), layers.Dense(80))


ROWS = [
    (dense, "fp32"), (dense, "fp16"), (dense, "int8"),
    (conv, "fp32"), (conv, "fp16"), (conv, "int8"),
    (mixed, "fp32"),
]  # fmt: skip


def made(make):
    keras.utils.set_random_seed(0)
    return make()


@pytest.mark.parametrize(("make", "precision"), ROWS, ids=lambda x: getattr(x, "__name__", x))
def test_every_road_keeps_weights_beside_the_graph(make, precision, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "LARGEST_FILE", 5_000)  # so that int8 needs two files as well
    model = made(make)
    data = RNG.random((40, *model.input_shape[1:]), np.float32)
    folder = export(model, tmp_path / "bundle", precision=precision, data=data)
    listed = json.loads((folder / "bundle.json").read_text())["files"]
    assert listed["model.onnx.data"]["bytes"] == (folder / "model.onnx.data").stat().st_size
    assert (folder / "model.onnx").stat().st_size < (folder / "model.onnx.data").stat().st_size
    bundle = open_bundle(folder, threads=1)
    assert all(one.ok for outputs in bundle.check().values() for one in outputs.values())
    alone = ort.InferenceSession(folder / "model.onnx")
    (output,) = bundle.graph("model").outputs
    for batch in (1, 3):
        x = data[:batch]
        found, expected = bundle.run("model", x=x)[output.name], np.asarray(model(x))
        np.testing.assert_allclose(found, alone.run(None, {"x": x})[0], atol=1e-6)
        tolerance = {"fp32": 1e-5, "fp16": 2e-3, "int8": 0.1}[precision]
        assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_rows_of_an_int8_batch_stay_apart(tmp_path):
    folder = export(made(dense), tmp_path / "bundle", precision="int8")
    assert not (folder / "model.onnx.data").exists()  # its weights fit into one file again
    bundle = open_bundle(folder)
    x = RNG.standard_normal((3, 40)).astype(np.float32)
    alone = bundle.run("model", x=x[1:2])
    x[0] *= 1000
    for name, y in bundle.run("model", x=x).items():
        np.testing.assert_array_equal(y[1:2], alone[name])


def test_the_same_answers_as_from_one_file(tmp_path, monkeypatch):
    model, x = made(dense), RNG.standard_normal((5, 40)).astype(np.float32)
    two = open_bundle(export(model, tmp_path / "two"))
    monkeypatch.undo()
    one = open_bundle(export(model, tmp_path / "one"))
    assert two.manifest.model_id == one.manifest.model_id
    assert "model.onnx.data" not in one.manifest.files
    for name, y in one.run("model", x=x).items():
        np.testing.assert_array_equal(y, two.run("model", x=x)[name])


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "LARGEST_FILE", LIMIT)
        return export(made(dense), tmp_path_factory.mktemp("large") / "bundle")


DAMAGE = {
    "changed": (flip, r"model\.onnx\.data was changed"),
    "missing": (lambda path: path.unlink(), r"model\.onnx\.data is missing"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"expected \d+ bytes, found"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_weights_are_refused(case, large, tmp_path):
    damage, words = DAMAGE[case]
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in large.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    damage(copy / "model.onnx.data")
    with pytest.raises(BundleError, match=words):
        open_bundle(copy)


def test_weights_of_another_model_break_the_seal(large, tmp_path):
    other = export(
        functional((40,), layers.Dense(100), layers.Dense(80), layers.Dense(3)), tmp_path / "b"
    )
    (other / "model.onnx.data").write_bytes((large / "model.onnx.data").read_bytes())
    manifest = json.loads((other / "bundle.json").read_text())
    said = json.loads((large / "bundle.json").read_text())["files"]["model.onnx.data"]
    manifest["files"]["model.onnx.data"] = said
    (other / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="carries the seal"):
        open_bundle(other)


REFUSED = {
    "tf2onnx": ({"converter": "tf2onnx"}, "tf2onnx writes no other. Leave converter at 'auto'"),
    "phone": ({"target": "phone"}, "target 'phone' reads no other"),
    "web": ({"target": "web"}, "target 'web' reads no other"),
    "int8": (
        {"target": "web", "precision": "int8"},
        "reads no other: .*. Export it for target 'cpu'",
    ),
    "gradient": ({"gradient": True}, "gradient=True needs one"),
    "certificate": ({"certificate": True}, "certificate=True needs one"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_needs_one_file_is_refused(case, tmp_path, monkeypatch):
    more, words = REFUSED[case]
    monkeypatch.setattr(weights, "LARGEST_FILE", LIMIT if "precision" not in more else 5_000)
    if case != "tf2onnx":  # before any work
        monkeypatch.setattr("dimaging_export.bundle.build.convert", None)
    with pytest.raises(ExportError, match=words) as caught:
        export(made(dense), tmp_path / "bundle", **more)
    assert "one ONNX file holds less than" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_large_layer_without_an_emitter_is_refused(tmp_path):
    model = functional((40,), Mystery(200))
    with pytest.raises(
        ExportError, match="the weights of the layer take .* tf2onnx writes no other"
    ):
        export(model, tmp_path / "bundle")


def test_families_with_graphs_of_their_own_need_one_file(tmp_path):
    model = PixelCNN(Config(shape=(8, 8, 1), filters=16, blocks=2))
    with pytest.raises(ExportError, match="pixelcnn needs one. Make the model smaller"):
        export(model, tmp_path / "bundle")


def test_a_full_disk_under_the_weights_leaves_nothing(tmp_path, monkeypatch):
    def full(model, path):
        save(model, path)
        with path.with_name(path.name + weights.SUFFIX).open("r+b") as file:
            file.truncate(LIMIT // 2)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    save = weights.save
    monkeypatch.setattr(weights, "save", full)
    with pytest.raises(ExportError, match="No space left on device. Nothing was left"):
        export(made(dense), tmp_path / "bundle")
    assert not list(tmp_path.iterdir())
