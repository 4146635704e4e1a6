"""The certificate in a bundle: exported and proven, in float32 and in whole numbers, refused elsewhere."""

import dimaging_export.certificate.bundled as bundled
import keras
import numpy as np
import pytest
from dimaging_edge import attacks, open_bundle
from dimaging_edge.robustness import certify
from dimaging_export import ExportError, ParityError, export
from dimaging_export.certificate.build import certificate_model

from dimaging_tf import data
from dimaging_tf.defenses.interval_training import Config, IntervalTraining
from dimaging_tf.models.autoencoder import Autoencoder
from dimaging_tf.models.autoencoder import Config as AutoencoderConfig
from dimaging_tf.models.classifier import Classifier
from dimaging_tf.models.denoiser import Config as DenoiserConfig
from dimaging_tf.models.denoiser import Denoiser

SMALL = {"shape": (8, 8, 1), "channels": (8,), "kernel": 3, "units": 16}


@pytest.fixture(scope="module")
def digits():
    found = data.load("digits")
    assert found.valid.label is not None
    return found


@pytest.fixture(scope="module")
def model(digits):
    """Trained for some seconds: of a random one nothing is certified."""
    keras.utils.set_random_seed(0)
    model = IntervalTraining(Config(**SMALL, eps=0.1, start=50, ramp=100))
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(
        digits.train.x / np.float32(255), digits.train.label, batch_size=50, epochs=8, verbose=0
    )
    return model


@pytest.mark.parametrize("precision", ["fp32", "integer"])
def test_no_certified_image_falls(model, digits, tmp_path, precision):
    floats = export(model, tmp_path / "f", data=digits, gradient=True)
    path = export(model, tmp_path / "b", precision=precision, data=digits, certificate=True)
    bundle = open_bundle(path, threads=1)
    assert bundle.graphs == ("classifier", "certificate")
    assert all(one.ok for one in bundle.check()["certificate"].values())
    x, y = digits.valid.x / np.float32(255), digits.valid.label.astype(np.int64)
    found = certify(bundle, x, y, 0.1)
    assert 0.3 < found.figure.share < found.clean.share
    deployed = attacks.of_bundle(bundle)
    oracle = attacks.Transfer(attacks.of_bundle(open_bundle(floats, threads=1)), deployed)
    threat = attacks.Threat("linf", 0.1)
    fooled = attacks.pgd(oracle, x, y, threat, steps=20).success
    fooled |= attacks.square(deployed, x, y, threat, queries=200).success
    assert fooled.any()
    assert not (fooled & found.certified).any()


def test_whole_numbers_give_the_same_bits_and_nearly_the_same_figure(model, digits, tmp_path):
    paths = [
        export(model, tmp_path / p, precision=p, data=digits, certificate=True)
        for p in ("fp32", "integer")
    ]
    x, y = digits.valid.x / np.float32(255), digits.valid.label.astype(np.int64)
    floats, whole = (certify(open_bundle(path, threads=1), x, y, 0.05) for path in paths)
    assert abs(floats.figure.share - whole.figure.share) < 0.02
    alone = certify(open_bundle(paths[1], threads=2), x[:1], y[:1], 0.05)
    assert alone.worst_margin[0] == whole.worst_margin[0]
    parity = open_bundle(paths[1]).graph("classifier").parity
    assert parity["logits"]["max_abs"] == 0


def test_bytes_have_eps_in_grey_levels(model, digits, tmp_path):
    path = export(model, tmp_path / "b", data=digits, certificate=True, uint8=True)
    bundle = open_bundle(path, threads=1)
    x, y = digits.valid.x.astype(np.float32), digits.valid.label.astype(np.int64)
    found = certify(bundle, x, y, 0.1 * 255)
    assert 0.3 < found.figure.share < found.clean.share
    with pytest.raises(Exception, match="eps is in the unit of the range"):
        certify(bundle, x, y, 256)


def lying(model, limits, logits=None):
    made, exact = certificate_model(model, limits, logits)
    node = next(n for n in made.graph.node if "worst_margin" in n.output)
    node.op_type = "Relu"
    return made, exact


def small(model, limits, logits=None):
    made, exact = certificate_model(model, limits, logits)
    made.graph.initializer.add().CopyFrom(
        bundled_constant("half", np.float32(-100)),
    )
    node = next(n for n in made.graph.node if "worst_margin" in n.output)
    node.op_type = "Add"
    node.input.append("half")
    return made, exact


def bundled_constant(name, value):
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(value), name)


@pytest.mark.parametrize(
    ("wrong", "words"), [(lying, "above interval bounds"), (small, "above interval bounds")]
)
def test_a_wrong_certificate_is_not_written(model, digits, tmp_path, monkeypatch, wrong, words):
    monkeypatch.setattr(bundled, "certificate_model", wrong)
    with pytest.raises(ParityError, match=words):
        export(model, tmp_path / "b", data=digits, certificate=True)
    assert not (tmp_path / "b").exists()


def test_a_bound_below_an_image_inside_eps_is_found_without_keras(
    model, digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(bundled, "certificate_model", small)
    monkeypatch.setattr(bundled, "keras_bound", lambda graph: None)
    with pytest.raises(ParityError, match="an image within eps=0.0137 has a margin"):
        export(model, tmp_path / "b", data=digits, certificate=True)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_precisions_without(model, digits, tmp_path, precision):
    words = f"nobody knows how a device rounds {precision}"
    with pytest.raises(ExportError, match=words):
        export(model, tmp_path / "b", precision=precision, data=digits, certificate=True)


def test_refusals(model, digits, tmp_path):
    words = r"for a classifier, whose one graph gives logits \[N, classes\]; "
    with pytest.raises(ExportError, match=words + "autoencoder has encoder, decoder"):
        export(
            Autoencoder(AutoencoderConfig((8, 8, 1))), tmp_path / "a", data=digits, certificate=True
        )
    with pytest.raises(ExportError, match=words + "denoiser has denoiser"):
        export(Denoiser(DenoiserConfig((8, 8, 1))), tmp_path / "d", data=digits, gradient=True)
    with pytest.raises(ExportError, match="takes pixels as they are, and their products are no"):
        export(
            Classifier(Config(**SMALL, thresholds=())), tmp_path / "c", precision="integer", data=digits
        )  # fmt: skip
    plain = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    with pytest.raises(ExportError, match="declares no range for"):
        export(plain, tmp_path / "p", certificate=True)
    with pytest.raises(ExportError, match="precision 'integer' is for explicit densities, and for"):
        export(plain, tmp_path / "p", precision="integer")


def test_a_plain_keras_classifier_has_a_certificate_too(tmp_path):
    keras.utils.set_random_seed(0)
    plain = keras.Sequential(
        [keras.Input((4, 4, 1), name="photo"), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    path = export(plain, tmp_path / "p", certificate=True, ranges={"photo": (0, 1)})
    x = np.random.default_rng(0).random((9, 4, 4, 1), np.float32)
    bundle = open_bundle(path, threads=1)
    y = attacks.of_bundle(bundle).score(x).argmax(1)
    worst = certify(bundle, x, y, 0.02).worst_margin
    w, b = (np.asarray(v, np.float64) for v in plain.get_weights())
    apart, shift = w.T[None] - w.T[y][:, None], b[None] - b[y][:, None]
    # Of a linear classifier the bound is exact where no pixel meets an end of the range.
    true = np.einsum("nci,ni->nc", apart, np.clip(x, 0.02, 0.98).reshape(9, -1))
    true += 0.02 * np.abs(apart).sum(-1) + shift
    true[np.arange(9), y] = -np.inf
    assert (worst <= true.max(1) + 0.05).all()
    assert worst.shape == (9,)
