"""The attacks of foolbox and ART, where they are installed, agree with ours on a small Keras classifier."""

# The rivals are of an extra.
# pyright: reportMissingImports=false

import keras
import numpy as np
import pytest
from dimaging_edge import attacks

from dimaging_tf.attacks.oracle import KerasOracle

THREAT = attacks.Threat("linf", 0.1)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    image = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(8, 3, 2, activation="relu")(image)
    return keras.Model(image, keras.layers.Dense(4)(keras.layers.Flatten()(x)))


@pytest.fixture(scope="module")
def images(network):
    x = np.random.default_rng(0).uniform(0.2, 0.8, (20, 6, 6, 1)).astype(np.float32)
    return x, KerasOracle(network).score(x).argmax(1)


def test_fgsm_of_foolbox(network, images):
    foolbox = pytest.importorskip("foolbox", reason="an extra: dimaging[benchmarks]")
    import eagerpy
    import tensorflow as tf

    x, y = images
    given = (eagerpy.astensor(tf.constant(a)) for a in images)
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    _, moved, _ = attack(foolbox.TensorFlowModel(network, bounds=(0, 1)), *given, epsilons=0.1)
    ours = attacks.fgsm(KerasOracle(network), x, y, THREAT)
    np.testing.assert_allclose(ours.x, moved.numpy(), atol=1e-6)


def test_pgd_of_art_is_not_stronger(network, images):
    evasion = pytest.importorskip("art.attacks.evasion", reason="an extra: dimaging[benchmarks]")
    from art.estimators.classification import TensorFlowV2Classifier

    x, y = images
    wrapped = TensorFlowV2Classifier(
        model=network, nb_classes=4, input_shape=(6, 6, 1), clip_values=(0, 1),
        loss_object=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )  # fmt: skip
    attack = evasion.ProjectedGradientDescent(
        wrapped, eps=0.1, eps_step=0.02, max_iter=20, num_random_init=1, verbose=False
    )
    oracle = KerasOracle(network)
    theirs = float((oracle.score(attack.generate(x, y)).argmax(1) != y).mean())
    assert attacks.apgd(oracle, x, y, THREAT, steps=20).rate >= theirs - 0.05
