"""What an earlier version wrote still loads and gives the same numbers: file formats are promises.

`tests/golden/older` was written by the version before the modules went to their folders and classes got
other names (commit 7b3d6cc): models trained for an epoch with their optimizers, bundles of two of them, a
packed stream, the registered names of all classes, and in `numbers.npz` what all of them answered.
"""

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import dimaging_export
import helpers.devices  # noqa: F401  before the first tensor
import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.generate.density import sample
from dimaging_edge.lossless import pack, unpack
from dimaging_edge.lossless.bundle_predictor import BundlePredictor
from sklearn.datasets import load_digits

import dimaging_tf
from dimaging_tf.registry import REGISTRY

OLDER = Path(__file__).parents[1] / "golden" / "older"


@pytest.fixture(scope="module")
def numbers() -> dict[str, np.ndarray]:
    with np.load(OLDER / "numbers.npz") as found:
        return dict(found)


def load(name: str) -> Any:
    """The model of that file, as `dimaging` loads it: its class is imported, nothing is handed over."""
    REGISTRY[name.split("_")[0]].model_class()
    return keras.saving.load_model(OLDER / f"{name}.keras")


@pytest.mark.parametrize(
    ("name", "graph", "source", "answers"),
    [
        ("vae", "encoder", {"image": "image"}, {"mean": "mean"}),
        ("vae", "decoder", {"z": "z"}, {"image": "decoded"}),
        ("pixelcnn", "density", {"image": "image"}, {"log_likelihood": "log_likelihood"}),
        ("gan", "generator", {"z": "z"}, {"image": "image"}),
    ],
)
def test_a_keras_file_gives_the_same_numbers(numbers, name, graph, source, answers):
    inputs = {tensor: numbers[f"{name}/{key}"] for tensor, key in source.items()}
    found = load(name).run(graph, **inputs)
    for tensor, key in answers.items():
        np.testing.assert_allclose(found[tensor], numbers[f"{name}/{key}"], rtol=0, atol=1e-6)


def test_what_is_drawn_from_a_seed_is_the_same(numbers):
    np.testing.assert_allclose(load("gan").sample(2, seed=3), numbers["gan/sample"], atol=1e-6)


def test_a_file_of_layers_alone_gives_the_same_numbers(numbers):
    """A functional network names each of its layers by its registered name."""
    found = load("fvbn_network")(numbers["fvbn_network/image"])["parameters"]
    np.testing.assert_allclose(found, numbers["fvbn_network/parameters"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["vae", "pixelcnn", "gan"])
def test_training_goes_on_from_a_keras_file(name):
    model = load(name)
    optimizer = getattr(model, "optimizer", None) or model.g_optimizer
    before = int(optimizer.iterations)
    image = (load_digits().images[:64, ..., None] / 16).astype(np.float32)
    pairs = model.transform(image, None, np.array([1, 2], np.int32))
    model.fit(*(pairs if isinstance(pairs, tuple) else (pairs,)), batch_size=32, verbose=0)
    assert before == 8
    assert int(optimizer.iterations) == 10


def test_registered_names_are_still_registered():
    for root in (dimaging_tf, dimaging_export):
        for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    names = json.loads((OLDER / "registered.json").read_text())
    lost = [name for name in names if keras.saving.get_registered_object(name) is None]
    assert not lost, (
        f"files of earlier versions name {lost}; register the class by its old name too"
    )


@pytest.mark.parametrize("name", ["vae-fp32", "pixelcnn-integer"])
def test_a_bundle_opens_and_proves_itself(name):
    bundle = open_bundle(OLDER / name)
    assert all(check.ok for checks in bundle.check().values() for check in checks.values())


def test_a_bundle_gives_the_same_numbers(numbers):
    found = open_bundle(OLDER / "vae-fp32").run("decoder", z=numbers["vae/z"])
    np.testing.assert_allclose(found["image"], numbers["vae-fp32/image"], rtol=0, atol=1e-6)


def test_an_integer_bundle_gives_the_same_bits(numbers):
    bundle = open_bundle(OLDER / "pixelcnn-integer")
    predictor, symbols = BundlePredictor(bundle), numbers["pixelcnn-integer/symbols"]
    weights = predictor.parallel(symbols)
    np.testing.assert_array_equal(weights, numbers["pixelcnn-integer/weights"])
    np.testing.assert_array_equal(sample(bundle, 2, seed=5), numbers["pixelcnn-integer/sample"])
    stream, model_id = (OLDER / "digits.dpix").read_bytes(), bundle.manifest.model_id
    np.testing.assert_array_equal(unpack(predictor, stream, model_id), symbols)
    assert pack(predictor, symbols, model_id) == stream
