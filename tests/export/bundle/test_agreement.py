"""A plain Keras classifier is judged by its answers, and not by the decibels of its logits."""

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_export import ParityError, export
from dimaging_export.bundle import agreement
from keras import layers

RNG = np.random.default_rng(0)
IMAGES = RNG.random((64, 8, 8, 1), np.float32)
LABELS = np.arange(64) % 3


def network(last, units=3):
    """A network of convolutions and this last layer."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
    return keras.Model(image, last(layers.Dense(units)(layers.Flatten()(x))))


def named(x):
    return {"logits": x}


@pytest.mark.parametrize(
    ("last", "data", "expected"),
    [
        (named, IMAGES, True),
        (layers.Softmax(), IMAGES, True),
        (layers.Identity(), (IMAGES, LABELS), True),
        (layers.Identity(), IMAGES, False),
        (layers.Identity(), (IMAGES, LABELS + 7), False),
    ],
    ids=["logits", "softmax", "labels", "any vector", "labels of something else"],
)
def test_which_models_are_judged_so(last, data, expected, tmp_path):
    quality = open_bundle(
        export(network(last), tmp_path / "b", data=data), threads=1
    ).manifest.quality
    assert (quality is not None) == expected
    if quality:
        assert quality["name"] == "top-1 agreement with Keras"
        assert (quality["keras"], quality["onnx"]) == (100, 100)


def test_int8_may_lose_some_answers_and_no_more(tmp_path, monkeypatch):
    model = network(named)
    out = export(model, tmp_path / "b", precision="int8", data=IMAGES)
    quality = open_bundle(out, threads=1).manifest.quality
    assert quality
    assert quality["unit"] == "%"
    assert quality["allowed"] == 10
    monkeypatch.setattr(
        agreement.Agreement, "score", lambda self, run, x, label: 100 - 11 * _noisy(self, run, x)
    )
    with pytest.raises(
        ParityError, match=r"top-1 agreement with Keras goes from 100 to 89 % in int8"
    ):
        export(model, tmp_path / "c", precision="int8", data=IMAGES)


def _noisy(judge, run, x):
    """1 for a file whose logits are not Keras' own."""
    (found,) = run("model", **{judge.input: x}).values()
    (expected,) = judge.reference({judge.input: x}).values()
    return float(not np.allclose(found, expected, atol=1e-5))


def test_agreement_by_hand():
    judge = agreement.Agreement(network(named))
    (logits,) = judge.reference({"image": IMAGES}).values()
    changed = logits.copy()
    changed[:16] = -logits[:16]
    assert judge.score(lambda graph, image: {"logits": changed}, IMAGES, None) == pytest.approx(
        75, abs=0.1
    )
