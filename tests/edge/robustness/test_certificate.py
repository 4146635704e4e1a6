"""What the device makes of a certificate: shares, the command, a gate, and refusals."""

import json

import numpy as np
import onnx
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import InputError
from dimaging_edge.robustness import certify, evaluate_bundle
from dimaging_export.certificate.build import certificate_model
from dimaging_export.gradient.build import gradient_model
from dimaging_export.precision.image_bytes import wrap
from helpers.small_classifiers import convolutional, write_bundle
from onnx import helper

IMAGES = np.random.default_rng(11).random((60, 6, 6, 1), np.float32)


def lie(model):
    """A certificate that calls everything safe."""
    node = next(n for n in model.graph.node if "worst_margin" in n.output)
    ends = [
        helper.make_node("Exp", [node.input[0]], ["e"]),
        helper.make_node("Neg", ["e"], ["worst_margin"]),
    ]
    model.graph.node.remove(node)
    model.graph.node.extend(ends)  # fmt: skip
    onnx.checker.check_model(model)
    return model


def made(folder, **graphs):
    models = {"classifier": convolutional(), "gradient": gradient_model(convolutional()), **graphs}
    return write_bundle(folder, models, (0.0, 1.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    certificate, _ = certificate_model(convolutional(), (0.0, 1.0))
    return made(tmp_path_factory.mktemp("c") / "bundle", certificate=certificate)


@pytest.fixture(scope="module")
def labels(folder):
    bundle = open_bundle(folder, threads=1)
    return bundle.run("classifier", image=IMAGES)["logits"].argmax(1)


def test_shares(folder, labels):
    bundle = open_bundle(folder, threads=1)
    shares = [certify(bundle, IMAGES, labels, eps).figure.share for eps in (0.0, 0.01, 0.02, 0.3)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert 0 < shares[2] < shares[1] < 1
    found = certify(bundle, IMAGES, (labels + 1) % 4, 0.0)
    assert found.figure.share == found.clean.share == 0
    assert (found.worst_margin > 0).all()


def test_bytes_are_bounded_as_they_are_rounded(tmp_path):
    """A file of bytes rounds, so half a grey level and a bit may move a pixel by a whole one."""
    as_bytes = wrap(convolutional(), frozenset({"image"}))
    certificate, _ = certificate_model(as_bytes, (0.0, 255.0))
    models = {"classifier": as_bytes, "certificate": certificate}
    bundle = open_bundle(write_bundle(tmp_path / "b", models, (0.0, 255.0)), threads=1)
    x = np.rint(255 * IMAGES)
    y = bundle.run("classifier", image=x.astype(np.uint8))["logits"].argmax(1)
    margins = {eps: certify(bundle, x, y, eps).worst_margin for eps in (0.4, 0.6, 1.0, 2.55, 3.0)}
    np.testing.assert_array_equal(margins[0.6], margins[1.0])
    np.testing.assert_array_equal(margins[2.55], margins[3.0])
    assert (margins[0.4] < margins[1.0]).all()
    between = certify(bundle, x.clip(1, 254) + np.float32(0.4), y, 0.2).worst_margin
    assert (between >= certify(bundle, x.clip(1, 254), y, 1.0).worst_margin - 1e-5).all()


def test_the_report_names_what_is_proven(folder, labels):
    report = evaluate_bundle(
        open_bundle(folder, threads=1), IMAGES, labels, "linf", 0.01, plan="quick"
    )
    verdicts = {gate.gate: gate.verdict for gate in report.gates}
    assert verdicts["certified images stand"] == "PASS"
    assert report.certified is not None
    assert report.robust is not None
    assert 0 < report.certified.share <= report.robust.share
    assert f"; certified {report.certified}" in report.headline
    assert json.loads(report.to_json())["certified"]["share"] == report.certified.share


def test_a_certificate_that_lies_is_found_out(tmp_path, labels):
    certificate, _ = certificate_model(convolutional(), (0.0, 1.0))
    bundle = open_bundle(made(tmp_path / "b", certificate=lie(certificate)), threads=1)
    report = evaluate_bundle(bundle, IMAGES, labels, "linf", 0.04, plan="quick")
    found = next(gate for gate in report.gates if gate.gate == "certified images stand")
    assert found.verdict == "FAIL"
    assert "of 60 certified images were changed" in found.found
    assert report.robust is None
    assert "certified 100" not in report.headline


def test_the_command(folder, labels, tmp_path, capsys):
    np.savez(tmp_path / "d.npz", x=IMAGES, y=labels)
    words = [
        "certify",
        folder,
        tmp_path / "d.npz",
        "--eps",
        "0.01,2/255",
        "--json",
        tmp_path / "r.json",
    ]
    assert main([str(w) for w in [*words, "--threads", "1"]]) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "0.01  65.0 % (52.4 to 75.8)" in said
    assert "60 images, right as they are: 100.0 %" in said
    found = json.loads((tmp_path / "r.json").read_text())["worst_margin"]
    assert list(found) == ["0.01", "2/255"]
    expected = certify(open_bundle(folder, threads=1), IMAGES, labels, 0.01).worst_margin
    np.testing.assert_allclose(found["0.01"], expected, rtol=1e-6)


def test_refusals(folder, tmp_path, labels, capsys):
    bare = made(tmp_path / "bare")
    with pytest.raises(InputError, match=r"it holds classifier, gradient. Make one: dimaging exp"):
        certify(open_bundle(bare), IMAGES, labels, 0.1)
    bundle = open_bundle(folder, threads=1)
    bad = IMAGES.copy()
    bad[0] = np.nan
    for x, y, eps, words in (
        (IMAGES, labels, 8, "for grey levels of 8 bits write eps=8/255"),
        (IMAGES, labels, -0.1, "eps: expected a number of 0 or more"),
        (bad, labels, 0.1, "expected finite values"),
        (IMAGES * 2, labels, 0.1, "expected values in the bounds 0 to 1"),
        (IMAGES, labels + 4, 0.1, "labels: expected 0 to 3"),
    ):
        with pytest.raises(InputError, match=words):
            certify(bundle, x, y, eps)
