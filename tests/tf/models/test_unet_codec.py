"""The U-Net codec: rate, causality, its data, and what its graphs compute."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.small_codec import pictures, small

from dimaging_tf import data
from dimaging_tf.compression.base import EIGHTHS, PARTS, RUNGS
from dimaging_tf.data.augment import augmentation
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.errors import DataError
from dimaging_tf.evaluation.metrics import psnr
from dimaging_tf.layers.codec import (
    QUALITIES,
    Stabilise,
    checkerboard,
    dct_patches,
    logistic_bits,
    table_index,
    table_scale,
    vary_exposure,
)
from dimaging_tf.models.unet_codec import GREY, UNetCodec
from dimaging_tf.training.runs import default_settings


@pytest.fixture(scope="module")
def model() -> UNetCodec:
    """Adapted, not trained."""
    keras.utils.set_random_seed(0)
    found = UNetCodec(small())
    found.adapt(pictures())
    return found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"distortion": "l1"},
            "unet_codec: distortion must be one of mse, ms-ssim. Received: 'l1'",
        ),
        ({"bits": 12}, "bits must be one of 8, 16. Received: 12"),
        ({"tradeoff": (0.1, 0.01)}, "tradeoff must be 0 < lowest < highest lambda"),
        ({"shape": (None, None, 2)}, "images have 1 or 3 channels. Received: 2"),
        ({"skip": 193}, "skip must be at most 192, the numbers in a patch. Received: 193"),
    ],
)
def test_config_refuses(changes, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        small(**changes)


@pytest.mark.parametrize("channels", [1, 3])
def test_patches_are_orthonormal(channels):
    kernel = dct_patches(8, channels).reshape(64 * channels, -1)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(64 * channels), atol=1e-12)


@pytest.mark.parametrize("scale", [0.06, 0.5, 3.0, 20.0])
def test_bits_are_those_of_the_density(scale):
    """Probabilities of all symbols add up to 1, and the first agrees with the difference of sigmoids."""
    symbols = np.arange(-500, 501, dtype=np.float32)
    bits = np.asarray(logistic_bits(symbols, np.float32(np.log2(scale))))
    assert np.sum(2.0**-bits) == pytest.approx(1, abs=1e-4)
    assert 2.0 ** -bits[500] == pytest.approx(np.tanh(0.25 / scale), rel=1e-4)


def test_bits_far_away_have_a_gradient():
    x = tf.constant([1000.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        bits = logistic_bits(x, tf.constant([-4.0]))
    assert np.isfinite(bits.numpy()).all()
    slope: Any = tape.gradient(bits, x)
    assert slope.numpy()[0] > 1


def test_table_of_a_scale():
    tables = np.arange(1, QUALITIES)
    assert np.array_equal(table_index(np.float32(np.log2(table_scale(tables)))), tables)
    assert float(table_index(np.float32(-20))) == 0
    assert float(table_index(np.float32(20))) == 63


def test_an_untrained_codec_is_like_jpeg(model):
    image = pictures()
    found = [psnr(np.asarray(model(image, tf.fill([4], q))), image) for q in (0, 32, 63)]
    assert found[0] < found[1] < found[2]
    assert found[2] > 30


def test_more_quality_costs_more_bits(model):
    figures = [model.losses_of(pictures(), tf.fill([4], q)) for q in RUNGS]
    rates = [float(np.mean(f["bpp"])) for f in figures]
    assert rates == sorted(rates)
    for f in figures:
        np.testing.assert_allclose(f["bpp"], f["skip"] + f["bottleneck"], rtol=1e-5)


def test_any_multiple_of_32(model):
    assert model(np.zeros((1, 32, 96, 3), np.float32)).shape == (1, 32, 96, 3)


def told(model, y, number):
    z = np.zeros((1, 2, 2, 4), np.float32)
    quality = np.array([32], np.float32)
    return model.run("prior", z=z, y=y, quality=quality, **{"pass": np.array([number], np.float32)})


def test_first_half_knows_nothing_of_y(model):
    y = np.random.default_rng(0).integers(-80, 80, (1, 8, 8, 24)).astype(np.float32)
    a, b = told(model, y, 0), told(model, 0 * y, 0)
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_second_half_knows_the_first_only(model):
    y = np.random.default_rng(0).integers(-80, 80, (1, 8, 8, 24)).astype(np.float32)
    even = checkerboard(y).numpy()
    a, b = told(model, y, 1), told(model, y * even, 1)
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not np.array_equal(a["mean"], told(model, 0 * y, 1)["mean"])


def test_graphs_do_what_the_model_does(model):
    """Encoder, prior and decoder in whole numbers against the float path."""
    image, quality = pictures(), np.full(4, 40, np.float32)
    code = model.run("encoder", image=image, quality=quality)
    assert np.array_equal(code["y"], np.rint(code["y"]))
    y, bits = model.coded(model.run, code, quality)
    again = model.run("decoder", z=code["z"], y=y, quality=quality)["image"]
    assert np.abs(again - model(image, tf.constant(quality))).mean() < 0.003
    expected = model.losses_of(image, tf.constant(quality))["bpp"]
    np.testing.assert_allclose(bits / 64**2, expected, rtol=0.1)
    assert np.abs(y / EIGHTHS - code["y"] / PARTS).max() < 1.5


def test_stabilise_there_and_back():
    x = np.linspace(0, 1, 101, dtype=np.float32)
    middle = Stabilise()(x)
    assert float(middle[0]) == 0
    assert float(middle[-1]) == pytest.approx(1)
    np.testing.assert_allclose(Stabilise(inverse=True)(middle), x, atol=1e-6)


def test_exposures_cut_nothing_off():
    image = tf.constant(0.1 * pictures(6, 32, 1))
    draw = tf.constant([[0.0, 0.4, 0.75, 1.0, 1.0, 0.5], [0.9, 0.9, 0.9, 0.9, 0.1, 0.1], [0.5] * 6])
    found = vary_exposure(image, draw).numpy()
    np.testing.assert_array_equal(found[:2], image[:2])
    np.testing.assert_allclose(found[2], 4 * image[2], rtol=1e-5)
    assert found[3].max() == pytest.approx(1)
    assert found.max() <= 1
    assert found[5].min() > image[5].numpy().max()  # a pedestal
    contrast = [x.max() - x.min() for x in (found[5], image[5].numpy())]
    assert contrast[0] == pytest.approx(contrast[1], rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "changes", "expected"),
    [
        ((256, 256, 3), {}, {"skip": 128, "width": 96, "tradeoff": (0.0008, 0.08)}),
        ((256, 256, 3), {"distortion": "ms-ssim"}, {"width": 96, "tradeoff": (1.5, 150.0)}),
        ((256, 256, 1), {}, {**GREY, "tradeoff": (0.0008, 0.08)}),
        ((256, 256, 1), {"bits": 16}, {**GREY, "tradeoff": (0.002, 25.0)}),
        ((256, 256, 1), {"bits": 16, "width": 32, "tradeoff": (1, 2)}, {"width": 32, "skip": 64}),
    ],
)
def test_a_run_has_the_network_that_fits_the_data(shape, changes, expected):
    config = UNetCodec.config_for(shape, changes)
    assert {k: getattr(config, k) for k in expected} == expected
    assert config.tradeoff == tuple(changes.get("tradeoff", expected.get("tradeoff")))


def test_sixteen_bits_reach_far():
    """The finest steps, of a picture that fills the range: nothing is cut."""
    keras.utils.set_random_seed(0)
    model = UNetCodec(small(1, bits=16, tradeoff=(0.002, 25.0), skip=64))
    image = pictures(2, 64, 1)
    image = (image - image.min()) / np.ptp(image)
    model.adapt(0.05 * image)
    quality = np.array([63, 63], np.float32)
    code = model.run("encoder", image=image, quality=quality)
    y, _ = model.coded(model.run, code, quality)
    assert 8 * 127 < np.abs(y).max() < 8 * 4000
    again = model.run("decoder", z=code["z"], y=y, quality=quality)["image"]
    assert psnr(again, image) > 55


def test_crops_are_half_as_large():
    image = tf.constant(pictures(3))
    found, label = augmentation("crops")(image, None, tf.constant([1, 2]))
    again, _ = augmentation("crops")(image, None, tf.constant([1, 2]))
    assert found.shape == (3, 32, 32, 3)
    assert label is None
    np.testing.assert_array_equal(found, again)
    assert 0 <= float(tf.reduce_min(found))
    assert float(tf.reduce_max(found)) <= 1
    with pytest.raises(DataError, match="moves images only"):
        augmentation("crops")(image, tf.zeros([3, 64, 64]), tf.constant([1, 2]))


def test_wallpapers_say_what_they_want(tmp_path):
    with pytest.raises(
        DataError, match="holds no free photographs; expected files called backgrounds_"
    ):
        data.load("wallpapers", data_dir=tmp_path)


def test_wallpapers_hold_eight_back(tmp_path):
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for name in ("budgie_a", "nature_Garden", "bsds_1"):
        Image.new("RGB", (96, 64), "teal").save(tmp_path / "photos" / f"{name}.png")
    found = data.load("wallpapers", data_dir=tmp_path, size=32)
    assert found.train.x.shape == (15, 32, 32, 3)
    assert found.valid.x.shape == (3, 32, 32, 3)
    assert "CC0" in found.licence
    assert "GPL" in found.licence


def test_nuclei_hold_eight_back(tmp_path):
    from PIL import Image

    (tmp_path / "nuclei16").mkdir()
    for name in ("001", "001_mask", "004", "007"):
        values = np.full((64, 96), 4000 + int(name[:3]), np.uint16)
        Image.fromarray(values).save(tmp_path / "nuclei16" / f"{name}.png")
    found = data.load("nuclei", data_dir=tmp_path, size=32)
    assert found.train.x.shape == (2 * 5 * 9, 32, 32, 1)
    assert found.valid.x.shape == (1, 32, 32, 1)
    assert set(np.unique(found.train.x)) == {4001, 4007}
    with pytest.raises(DataError, match="holds no fields; expected 16-bit files 001.png"):
        data.load("nuclei", data_dir=tmp_path / "nuclei16")


def test_patches_of_another_size_are_refused(model):
    split = Split(np.zeros((1, 96, 96, 3), np.uint8))
    found = Dataset("x", split, split, "", "", "")
    with pytest.raises(DataError, match="multiples of 64 pixels; received 96 x 96. Say --size 256"):
        model.check_data(found)


def test_a_folder_is_cut_to_patches_of_256():
    assert default_settings("unet_codec", data="mine").data_options == {"size": 256}
    mine = default_settings("unet_codec", data_options={"size": 128})
    assert mine.data_options == {"size": 128}
