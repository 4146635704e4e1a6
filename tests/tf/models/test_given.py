"""Data as people hand it to Keras, of other types or with holes: it counts, or is refused in words."""

from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.fitting import compiled, pairs
from table import TABLE

from dimaging_tf.training.callbacks import optimizers
from dimaging_tf.training.segmentation import SegmentationLoss
from dimaging_tf.training.steps import step_uniform

ROWS = {row.id: row for row in TABLE}
OWN_STEP = ("vae", "dcgan", "pixelcnn", "compressive_autoencoder")
"""Models whose own step computes with the images themselves."""


@cache
def model_of(name: str):
    """A compiled model, which the tests share, and the data it learns from."""
    model = compiled(ROWS[name], eager=True)
    return model, tuple(np.asarray(one) for one in pairs(ROWS[name], model))


def fitted(model, *data, **more):
    return model.fit(*data, batch_size=None if more else 6, verbose=0, **more).history


@pytest.mark.parametrize("dtype", ["uint8", "bool", "float64"])
@pytest.mark.parametrize("name", OWN_STEP)
def test_batches_of_other_types(name, dtype):
    """Keras makes float32 of arrays of float64, and of nothing else."""
    model, (x, *_) = model_of(name)
    batches = tf.data.Dataset.from_tensor_slices((x > 0.5).astype(dtype)).batch(6).take(1)
    logs = model.fit(batches, verbose=0, shuffle=False).history
    assert np.isfinite([values[0] for values in logs.values()]).all()


def generator(*data):
    yield data
    yield data


@pytest.mark.parametrize("name", ["vae", "denoiser"])
def test_a_generator_is_looked_at_and_loses_no_batch(name):
    model, (x, *y) = model_of(name)
    before = int(model.optimizer.iterations)
    fitted(model, generator(x, *y), steps_per_epoch=2, shuffle=False)
    assert int(model.optimizer.iterations) == before + 2
    with pytest.raises(ValueError, match=f"{name} learns from images in .* from .*x / 255"):
        fitted(model, generator(x * 255, *y), steps_per_epoch=2)


def with_nan(x):
    x = x.copy()
    x[3, 0, 0] = np.nan
    return x


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            with_nan,
            "received NaN or infinity in 1 of 12, the first of them number 3. Leave them out",
        ),
        (
            lambda x: x[..., 0],
            r"\[N, 8, 8, 1\]; received \[12, 8, 8\]. They have no axis of channels: x\[",
        ),
        (lambda x: x[0], r"received \[8, 8, 1\]. It is one example alone: x\[None\]"),
        (lambda x: x[:0], "the data holds no example; expected"),
        (
            lambda x: tf.data.Dataset.from_tensor_slices(x[:0]).batch(2),
            "holds no example; expected",
        ),
    ],
)
def test_data_that_is_none(changed, words):
    model, (x,) = model_of("vae")
    with pytest.raises(ValueError, match=words):
        fitted(model, changed(x))


@pytest.mark.parametrize("name", ["vae", "segmenter", "denoiser"])
def test_predict_of_images_of_a_camera(name):
    model, (x, *_) = model_of(name)
    with pytest.raises(ValueError, match="learns from images in .* x / 255"):
        model.predict(np.rint(x * 255), verbose=0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vae", r"class_weight needs one class for each example, fit\(x, y\); received no y"),
        ("segmenter", r"received y of shape \[12, 8, 8\]. For masks take class_weights="),
    ],
)
def test_class_weights_that_would_weigh_nothing(name, words):
    model, data = model_of(name)
    with pytest.raises(ValueError, match=words):
        fitted(model, *data, class_weight={0: 1.0, 1: 2.0})


@pytest.mark.parametrize(
    ("name", "said"),
    [("segmenter", "x, y"), ("denoiser", "images, images"), ("classifier", "x, y")],
)
def test_pairs_without_their_second_half(name, said):
    model, (x, _) = model_of(name)
    with pytest.raises(ValueError, match=rf"learns from pairs, fit\({said}\); received x alone"):
        fitted(model, x)


def test_labels_beyond_the_classes():
    """TensorFlow's one-hot code of such a label is all zeros: a class that is none."""
    words = "has 3 classes, 0 to 2; received labels from 1 to 3. Number them 0, 1, 2"
    for name, config in (("dcgan", {"classes": 3}), ("label", {}), ("classifier", {})):
        row = ROWS[name]
        model = row.model(row.model.config_class(**{**row.settings, **config}))
        model.compile("adam", **model.objective())
        x = row.examples()[0]
        with pytest.raises(ValueError, match=words):
            fitted(model, x, np.arange(12) % 3 + 1)


def test_masks_of_white_pixels_and_of_a_channel():
    """Of Dice's loss; Keras' cross-entropy says so itself, and takes the channel."""
    row = ROWS["segmenter"]
    model = row.model(row.model.config_class(**{**row.settings, "loss": "dice"}))
    model.compile("adam", **model.objective())
    x, mask = row.examples()
    assert mask is not None
    with pytest.raises(
        ValueError, match="unet has 2 classes, 0 to 1; received labels from 0 to 255"
    ):
        fitted(model, x, mask * 255)
    logits = np.random.default_rng(0).normal(size=(*mask.shape, 2)).astype(np.float32)
    loss = SegmentationLoss("both")
    np.testing.assert_array_equal(loss(mask[..., None], logits), loss(mask, logits))


@pytest.mark.parametrize("name", [*OWN_STEP, "classifier", "adversarial_training"])
def test_gradients_of_several_steps_are_summed_up(name):
    """Every one of them draws noise of its own."""
    row = ROWS[name]
    model = row.make()
    adam = keras.optimizers.Adam(1e-3, gradient_accumulation_steps=2)
    model.compile(optimizer=adam, run_eagerly=True, **model.objective())
    data = pairs(row, model)
    before = [w.numpy() for w in model.trainable_variables]
    model.train_on_batch(*data)
    for old, new in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    model.train_on_batch(*data)
    after = [w.numpy() for w in model.trainable_variables]
    assert any((old != new).any() for old, new in zip(before, after, strict=True))


def test_the_discriminators_rate_follows_the_generators(tmp_path):
    row = ROWS["gan"]
    model = row.model(row.model.config_class(**{**row.settings, "d_rate": 0.5}))
    model.compile(keras.optimizers.Adam(4e-3), run_eagerly=True)
    x = row.examples()[0]
    model.save(tmp_path / "gan.keras")
    for one in (model, keras.saving.load_model(tmp_path / "gan.keras")):
        halved = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        fitted(one, x, callbacks=[halved], epochs=2)
        d_rate, g_rate = (float(each.learning_rate) for each in optimizers(one))
        assert (d_rate, g_rate) == pytest.approx((5e-4, 1e-3))


def test_the_rates_of_two_optimizers_are_their_own():
    model = ROWS["gan"].make()
    model.compile(d_optimizer=keras.optimizers.Adam(1e-3), g_optimizer=keras.optimizers.Adam(2e-3))
    model.optimizer.learning_rate = 1e-2
    model.train_on_batch(ROWS["gan"].examples()[0])
    assert float(model.d_optimizer.learning_rate) == pytest.approx(1e-3)


def test_grey_values_come_to_the_alphabet_of_a_density():
    """`fit(images)` and `evaluate` learn and judge what `dimaging train` does: black and white pixels."""
    model, _ = model_of("pixelcnn")
    grey = ROWS["pixelcnn"].examples()[0]
    noise = step_uniform(tf.shape(grey), -1, 0)
    white = (noise.numpy() < grey).astype(np.float32)
    found, expected = (model.evaluate(x, batch_size=12, verbose=0) for x in (grey, white))
    assert found == expected
    assert set(np.unique(white)) == {0, 1} != set(np.unique(grey))
