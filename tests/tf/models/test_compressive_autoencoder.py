"""The plain codec: bits are probabilities, counts are what an entropy coder takes, and it learns."""

import keras
import numpy as np
import pytest

from dimaging_tf.compression.base import SYMBOL
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError
from dimaging_tf.models.compressive_autoencoder import SLOTS, CompressiveAutoencoder, Config


def small(channels: int = 1) -> CompressiveAutoencoder:
    keras.utils.set_random_seed(0)
    model = CompressiveAutoencoder(Config((None, None, channels), (8, 8), 4))
    model.log2_scale.assign([-0.4, 0.0, 0.2, 0.5])  # octaves / pace
    model.middle.assign([0.0, 0.3, -0.5, 0.1])  # steps / pace
    return model


def test_bits_are_those_of_probabilities():
    """Over all symbols they add up to 1."""
    symbols = np.arange(-2000, 2001, dtype=np.float32)[:, None]
    total = np.sum(2.0 ** -np.asarray(small().bits(symbols), np.float64), 0)
    np.testing.assert_allclose(total, 1, atol=1e-3)


def test_counts_cost_what_the_model_says():
    model = small()
    counts = np.frombuffer(model.files()["counts.bin"], "<u2").reshape(4, 2 * SYMBOL + 2)
    assert (counts.sum(1) == SLOTS).all()
    assert (counts[:, -1] == 1).all()
    symbols = np.arange(-SYMBOL, SYMBOL + 1, dtype=np.float32)[:, None]
    ideal = np.asarray(model.bits(symbols), np.float64).T
    p = 2.0**-ideal
    coded = -np.log2(np.maximum(counts[:, :-1], 1) / SLOTS)
    assert (np.sum(p * (coded - ideal), 1) < 0.02).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_it_learns_to_give_a_better_picture_for_its_bits(channels):
    y, x = np.mgrid[:32, :32] / 32
    waves = [0.5 + 0.4 * np.sin(k * x + (9 - k) * y) for k in range(1, 9)]
    image = np.stack(waves)[..., None].repeat(channels, -1).astype(np.float32)
    model = small(channels)
    model.compile(keras.optimizers.Adam(3e-3))
    before = model.evaluate(image, verbose=0, return_dict=True)
    model.fit(image, epochs=60, batch_size=8, verbose=0)
    after = model.evaluate(image, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"] / 3
    assert after["psnr"] > before["psnr"] + 5
    score = model.score(model.run, image)
    assert score == pytest.approx(after["loss"], rel=1e-3)


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="tradeoff must be above 0. Received: 0"):
        Config(tradeoff=0.0)
    odd = Split(np.zeros((2, 20, 24, 1), np.uint8))
    dataset = Dataset("odd", odd, odd, licence="", source="", summary="")
    with pytest.raises(DataError, match="multiples of 8 pixels; received 20 x 24. Say --size 64"):
        small().check_data(dataset)
