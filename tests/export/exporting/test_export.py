"""From a model to a bundle that proves itself: contents, refusals, and a place that stays clean."""

import errno
import json
import subprocess
import sys

import dimaging_export.bundle.build
import dimaging_export.exporting
import keras
import numpy as np
import onnx
import pytest
from dimaging_edge import open_bundle
from dimaging_export import ExportError, ParityError, export
from dimaging_export.bundle.targets import TARGETS
from dimaging_export.errors import PrecisionError
from keras import layers as L
from PIL import Image


@pytest.fixture(scope="module")
def vae_bundle(models, digits, tmp_path_factory):
    return export(models["vae"], tmp_path_factory.mktemp("x") / "bundle" / "vae", data=digits)


def test_files_and_metadata(vae_bundle, models):
    names = {path.name for path in vae_bundle.iterdir()}
    assert names == {"encoder.onnx", "decoder.onnx", "examples.npz", "bundle.json", "CARD.md"}
    manifest = open_bundle(vae_bundle).manifest
    assert set(manifest.files) == names - {"bundle.json", "CARD.md"}
    assert manifest.config["hidden"] == [16]
    assert manifest.tools["converter"] == "dimaging direct"
    assert len(manifest.model_id) == 64
    model = onnx.load(vae_bundle / "encoder.onnx")
    facts = {prop.key: prop.value for prop in model.metadata_props}
    assert facts["dimaging.graph"] == "encoder"
    assert facts["dimaging.model_id"] == manifest.model_id
    assert json.loads(facts["dimaging.tensors"])["image"] == ["NHWC", [0.0, 1.0]]
    assert (model.domain, model.model_version) == ("dimaging", 100)  # of version 0.1.0
    assert model.doc_string.startswith(
        "encoder of vae (arXiv 1312.6114), fp32 for cpu. Written by dimaging 0.1.0"
    )


def test_the_card_says_what_one_asks(vae_bundle):
    text = (vae_bundle / "CARD.md").read_text()
    for words in (
        "# vae, fp32, for cpu", "arXiv 1312.6114", "| encoder | in | image | float32 | batch x 8",
        "-ELBO", "Transposes", "dimaging export MODEL --precision fp32 --target cpu", "onnxruntime",
        "images of the caller",
    ):  # fmt: skip
        assert words in text


def test_the_examples_are_real_and_keras_answered(vae_bundle, models):
    inputs, outputs = open_bundle(vae_bundle).examples("decoder")
    expected = models["vae"].run("decoder", **inputs)
    np.testing.assert_allclose(outputs["image"], expected["image"], atol=1e-6)


def test_one_model_has_one_id(vae_bundle, models, digits, tmp_path):
    other = export(models["vae"], tmp_path / "b", precision="int8", data=digits)
    ids = {open_bundle(path).manifest.model_id for path in (vae_bundle, other)}
    assert len(ids) == 1


def test_bytes_in_and_out_are_within_a_level_of_keras(models, digits, tmp_path):
    bundle = open_bundle(export(models["denoiser"], tmp_path / "b", data=digits, uint8=True))
    found = bundle.run("denoiser", noisy=digits[:5])["image"]
    expected = models["denoiser"].run("denoiser", noisy=digits[:5].astype(np.float32) / 255)
    assert found.dtype == np.uint8
    assert np.abs(found - np.round(255 * expected["image"])).max() <= 1
    graph = bundle.manifest.graphs["denoiser"]
    assert graph.inputs[0].range == (0, 255)
    assert graph.parity["image"]["allowed"] == 1
    # No multiple of the pooling: the graph's own padding and cropping ran too.
    card = (tmp_path / "b" / "CARD.md").read_text()
    assert "Any height and width; proven at 8 x 8, 16 x 8, 15 x 11." in card


def test_the_phone_gets_one_size_and_a_verdict(models, digits, tmp_path):
    out = export(models["unet"], tmp_path / "b", target="phone", data=digits, size=(8, 16))
    assert open_bundle(out).manifest.graphs["unet"].inputs[0].shape == (1, 8, 16, 1)
    assert "| graph | NNAPI | Core ML |" in (out / "CARD.md").read_text()


def test_a_plain_keras_model(small_unet, tmp_path):
    image = np.random.default_rng(0).random((20, 16, 16, 1), np.float32)
    for precision in ("fp32", "int8"):
        out = export(small_unet(), tmp_path / precision, data=image, precision=precision)
        bundle = open_bundle(out)
        assert bundle.graphs == ("model",)
        assert bundle.run("model", image=image[:2])["mask"].shape == (2, 16, 16, 1)
        assert bundle.manifest.quality is None
    text = (out / "CARD.md").read_text()
    assert "20 dB of signal to noise" in text
    assert "proven at 16 x 16, 32 x 16." in text  # Keras itself refuses an odd size


def test_a_sequential_without_data(tmp_path):
    model = keras.Sequential([L.Input((6,), name="code"), L.Dense(3, name="logits")])
    bundle = open_bundle(export(model, tmp_path / "b", precision="int8"))
    assert bundle.run("model", code=np.ones((2, 6), np.float32))["logits"].shape == (2, 3)
    assert bundle.check()["model"]["logits"].ok


def test_a_keras_file_and_the_models_own_data(models, tmp_path):
    models["vae"].save(tmp_path / "vae.keras")
    with pytest.raises(ExportError, match=r"vae takes images of 8 x 8 x 1, received 28 x 28 x 1"):
        export(tmp_path / "vae.keras", tmp_path / "b")  # its default data is mnist5k
    out = export(tmp_path / "vae.keras", tmp_path / "b", data="digits")
    assert (
        "dimaging export vae.keras --precision fp32 --target cpu --data digits"
        in (out / "CARD.md").read_text()
    )
    assert open_bundle(out).manifest.licence == "unstated"  # the digits proved it, no more


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (8, "dimaging export MODEL --precision fp32 --target phone --data digits --size 8\n"),
        ((8, 16), "dimaging export MODEL --precision fp32 --target phone --data digits\n"),
    ],
)
def test_the_command_of_the_card_works(models, tmp_path, size, words):
    out = export(models["denoiser"], tmp_path / "b", target="phone", data="digits", size=size)
    assert words in (out / "CARD.md").read_text()


def test_the_command_of_the_card_names_no_place_of_this_machine(models, digits, tmp_path):
    pictures = tmp_path / "my photos"
    pictures.mkdir()
    for index, image in enumerate(digits[:4]):
        Image.fromarray(image[..., 0]).save(pictures / f"{index}.png")
    for data in (pictures, str(pictures)):
        out = export(models["denoiser"], tmp_path / "b", data=data, size=8, force=True)
        text = (out / "CARD.md").read_text()
        assert "--target cpu --data 'my photos' --size 8\n" in text
        assert str(tmp_path) not in text


def test_a_run_folder(digits, tmp_path):
    from dimaging_tf.training import runs

    settings = runs.Settings("autoencoder", "digits", epochs=1, batch=500)
    runs.train(settings, tmp_path / "run")
    bundle = open_bundle(export(tmp_path / "run", tmp_path / "b"))
    assert "learned from digits" in bundle.manifest.licence
    other = open_bundle(export(tmp_path / "run", tmp_path / "c", data=digits))
    assert other.manifest.licence == bundle.manifest.licence
    text = (tmp_path / "c" / "CARD.md").read_text()
    assert "Real inputs it was proven and judged on: images of the caller (unstated)." in text


def broken(convert):
    """A conversion whose weights are not the model's."""

    def wrong(*args, **kwargs):
        model = convert(*args, **kwargs)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                values = onnx.numpy_helper.to_array(tensor) * np.float32(1.01)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return model

    return wrong


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_what_parity_refuses_is_not_written(models, digits, tmp_path, monkeypatch, precision):
    convert, calls = broken(dimaging_export.bundle.build.convert), []
    monkeypatch.setattr(
        dimaging_export.bundle.build, "convert", lambda *args: (calls.append(1), convert(*args))[1]
    )
    with pytest.raises(ParityError, match=r"in fp32 .*allowed .*Nothing was written"):
        export(models["unet"], tmp_path / "a" / "b", data=digits, precision=precision)
    assert not list(tmp_path.iterdir())
    assert len(calls) == 1  # more layers in float32 would not mend it


def test_a_reduced_precision_of_a_plain_model_is_judged_by_its_noise(
    small_unet, tmp_path, monkeypatch
):
    monkeypatch.setitem(dimaging_export.prove.parity.SQNR, "fp16", 99.0)
    with pytest.raises(ParityError, match=r"mask has .* dB, needs 99 dB.*precision='fp32'"):
        export(small_unet(), tmp_path / "b", precision="fp16")
    assert not list(tmp_path.iterdir())


def test_int8_keeps_more_in_float_where_quality_asks(models, digits, tmp_path, monkeypatch):
    asked = []
    judge = dimaging_export.prove.parity.judge_quality

    def strict(quality, precision, keras, onnx):
        asked.append(onnx)
        if len(asked) < 3:
            raise PrecisionError("not good enough")
        return judge(quality, precision, keras, onnx)

    monkeypatch.setattr(dimaging_export.prove.parity, "judge_quality", strict)
    out = export(models["unet"], tmp_path / "b", data=digits, precision="int8")
    assert len(set(asked)) == 3
    assert "float32 in graphs with convolutions: the last 3" in (out / "CARD.md").read_text()


def test_int8_of_dense_layers_is_judged_once(models, digits, tmp_path, monkeypatch):
    """A network without convolutions has no last ones to leave in float32: nothing would change."""
    asked = []

    def strict(quality, precision, keras, onnx):
        asked.append(onnx)
        raise PrecisionError("not good enough")

    monkeypatch.setattr(dimaging_export.prove.parity, "judge_quality", strict)
    with pytest.raises(PrecisionError, match="not good enough"):
        export(models["autoencoder"], tmp_path / "b", data=digits, precision="int8")
    assert len(asked) == 1


def test_a_second_export_asks(models, digits, tmp_path):
    out = export(models["autoencoder"], tmp_path / "b", data=digits)
    with pytest.raises(ExportError, match="holds a bundle already.*--force"):
        export(models["autoencoder"], out, data=digits, precision="fp16")
    export(models["autoencoder"], out, data=digits, precision="fp16", force=True)
    assert open_bundle(out).manifest.precision == "fp16"


def test_a_folder_that_is_no_bundle_stays(models, digits, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match="is no bundle, so it stays"):
        export(models["autoencoder"], tmp_path, data=digits, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def disk_full(monkeypatch, after):
    """The disk takes `after` graphs and is full then."""
    save, count = onnx.save, iter(range(100))

    def full(model, path, **options):
        if next(count) >= after:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(model, path, **options)

    monkeypatch.setattr(onnx, "save", full)


def test_a_full_disk_leaves_nothing_behind(models, digits, tmp_path, monkeypatch):
    disk_full(monkeypatch, after=1)
    with pytest.raises(ExportError, match="No space left on device"):
        export(models["vae"], tmp_path / "new" / "folder" / "b", data=digits)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_bundle(models, digits, tmp_path, monkeypatch):
    out = export(models["vae"], tmp_path / "b", data=digits)
    disk_full(monkeypatch, after=1)
    with pytest.raises(ExportError, match="cannot write the bundle"):
        export(models["vae"], out, data=digits, force=True)
    assert all(c.ok for checks in open_bundle(out).check().values() for c in checks.values())
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_place_that_cannot_be_written(models, digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write the bundle .*file/b: "):
        export(models["autoencoder"], tmp_path / "file" / "b", data=digits)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "phon"}, "unknown target 'phon'; did you mean 'phone'"),
        ({"precision": "int4"}, "unknown precision 'int4'; did you mean 'int8'"),
        ({"target": "cuda", "precision": "int8"}, "'cuda' takes fp32, fp16, integer, not 'int8'"),
        ({"converter": "tf2onx"}, "did you mean 'tf2onnx'"),
        ({"data": "digit"}, "did you mean 'digits'"),
        ({"data": np.zeros((9, 8, 8, 3), np.uint8)}, "8 x 8 x 1, received 8 x 8 x 3.*--data"),
        ({"data": np.full((9, 8, 8, 1), np.nan, np.float32)}, "NaN or infinity"),
        ({"data": np.full((9, 8, 8, 1), 200.0)}, r"lie in \[0, 1\], received 200 to 200"),
        ({"data": np.zeros((0, 8, 8, 1), np.uint8)}, "images are none"),
        ({"size": 16}, "takes one size only"),
    ],
)
def test_refusals_name_what_mends_them(models, tmp_path, options, words):
    with pytest.raises(ExportError, match=words):
        export(models["autoencoder"], tmp_path / "b", **{"data": "digits", **options})
    assert not list(tmp_path.iterdir())


def test_bytes_without_an_image(tmp_path):
    x = keras.Input((4,), name="x")
    with pytest.raises(ExportError, match="no image to carry as bytes"):
        export(keras.Model(x, L.Dense(2)(x)), tmp_path / "b", uint8=True)


def test_examples_outside_the_declared_range(models, digits, tmp_path, monkeypatch):
    model = models["autoencoder"]
    monkeypatch.setattr(type(model), "ranges", {"image": (0.0, 0.5), "code": None})
    words = r"examples of 'image' reach from 0 to 1, outside of its range 0 to 0.5. Mend the model"
    with pytest.raises(ExportError, match=words):
        export(model, tmp_path / "b", data=digits)


def test_masks_are_asked_for(models, digits, tmp_path):
    with pytest.raises(ExportError, match=r"cannot be judged on this data.*masks"):
        export(models["segmenter"], tmp_path / "b", data=digits)


def test_a_subclassed_model_says_what_it_lacks(tmp_path):
    class Custom(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ExportError, match=r"subclassed model without graphs\(\)"):
        export(Custom(), tmp_path / "b")
    with pytest.raises(ExportError, match="there is no .*runs/none"):
        export(tmp_path / "runs/none", tmp_path / "b")
    with pytest.raises(ExportError, match=r"no run.json; train one"):
        export(tmp_path, tmp_path / "b")


def test_a_forbidden_op(tmp_path, monkeypatch):
    x = keras.Input((4,), name="x")
    strict = TARGETS["cpu"].__class__("cpu", "", forbidden=frozenset({"Sigmoid"}))
    monkeypatch.setitem(TARGETS, "cpu", strict)
    with pytest.raises(ExportError, match=r"'Sigmoid' \(node .*must not go to target 'cpu'"):
        export(keras.Model(x, L.Dense(2, "sigmoid")(x)), tmp_path / "b")


def test_importing_is_cheap():
    code = (
        "import sys, dimaging_export, dimaging_export.bundle.targets;"
        "heavy = ('tensorflow', 'keras', 'onnx', 'onnxruntime', 'numpy');"
        "print([m for m in heavy if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert found.stdout.strip() == "[]"
