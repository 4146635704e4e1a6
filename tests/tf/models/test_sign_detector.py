"""The detector of signs: what its cells have to say, its losses, what it refuses, and its gradient as a file."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from dimaging_edge import attacks, open_bundle
from dimaging_export import export

from dimaging_tf import data
from dimaging_tf.attacks.oracle import KerasOracle
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError
from dimaging_tf.models.sign_detector import Config, SignDetector, cell_targets

RNG = np.random.default_rng(0)


def masked(*boxes, size=32):
    """A mask with a class in each box (class, top, left, bottom, right)."""
    mask = np.zeros((1, size, size), np.int32)
    for label, top, left, bottom, right in boxes:
        mask[0, top:bottom, left:right] = label
    return mask


def test_cells_in_the_middle_see_a_sign_and_those_on_its_border_are_free():
    label, counts, edges = (
        np.asarray(a)[0] for a in cell_targets(masked((2, 0, 0, 32, 24)), 3, 0.5)
    )
    # Rows 8 to 24 and columns 6 to 18 are the middle half; cells are at 4, 12, 20, 28.
    expected = np.zeros((4, 4), int)
    expected[1:3, 1] = 2
    np.testing.assert_array_equal(label, expected)
    free = np.zeros((4, 4))
    free[:, :3] = 1
    free[1:3, 1] = 0
    np.testing.assert_array_equal(counts, 1 - free)
    np.testing.assert_array_equal(edges[1, 1], [12, 12, 20, 12])  # top, left, bottom, right


def test_a_small_sign_has_a_cell():
    for top in range(0, 24, 3):
        label, _, _ = cell_targets(masked((1, top, 9, top + 8, 17)), 2, 0.5)
        assert 1 <= (np.asarray(label) == 1).sum() <= 4


def test_an_empty_scene_has_no_sign():
    label, counts, _ = cell_targets(masked(), 4, 0.5)
    assert not np.asarray(label).any()
    assert np.asarray(counts).all()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return SignDetector(Config((32, 32, 3), classes=4, channels=(4, 8, 8), depth=1))


def test_logits_are_the_largest_scores_and_nothing_is_0(model):
    image = RNG.random((3, 32, 32, 3), np.float32)
    found = model.run("detector", image=image)
    assert found["scores"].shape == (3, 4, 4, 3)
    assert found["boxes"].shape == (3, 4, 4, 4)
    assert found["boxes"].min() >= 0
    np.testing.assert_array_equal(found["logits"][:, 0], 0)
    np.testing.assert_array_equal(found["logits"][:, 1:], found["scores"].max((1, 2)))


def test_losses_by_hand(model):
    mask = masked((2, 0, 0, 32, 24), (1, 4, 26, 10, 32))
    found = {
        n: np.asarray(v) for n, v in model.call(RNG.random((1, 32, 32, 3), np.float32)).items()
    }
    losses = {name: float(value) for name, value in model.losses(found, mask).items()}
    label, counts, edges = (np.asarray(a)[0] for a in cell_targets(mask, 4, 0.5))
    odds = np.concatenate([np.zeros((4, 4, 1)), found["scores"][0]], -1).astype(np.float64)
    odds -= np.log(np.exp(odds).sum(-1, keepdims=True))
    focal = boxes = 0.0
    for i in np.ndindex(4, 4):
        right = odds[i][label[i]]
        focal -= counts[i] * right * (1 - np.exp(right)) ** 2
        if label[i]:
            a, b = found["boxes"][0][i].astype(np.float64), np.maximum(edges[i], 0.5)
            areas = [(x[0] + x[2]) * (x[1] + x[3]) for x in (a, b, np.minimum(a, b))]
            boxes -= np.log(areas[2] / (areas[0] + areas[1] - areas[2]))
    signs = np.count_nonzero(label)
    assert losses["class_loss"] == pytest.approx(focal / signs, rel=1e-4)
    assert losses["box_loss"] == pytest.approx(boxes / signs, rel=1e-4)
    assert losses["loss"] == pytest.approx((focal + boxes) / signs, rel=1e-4)


def test_its_bundle_is_attacked_as_a_classifier_is(model, tmp_path):
    image = RNG.random((6, 32, 32, 3), np.float32)
    path = export(model, tmp_path / "b", gradient=True, data=(image, np.repeat(masked(), 6, 0)))
    oracle, own = attacks.of_bundle(open_bundle(path, threads=1)), KerasOracle(model.network)
    y = np.array([0, 1, 2, 3, 0, 1])
    for ours, theirs in zip(oracle(image, y), own(image, y), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 + 1e-3 * np.abs(theirs).max())
    np.testing.assert_allclose(oracle.score(image), own.score(image), atol=1e-4)
    seen = oracle.score(image).argmax(1)
    result = attacks.pgd(oracle, image, seen, attacks.Threat("linf", 0.5), steps=10)
    assert (result.success == (oracle.score(result.x).argmax(1) != seen)).all()


def test_settings_come_from_the_data():
    scene = RNG.integers(0, 255, (2, 16, 16, 3), np.uint8)
    split = Split(scene, masked((2, 0, 0, 8, 8), size=16).repeat(2, 0))
    scenes = Dataset("s", split, split, "", "", "", classes=("nothing", "stop", "yield"))
    assert SignDetector.settings_for(scenes) == {"classes": 3, "names": scenes.classes}
    assert SignDetector.settings_for(replace(scenes, classes=())) == {"classes": 3}
    of_images = Split(scene, np.array([0, 5], np.int32))
    assert SignDetector.settings_for(Dataset("s", of_images, of_images, "", "", "")) == {}
    SignDetector(Config((16, 16, 3), classes=3)).check_data(scenes)
    words = "it learns from one label a pixel; digits has one an example. Put NAME_mask.png"
    with pytest.raises(DataError, match=words):
        SignDetector(Config((16, 16, 3))).check_data(data.load("digits"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"classes": 1}, "classes are nothing and at least one sign. Received: 1"),
        ({"middle": 0}, "middle is a share above 0, up to 1. Received: 0"),
        ({"shape": (20, 16, 3)}, "height and width divisible by 8. Received: 20x16"),
    ],
)
def test_wrong_settings(given, words):
    with pytest.raises(ValueError, match=words):
        Config(**given)
