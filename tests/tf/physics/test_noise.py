"""Noise against its closed form, its determinism, its level per image, and the text form."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dimaging_tf.errors import DataError
from dimaging_tf.physics.noise import GaussianRead, PoissonShot, SaltAndPepper, Sequence, parse

SIDE = 450  # enough pixels to tell 25 / 255 from 25 / 256
GREY = np.full((4, SIDE, SIDE, 1), 0.4, np.float32)
DEVIATIONS = 4.5  # standard errors: a right model fails once in 150,000 checks, and seeds are fixed

MOMENTS = [
    # spec, mean and variance for the value v
    ("gaussian:25", lambda v: (v, (25 / 255) ** 2)),
    ("poisson:30", lambda v: (v, v / 30)),
    ("salt_pepper:0.2", lambda v: (0.8 * v + 0.1, 0.1 + 0.8 * v**2 - (0.8 * v + 0.1) ** 2)),
    ("poisson:30,gaussian:10", lambda v: (v, v / 30 + (10 / 255) ** 2)),
    ("poisson:1000", lambda v: (v, v / 1000)),
    ("gaussian:0", lambda v: (v, 0.0)),
]


@pytest.mark.parametrize("value", [0.0, 0.1, 0.4, 1.0])
@pytest.mark.parametrize(("spec", "moments"), MOMENTS, ids=[row[0] for row in MOMENTS])
def test_mean_and_variance_are_those_of_the_closed_form(spec, moments, value):
    noisy = parse(spec)(np.full_like(GREY, value), 1).astype(np.float64)
    mean, variance = moments(value)
    count = noisy.size
    # The fourth moment, for the error of the variance, is taken from the sample.
    kurtosis = ((noisy - noisy.mean()) ** 4).mean()
    assert noisy.mean() == pytest.approx(mean, abs=DEVIATIONS * np.sqrt(variance / count) + 1e-6)
    error = np.sqrt(max(kurtosis - variance**2, 0) / count)
    assert noisy.var() == pytest.approx(variance, abs=DEVIATIONS * error + 1e-8)


def test_poisson_values_are_whole_photons():
    photons = PoissonShot(7)(GREY, 0) * 7
    assert np.abs(photons - np.rint(photons)).max() < 1e-5


def test_dead_pixels_are_dead_in_all_channels_half_of_them_white():
    noisy = SaltAndPepper(0.3)(np.full((1, SIDE, SIDE, 3), 0.5, np.float32), 0)
    dead = noisy != 0.5
    assert (dead.all(-1) == dead.any(-1)).all()
    count = SIDE * SIDE
    assert (noisy == 1).mean() == pytest.approx(0.15, abs=4.5 * np.sqrt(0.15 * 0.85 / count))
    assert (noisy == 0).mean() == pytest.approx(0.15, abs=4.5 * np.sqrt(0.15 * 0.85 / count))
    everything = SaltAndPepper(1.0)(GREY, 0)
    assert set(np.unique(everything)) == {0.0, 1.0}


RANGES = [
    ("gaussian:5-50", lambda noisy: noisy.std((1, 2, 3)) * 255, 5, 50, False),
    ("poisson:10-1000", lambda noisy: 0.4 / noisy.var((1, 2, 3)), 10, 1000, True),
    ("salt_pepper:0-0.5", lambda noisy: (noisy != np.float32(0.4)).mean((1, 2, 3)), 0, 0.5, False),
]


@pytest.mark.parametrize(("spec", "measure", "low", "high", "logarithmic"), RANGES)
def test_every_image_draws_its_own_level_over_the_whole_range(
    spec, measure, low, high, logarithmic
):
    levels = measure(parse(spec)(np.full((400, 24, 24, 1), 0.4, np.float32), 3))
    if logarithmic:
        levels, low, high = np.log(levels), np.log(low), np.log(high)
    share = np.sort((levels - low) / (high - low))
    # Kolmogorov-Smirnov: 1.63 / sqrt(n) is the 1 % point; the rest is the measurement error.
    uniform = (np.arange(400) + 0.5) / 400
    assert np.abs(share - uniform).max() < 1.63 / 20 + 0.03


ALL = [
    "gaussian:25",
    "gaussian:5-50",
    "poisson:30",
    "salt_pepper:0.1",
    "gaussian:5-50,poisson:9,clip",
]


@pytest.mark.parametrize("spec", ALL)
def test_the_same_seed_gives_the_same_noise_everywhere(spec):
    noise, seed = parse(spec), np.array([3, 4], np.int32)
    array = noise(GREY, seed)
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float32
    assert np.array_equal(array, noise(GREY, seed))
    assert np.array_equal(array, noise(tf.constant(GREY), tf.constant(seed)))
    dataset = tf.data.Dataset.from_tensors(GREY).map(lambda image: noise(image, seed))
    assert np.array_equal(array, next(iter(dataset)))
    assert not np.array_equal(array, noise(GREY, np.array([3, 5], np.int32)))
    assert np.array_equal(noise(GREY, 3), noise(GREY, np.array([3, 0], np.int32)))


def test_single_images_and_batches_have_independent_pixels():
    noisy = GaussianRead(25)(GREY, 0)
    assert not np.array_equal(noisy[0], noisy[1])
    assert GaussianRead((5, 50))(GREY[0], 0).shape == (SIDE, SIDE, 1)


def test_stages_do_not_share_their_random_numbers():
    twice = Sequence((GaussianRead(10), GaussianRead(10)))(GREY, 0)
    assert twice.std() * 255 == pytest.approx(10 * np.sqrt(2), rel=0.02)


def test_only_clipping_keeps_the_range_and_makes_8_bits():
    dark = np.zeros((1, SIDE, SIDE, 1), np.float32)
    assert GaussianRead(25)(dark, 0).min() < -0.2
    clipped = GaussianRead(25, clip=True)(dark, 0)
    assert clipped.min() == 0
    assert np.array_equal(clipped * 255, np.rint(clipped * 255))
    assert clipped.mean() * 255 == pytest.approx(25 / np.sqrt(2 * np.pi), rel=0.05)


PARSED = [
    ("gaussian:25", GaussianRead(25)),
    ("gaussian:5-50", GaussianRead((5, 50))),
    ("gaussian:25,clip", GaussianRead(25, clip=True)),
    (" poisson:1e3 ", PoissonShot(1000)),
    ("gaussian:2.5,poisson:30", Sequence((PoissonShot(30), GaussianRead(2.5)))),
    (
        "gaussian:5-50,poisson:30,salt_pepper:0.05,clip",
        Sequence((PoissonShot(30), GaussianRead((5, 50)), SaltAndPepper(0.05)), clip=True),
    ),
]


@pytest.mark.parametrize(("text", "model"), PARSED)
def test_text_and_model(text, model):
    assert parse(text) == model
    assert parse(model.spec) == model


levels = st.floats(1e-3, 1e6, allow_nan=False).map(lambda value: float(f"{value:.6g}"))


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.lists(levels, min_size=2, max_size=2).map(sorted), levels, st.booleans())
def test_every_spec_is_read_back(photons, sigma, clip):
    model = Sequence((PoissonShot(tuple(photons)), GaussianRead(sigma)), clip=clip)
    assert parse(model.spec) == model


ERRORS = [
    (lambda: parse("gausian:25"), "unknown model 'gausian'; did you mean 'gaussian'?"),
    (
        lambda: parse(""),
        "unknown model ''; known: poisson, gaussian, sal",
    ),
    (lambda: parse("clip"), "unknown model 'clip'"),
    (lambda: parse("clip,gaussian:3"), "'clip' only at the end"),
    (
        lambda: parse("gaussian"),
        "'' is not a level of gaussian; expected a number such as 25 or a rang",
    ),
    (lambda: parse("gaussian:-3"), "'-3' is not a level of gaussian"),
    (lambda: parse("gaussian:nan"), "'nan' is not a level of gaussian"),
    (
        lambda: parse("gaussian:50-5"),
        "sigma is grey levels of 255, 0 or more, as a number or a range",
    ),
    (
        lambda: parse("poisson:0"),
        "photons is photons at full scale, above 0, as a number or a range",
    ),
    (
        lambda: parse("salt_pepper:1.5"),
        "fraction is a share of the pixels, 0 or more and at most 1",
    ),
    (lambda: GaussianRead(float("nan")), "received nan"),
    (
        lambda: GaussianRead(25)(np.zeros((1, 2, 2, 1), np.uint8), 0),
        "float32 images in [0, 1]; received uint8",
    ),
]


@pytest.mark.parametrize(("wrong", "words"), ERRORS, ids=[row[1][:30] for row in ERRORS])
def test_errors_say_what_was_expected(wrong, words):
    with pytest.raises(DataError) as caught:
        wrong()
    assert words in str(caught.value)
