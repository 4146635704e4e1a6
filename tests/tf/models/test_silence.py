"""What would train to nonsense without a word: honoured or refused in words, by every row of the table."""

from collections.abc import Iterator
from functools import lru_cache

import keras
import numpy as np
import pytest
from helpers.fitting import compiled, pairs, rows
from table import TABLE, Row

from dimaging_tf.data.given import weighs_examples

TRAINED = [row for row in TABLE if row.trained]


@pytest.fixture
def policy() -> Iterator[str]:
    name = "mixed_bfloat16"
    keras.mixed_precision.set_global_policy(name)
    yield name
    keras.mixed_precision.set_global_policy("float32")


def _bytes(x, scale: int):
    """The images of `fit`'s x as somebody stores them: 0 .. scale."""
    if isinstance(x, dict):
        return {k: _bytes(v, scale) if k in ("image", "noisy") else v for k, v in x.items()}
    return np.rint(np.asarray(x) * scale).astype(np.float32)


def _first(data):
    """The first four examples."""
    return {k: v[:4] for k, v in data.items()} if isinstance(data, dict) else np.asarray(data)[:4]


@lru_cache(maxsize=1)
def _refusing(name: str):
    """The model of a row for tests that follow each other: it refuses what each of them gives it, and stays as it is."""
    (row,) = (row for row in TRAINED if row.id == name)
    return compiled(row, eager=True)


@pytest.mark.parametrize("scale", [255, 65535])
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch"])
@rows
def test_images_of_a_camera_are_refused_with_the_mend(row: Row, method: str, scale: int):
    if "image" not in row.model.kinds:
        return  # series and tokens have no such range
    model = _refusing(row.id)
    x, *rest = pairs(row, model)
    if method == "fit":
        rest.append({"verbose": 0})
    more = rest.pop() if rest and isinstance(rest[-1], dict) and method == "fit" else {}
    words = rf"{row.name} learns from images in \[0, 1\]; received float32 from .* to .*x / {scale}"
    with pytest.raises(ValueError, match=words):
        getattr(model, method)(_bytes(x, scale), *rest, **more)


@pytest.mark.parametrize(
    "row", [r for r in TRAINED if r.id in ("autoencoder", "denoiser")], ids=str
)
def test_target_images_of_a_camera_are_refused_too(row: Row):
    model = compiled(row, eager=True)
    x, y = pairs(row, model)
    with pytest.raises(ValueError, match=f"{row.name} learns from target images in"):
        model.fit(x, _bytes(y, 255), verbose=0)


@rows
def test_sample_weights_count_or_are_refused(row: Row):
    model = compiled(row, eager=True)
    data = pairs(row, model)
    weights = np.zeros(len(row.examples()[0]), np.float32)
    given = {"sample_weight": weights, "batch_size": 4, "verbose": 0, "shuffle": False}
    if not weighs_examples(model):
        with pytest.raises(ValueError, match=f"{row.name} does not weigh examples"):
            model.fit(*data, **given)
        return
    before = [w.numpy().copy() for w in model.trainable_variables]
    model.fit(*data, **given)
    for old, new in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    weights[:] = 1
    model.fit(*data, **given)
    after = [w.numpy().copy() for w in model.trainable_variables]
    assert any((old != new).any() for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("name", "weights"), [("vae", [1.0] * 8), ("pixelcnn", [2.0] * 4 + [0.0] * 4)]
)
def test_a_weight_scales_the_loss_of_its_example(name: str, weights: list[float]):
    """Four images that count twice, and four that do not, are eight of which each comes twice."""
    (row,) = (row for row in TRAINED if row.id == name)
    found = []
    for weight in (np.array(weights, np.float32), None):
        model = compiled(row, eager=True)
        (x,) = (np.asarray(x) for x in pairs(row, model))
        image = np.concatenate([x[:4], x[:4]])
        model.fit(image, sample_weight=weight, batch_size=8, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@rows
def test_mixed_precision_trains_or_is_refused(row: Row, policy: str):
    if not row.model.mixed_precision:
        with pytest.raises(
            ValueError, match=f"{row.name} trains in float32 alone; the policy is {policy}"
        ):
            row.make()
        return
    model = compiled(row, eager=True)
    history = model.fit(*pairs(row, model), batch_size=12, shuffle=False, verbose=0).history
    keras.mixed_precision.set_global_policy("float32")
    whole = compiled(row, eager=True)
    expected = whole.fit(*pairs(row, whole), batch_size=12, shuffle=False, verbose=0).history
    # A GAN's figures move while the step is taken; every other loss is that of the initial weights.
    assert set(history) == set(expected)
    for name, (value,) in history.items():
        if name != "accuracy":  # a class may change by rounding
            assert value == pytest.approx(expected[name][0], rel=0.1, abs=0.05)


@rows
def test_labels_beside_images_are_taken_or_left_out(row: Row):
    """`fit(x, y)` and `train_on_batch` work as Keras users expect."""
    model = compiled(row, eager=True)
    x, *rest = pairs(row, model)
    if not rest and row.name not in ("unet_codec",):
        labels = np.zeros(len(x), np.int32)
        model.fit(np.asarray(x)[:4], labels[:4], verbose=0)
    if row.name == "unet_codec":
        return  # it looks at a first batch, which only `fit` does
    logs = model.train_on_batch(*(_first(one) for one in (x, *rest)), return_dict=True)
    assert np.isfinite(list(logs.values())).all()
