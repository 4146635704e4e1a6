"""SafetyNet: the network is the support vector machine, it catches what does not know it, and it ends broken."""

import keras
import numpy as np
import pytest
from dimaging_edge import attacks, open_bundle
from dimaging_edge.common.errors import InputError
from dimaging_export import export
from sklearn.svm import SVC

from dimaging_tf import data
from dimaging_tf.attacks.oracle import KerasOracle
from dimaging_tf.defenses.safetynet import Config, SafetyNet, fit_safetynet
from dimaging_tf.layers.rejection import Rejection
from dimaging_tf.models.classifier import Classifier
from dimaging_tf.models.classifier import Config as ClassifierConfig


def test_the_layer_is_the_machine_of_scikit_learn():
    rng = np.random.default_rng(0)
    h = rng.gamma(1, 1, (200, 6)).astype(np.float32) * (rng.random((200, 6)) < 0.6)
    code = np.ceil(np.clip(h, 0, 4) - 1e-3).clip(0, 4)
    machine = SVC(C=5, gamma=0.03).fit(code, h[:, 0] > h[:, 1])
    layer = Rejection(len(machine.support_vectors_), 0.03, 5)
    layer.build((None, 6), (None, 3))
    layer.set_weights(
        [np.float32(1), machine.support_vectors_, machine.dual_coef_.T, machine.intercept_]
    )
    z = rng.normal(size=(200, 3)).astype(np.float32)
    found = np.asarray(layer(h, z))
    np.testing.assert_array_equal(np.asarray(layer.codes(h)), code)
    np.testing.assert_array_equal(found[:, :3], z)
    expected = machine.decision_function(code)
    np.testing.assert_allclose(found[:, 3] - z.max(1), expected, atol=1e-3)
    assert ((found.argmax(1) == 3) == (expected > 0)).mean() > 0.99
    again = Rejection.from_config(layer.get_config())
    assert (again.support, again.gamma, again.levels) == (layer.support, 0.03, 5)


@pytest.fixture(scope="module")
def trained():
    """A classifier of 8 x 8 digits, clean images, and what fools it."""
    keras.utils.set_random_seed(0)
    digits = data.load("digits")
    assert digits.train.label is not None
    x, y = digits.train.x / np.float32(255), digits.train.label.astype(np.int64)
    model = Classifier(ClassifierConfig((8, 8, 1), channels=(8, 16), kernel=3, units=32))
    model.compile(keras.optimizers.Adam(3e-3), **model.objective())
    model.fit(x, y, batch_size=50, epochs=12, verbose=0)
    result = attacks.pgd(KerasOracle(model.network), x[:400], y[:400], attacks.Threat("linf", 0.3))
    return model, x, y, result.x[result.success]


def test_it_catches_and_ends_broken(trained, tmp_path):
    model, x, y, fooled = trained
    safe = fit_safetynet(model, x[400:1000], [fooled[: len(fooled) // 2]])
    z = safe.run("classifier", image=x[1000:])["logits"]
    np.testing.assert_allclose(z[:, :10], model.call(x[1000:]).numpy(), atol=1e-5)
    alarms = np.mean(z.argmax(1) == 10)
    assert alarms < 0.15
    caught = safe.run("classifier", image=fooled[len(fooled) // 2 :])["logits"].argmax(1) == 10
    assert caught.mean() > 2 * alarms
    path = export(safe, tmp_path / "b", data=(x[1000:], y[1000:]), gradient=True)
    deployed = attacks.of_bundle(open_bundle(path, threads=1))
    threat = attacks.Threat("linf", 0.3)
    images, labels = x[1000:1060], y[1000:1060]
    plain = attacks.pgd(KerasOracle(model.network), images, labels, threat).x
    answers = deployed.score(plain).argmax(1)
    blind = np.mean((answers != labels) & (answers != 10))
    knowing = attacks.evade(deployed, images, labels, threat, steps=40)
    answers = deployed.score(knowing.x).argmax(1)
    np.testing.assert_array_equal(knowing.success, (answers != labels) & (answers != 10))
    assert (knowing.norms <= 0.3).all()
    assert knowing.rate > max(0.9, blind)
    again = attacks.evade(deployed, images, labels, threat, steps=40)
    np.testing.assert_array_equal(again.x, knowing.x)


def test_saving(trained, tmp_path):
    model, x, _, fooled = trained
    safe = fit_safetynet(model, x[400:700], fooled)
    safe.save(tmp_path / "s.keras")
    again = keras.saving.load_model(tmp_path / "s.keras")
    assert isinstance(again, SafetyNet)
    np.testing.assert_array_equal(again.call(x[:9]).numpy(), safe.call(x[:9]).numpy())


def test_refusals(trained):
    model, x, y, _ = trained
    with pytest.raises(ValueError, match="give at least one set of attacked images"):
        fit_safetynet(model, x, [])
    with pytest.raises(ValueError, match="at least 3 clean images, .* Received: 2 and"):
        fit_safetynet(model, x[:2], x[:5])
    with pytest.raises(ValueError, match="Received: 9 and 5"):
        fit_safetynet(model, x[:9], x[:5], false_alarms=5)
    with pytest.raises(ValueError, match="it needs a hidden dense layer"):
        Config(units=0)
    oracle = KerasOracle(model.network)
    with pytest.raises(InputError, match="evade chooses its targets itself"):
        attacks.evade(oracle, x[:2], y[:2], attacks.Threat("linf", 0.1, target=3))
    with pytest.raises(InputError, match="the last class is the refusal"):
        attacks.evade(oracle, x[:2], np.array([1, 9]), attacks.Threat("linf", 0.1))
