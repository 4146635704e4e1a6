"""The gradient in a bundle and from anybody's file: proven, readable by the edge, refused where it is wrong."""

import dimaging_export.gradient.bundled as bundled
import keras
import numpy as np
import onnx
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.common.errors import InputError
from dimaging_export import ExportError, ParityError, export
from dimaging_export.gradient import proof
from dimaging_export.gradient.file import gradient_file
from onnx import TensorProto, helper, numpy_helper

from dimaging_tf.models.classifier import Classifier, Config


@pytest.fixture(scope="module")
def classifier():
    """A classifier of 8 x 8 digits, trained for a second: a random one has gradients near nothing."""
    from dimaging_tf import data

    keras.utils.set_random_seed(0)
    model = Classifier(Config((8, 8, 1), channels=(8, 8), units=16))
    model.compile(keras.optimizers.Adam(0.01), **model.objective())
    digits = data.load("digits").train
    assert digits.label is not None
    model.fit(digits.x[:500] / np.float32(255), digits.label[:500], epochs=5, verbose=0)
    return model


@pytest.mark.parametrize("target", ["cpu", "phone"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_bundle_with_its_gradient_checks_on_a_device(
    classifier, digits, labels, tmp_path, precision, target
):
    out = export(
        classifier,
        tmp_path / "b",
        precision=precision,
        target=target,
        data=(digits, labels),
        gradient=True,
    )
    bundle = open_bundle(out, threads=1)
    assert bundle.graphs == ("classifier", "gradient")
    assert all(one.ok for one in bundle.check()["gradient"].values())
    graph = bundle.graph("gradient")
    top = 255 if target == "phone" else 1
    assert [(t.name, t.dtype, t.range) for t in graph.inputs] == [
        ("image", "float32", (0, top)), ("label", "int64", (0, 9)),
    ]  # fmt: skip
    assert (graph.macs or 0) > (bundle.graph("classifier").macs or 1)
    count = 1 if target == "phone" else 5
    image = digits[:count]
    given = {"image": image if target == "phone" else image / np.float32(255)}
    logits = bundle.run("classifier", **given)["logits"]
    found = bundle.run(
        "gradient", image=given["image"].astype(np.float32), label=labels[:count].astype(np.int64)
    )
    np.testing.assert_allclose(found["logits"], logits, atol=1e-2 if precision == "fp16" else 1e-5)
    assert "--gradient" in (out / "CARD.md").read_text()


def test_labels_out_of_range_are_named(classifier, digits, labels, tmp_path):
    bundle = open_bundle(
        export(classifier, tmp_path / "b", data=(digits, labels), gradient=True), threads=1
    )
    image = digits[:1] / np.float32(255)
    with pytest.raises(InputError, match=r"expected values in \[0, 9\], received \[10, 10\]"):
        bundle.run("gradient", image=image, label=np.array([10]))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_wrong_gradient_is_not_written(
    classifier, digits, labels, tmp_path, precision, monkeypatch
):
    right = bundled.gradient_model

    def wrong(model):
        found = right(model)
        head = next(node for node in found.graph.node if "gradient" in node.output)
        head.op_type = "Neg"
        return found

    monkeypatch.setattr(bundled, "gradient_model", wrong)
    with pytest.raises(ParityError) as error:
        export(
            classifier, tmp_path / "b", precision=precision, data=(digits, labels), gradient=True
        )
    words = {"fp32": "decided signs of the gradient differ from Keras in float64; expected 0",
             "int8": "the gradient in int8 has a median cosine of -"}  # fmt: skip
    assert words[precision] in str(error.value)
    assert not list(tmp_path.iterdir())


def test_only_a_classifier_has_one(models, digits, tmp_path):
    with pytest.raises(
        ExportError,
        match="are for a classifier, whose one graph gives logits .*; vae has encoder, decoder",
    ):
        export(models["vae"], tmp_path / "b", data=digits, gradient=True)


def test_probabilities_are_refused():
    with pytest.raises(ExportError, match="they are probabilities, and an attack needs logits"):
        proof.check_logits(np.array([[0.2, 0.8], [1.0, 0.0]]))
    proof.check_logits(np.array([[-0.2, 1.2], [1.0, 0.0]]))


def test_a_gradient_of_anybodys_file(classifier, digits, labels, tmp_path, run):
    out = export(classifier, tmp_path / "b", data=(digits, labels))
    said = gradient_file(out / "classifier.onnx", tmp_path / "g.onnx")
    assert "of 10 classes out; its margin grows along it as it says, within" in said
    image, label = digits[:3] / np.float32(255), labels[:3].astype(np.int64)
    found = run(onnx.load(tmp_path / "g.onnx"), image=image, label=label)
    expected = proof.keras_gradient(classifier.network)(image, label)["gradient"]
    np.testing.assert_allclose(found["gradient"], expected, atol=1e-4 * np.abs(expected).max())


def file_of(tail, path):
    """image [n, 2, 2, 1] -> flattened, through the nodes of `tail`, which read "z"."""
    weights = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["z"]),
    ]
    graph = helper.make_graph(
        [*nodes, *tail], "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 2, 2, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array(1, np.float32), "one")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ([helper.make_node("Softmax", ["z"], ["p"]), helper.make_node("Mul", ["p", "one"], ["y"])],
         "they are probabilities, and an attack needs logits"),
        ([helper.make_node("Sin", ["z"], ["y"], name="wave")], "op 'Sin' (node 'wave') has no rule"),
        ([helper.make_node("Mul", ["z", "one"], ["a"]), helper.make_node("Sub", ["a", "a"], ["y"])],
         "0, NaN or infinite on seeded images"),
    ],
    ids=["probabilities", "no rule", "flat"],
)  # fmt: skip
def test_files_that_are_refused(tmp_path, tail, words):
    with pytest.raises(ExportError) as error:
        gradient_file(file_of(tail, tmp_path / "m.onnx"), tmp_path / "g.onnx")
    assert words in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_no_onnx_file(tmp_path):
    (tmp_path / "m.onnx").write_text("hello")
    (tmp_path / "empty.onnx").write_text("")
    for name in ("m.onnx", "none.onnx", "empty.onnx"):
        with pytest.raises(ExportError, match="cannot be read as an ONNX file"):
            gradient_file(tmp_path / name, tmp_path / "g.onnx")


def test_the_model_itself_is_not_overwritten(tmp_path):
    path = file_of([helper.make_node("Mul", ["z", "one"], ["y"])], tmp_path / "m.onnx")
    before = path.read_bytes()
    with pytest.raises(
        ExportError, match="is the model itself, which would be overwritten; choose another"
    ):
        gradient_file(path, tmp_path / "." / "m.onnx")
    assert path.read_bytes() == before
