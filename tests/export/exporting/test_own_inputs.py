"""Inputs of a Keras model of ones own: their ranges and types, and the data that stands for them."""

import json

import keras
import numpy as np
import onnxruntime as ort
import pytest
from dimaging_export import ExportError, export
from helpers.plain_keras import functional
from keras import layers, ops
from PIL import Image

RNG = np.random.default_rng(0)


def rescaled():
    return functional(
        (16, 16, 3),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Conv2D(1, 1, name="mask"),
    )


BYTES = RNG.integers(0, 256, (64, 16, 16, 3)).astype(np.uint8)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_declared_range_is_that_of_the_data(precision, tmp_path):
    """Bytes of data= reach the model as 0 to 255, so int8 is calibrated on what it will see."""
    keras.utils.set_random_seed(0)
    model = rescaled()
    folder = export(
        model, tmp_path / "bundle", precision=precision, data=BYTES, ranges={"x": (0, 255)}
    )
    assert "--range x=0:255" in (folder / "CARD.md").read_text()
    (said,) = json.loads((folder / "bundle.json").read_text())["graphs"]["model"]["inputs"]
    assert said["range"] == [0, 255]
    x = BYTES[:8].astype(np.float32)
    found = ort.InferenceSession(folder / "model.onnx").run(None, {"x": x})[0]
    wanted = np.asarray(model(x))
    noise, signal = np.square(found - wanted).sum(), np.square(wanted - wanted.mean()).sum()
    assert 10 * np.log10(signal / noise) > 20


@pytest.mark.parametrize("limits", [(0, 255), (-1, 1)], ids=str)
@pytest.mark.parametrize("target", ["phone", "web"])
def test_a_file_of_bytes_gives_the_model_its_declared_range(target, limits, tmp_path):
    keras.utils.set_random_seed(0)
    model = functional((16, 16, 3), layers.Conv2D(2, 3), layers.GlobalMaxPooling2D())
    folder = export(model, tmp_path / "bundle", target=target, data=BYTES, ranges={"x": limits})
    found = ort.InferenceSession(folder / "model.onnx").run(None, {"x": BYTES[:1]})[0]
    seen = limits[0] + BYTES[:1].astype(np.float32) * ((limits[1] - limits[0]) / 255)
    np.testing.assert_allclose(found, np.asarray(model(seen)), rtol=1e-4)


def bytes_in():
    return functional(
        (6, 6, 3), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2), dtype="uint8"
    )


@pytest.mark.parametrize("data", [None, BYTES[:, :6, :6]], ids=["seeded", "bytes"])
def test_an_input_of_bytes(data, tmp_path):
    folder = export(model := bytes_in(), tmp_path / "bundle", data=data)
    x = BYTES[:3, :6, :6]
    found = ort.InferenceSession(folder / "model.onnx").run(None, {"x": x})[0]
    np.testing.assert_allclose(found, np.asarray(model(x)), rtol=1e-4)


def test_parts_for_an_input_of_bytes_are_refused(tmp_path):
    words = "takes uint8, whole numbers; received .* to 0.*as bytes 0 to 255"
    with pytest.raises(ExportError, match=words):
        export(bytes_in(), tmp_path / "bundle", data=RNG.random((20, 6, 6, 3), np.float32))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_inputs_of_other_floats(dtype, tmp_path):
    model = functional((6,), layers.Dense(2), dtype=dtype)
    folder = export(model, tmp_path / "bundle")
    x = RNG.random((3, 6)).astype(dtype)
    found = ort.InferenceSession(folder / "model.onnx").run(None, {"x": x})[0]
    np.testing.assert_allclose(found, np.asarray(model(x)), rtol=2e-3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"data": BYTES}, r"rescales its input by 0.00392 .* ranges=\{'x': \(0, 255\)\}"),
        ({"ranges": {"y": (0, 255)}}, "has no tensor 'y'; .*known: x, mask"),
        ({"ranges": {"x": (255, 0)}}, "'x' needs low < high, finite; received 255, 0"),
        ({"ranges": {"x": (0, np.inf)}}, "'x' needs low < high, finite; received 0, inf"),
        (
            {"data": BYTES.astype(np.float32), "ranges": {"x": (0, 1)}},
            "outside of its range 0 to 1",
        ),
    ],
)
def test_ranges_that_are_none(more, words, tmp_path):
    with pytest.raises(ExportError, match=words):
        export(rescaled(), tmp_path / "bundle", **more)


def test_our_own_models_declare_their_ranges(models, tmp_path):
    with pytest.raises(ExportError, match="vae declares its own ranges"):
        export(models["vae"], tmp_path / "bundle", ranges={"image": (0, 255)})


@pytest.mark.parametrize(
    ("function", "low"), [(ops.log, 0.1), (ops.sqrt, 0.0), (lambda x: 1 / x, 1.0)]
)
def test_inputs_of_the_proof_lie_where_the_data_does(function, low, tmp_path):
    model = functional((16,), function, layers.Dense(2))
    positive = RNG.random((40, 16), np.float32) + np.float32(low)
    assert (export(model, tmp_path / "bundle", data=positive) / "bundle.json").exists()


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_tokens_by_any_input(dtype, tmp_path):
    model = functional((7,), layers.Embedding(11, 4), layers.Dense(2), dtype=dtype)
    tokens = RNG.integers(0, 11, (40, 7)).astype(dtype)
    folder = export(model, tmp_path / "bundle", data=tokens)
    found = ort.InferenceSession(folder / "model.onnx").run(None, {"x": tokens[:5]})[0]
    np.testing.assert_allclose(found, np.asarray(model(tokens[:5])), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "size"), [((16, 16, 3), None), ((16, 16, 3), 16), ((12, 20, 3), None)]
)
def test_a_folder_of_pictures_for_a_model_of_one_size(shape, size, tmp_path):
    for index, image in enumerate(np.concatenate([BYTES, BYTES], 2)[:4]):
        Image.fromarray(np.concatenate([image, image])).save(tmp_path / f"{index}.png")
    keras.utils.set_random_seed(0)
    model = functional(shape, layers.Conv2D(8, 3), layers.Flatten())
    folder = export(model, tmp_path / "bundle", precision="int8", data=tmp_path, size=size)
    assert np.load(folder / "examples.npz")["model/x"].shape == (1, *shape)
