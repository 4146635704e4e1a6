"""The U-Net codec learns: it goes on after saving, in every variant, and from a folder of 16 bits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.fitting import traces_of
from helpers.small_codec import SMALL, pictures, small

from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.models.unet_codec import UNetCodec
from dimaging_tf.training.runs import default_settings, train


def fit(model, first, last, *callbacks):
    """Steps `first` to `last` on the same pictures."""
    model.fit(
        tf.data.Dataset.from_tensors(pictures()).repeat(last - first), epochs=1, verbose=0,
        shuffle=False, callbacks=callbacks,
    )  # fmt: skip


def fresh(**changes) -> UNetCodec:
    keras.utils.set_random_seed(1)
    found = UNetCodec(small(**changes))
    found.compile(keras.optimizers.Adam(1e-3))
    return found


def test_training_goes_on_after_saving(tmp_path):
    """A model that is traced once takes four steps and is saved after two; what was saved takes two more."""
    whole, path = fresh(), tmp_path / "half.keras"
    traces = traces_of(whole)
    save = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: whole.save(path) if batch == 1 else None
    )
    fit(whole, 0, 4, save)
    assert len(traces) == 1
    weights = [weight.numpy() for weight in whole.weights]
    traces.clear()
    fit(whole, 4, 5)
    assert not traces
    assert int(whole.optimizer.iterations) == 5
    again = keras.saving.load_model(path)
    assert float(again.adapted) == 1
    fit(again, 2, 4)
    for a, b in zip(weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=b.path)


@pytest.mark.parametrize(
    ("channels", "changes", "size"),
    [
        (3, {"compute": "mixed_bfloat16"}, 64),
        (3, {"distortion": "ms-ssim", "tradeoff": (2.0, 200.0)}, 192),
        (1, {"bits": 16, "tradeoff": (0.05, 5.0)}, 64),
    ],
)
def test_variants_learn(channels, changes, size):
    keras.utils.set_random_seed(0)
    model = UNetCodec(small(channels, **changes))
    model.compile(keras.optimizers.Adam(2e-4))
    image = pictures(2, size, channels)
    model.adapt(image)
    model.adapted.assign(1.0)
    before = model.evaluate(image, batch_size=2, verbose=0, return_dict=True)["loss"]
    batches = tf.data.Dataset.from_tensors(image).repeat(100)
    model.fit(batches, verbose=0, shuffle=False)
    assert model.evaluate(image, batch_size=2, verbose=0, return_dict=True)["loss"] < before


def test_a_folder_of_sixteen_bits_trains(tmp_path):
    """As `dimaging train unet_codec --data folder --set bits=16` does; without that, a warning."""
    from PIL import Image

    folder = tmp_path / "fields"
    folder.mkdir()
    for number, picture in enumerate(pictures(3, 96, 1)):
        values = np.rint(65535 * picture[..., 0]).astype(np.uint16)
        Image.fromarray(values).save(folder / f"{number}.png")
    told = {"data": str(folder), "epochs": 1, "batch": 2, "data_options": {"size": 64}}
    changes = {**SMALL, "bits": 16}
    model = train(default_settings("unet_codec", changes=changes, **told), tmp_path / "run")
    assert (model.config.bits, model.config.shape[2]) == (16, 1)
    assert model.config.tradeoff == (0.002, 25.0)
    assert float(model.adapted) == 1
    split = Split(np.zeros((1, 64, 64, 1), np.uint16))
    with pytest.warns(UserWarning, match="for 16 say --set bits=16"):
        UNetCodec(small(1)).check_data(Dataset("x", split, split, "", "", ""))
