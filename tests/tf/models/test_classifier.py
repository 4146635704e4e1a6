"""The classifier: what it takes from the data, what it refuses, and that it learns digits."""

from dataclasses import replace

import numpy as np
import pytest

from dimaging_tf import data
from dimaging_tf.data.dataset import Split
from dimaging_tf.errors import DataError
from dimaging_tf.evaluation import metrics
from dimaging_tf.models.classifier import Classifier, Config
from dimaging_tf.training import runs


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_accuracy_by_hand():
    score = np.array([[0.0, 2.0], [1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    assert metrics.accuracy(score, np.array([1, 0, 1, 1])) == 75


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"classes": 10}),
        ({"classes": tuple("abcdefghij")}, {"classes": 10, "names": tuple("abcdefghij")}),
    ],
)
def test_classes_and_their_names_come_from_the_data(digits, changes, expected):
    assert Classifier.settings_for(replace(digits, **changes)) == expected


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, "digits has no labels. Put the images of each class into a folder of their own"),
        (np.zeros((4, 8, 8), np.int32), "digits has one a pixel"),
        (np.array([0, 3, 1, 2]), "reach from 0 to 3; expected 0 to 2. Number the classes 0, 1, 2"),
        (np.array([0, -1, 1, 2]), "reach from -1 to 2; expected 0 to 2"),
    ],
)
def test_labels_that_it_cannot_learn_from(digits, label, words):
    split = Split(digits.train.x[:4], label)
    with pytest.raises(DataError) as error:
        Classifier(Config((8, 8, 1), 3)).check_data(replace(digits, train=split, valid=split))
    assert words in str(error.value)


def test_no_score_without_labels(digits):
    model = Classifier(Config((8, 8, 1)))
    with pytest.raises(ValueError, match="the accuracy needs labels"):
        model.score(model.run, digits.valid.x)


def test_the_bars_are_the_probabilities():
    model = Classifier(Config((10, 4, 1), 2, channels=(), units=0))
    model.set_weights([np.zeros((40, 2), np.float32), np.log([0.7, 0.3]).astype(np.float32)])
    bars = model.picture(np.zeros((1, 10, 4, 1), np.float32), np.array([1]))[1, 0, :, :, 0]
    np.testing.assert_allclose(bars.sum(0), [7 * 0.6, 7 * 0.6, 3, 3], rtol=1e-6)
    assert bars[-1].min() > 0


def test_it_learns_digits_from_the_registry_s_settings(tmp_path):
    settings = runs.default_settings("classifier", data="digits", epochs=10)
    model = runs.train(settings, tmp_path / "run")
    digits = data.load("digits").valid
    assert model.score(model.run, digits.x / np.float32(255), digits.label) > 85
