"""The microscope of LEDs: against Fourier transforms, what light and phase do, noise, and the light's limit."""

import numpy as np
import pytest

from dimaging_tf.physics.illumination import Microscope, expose, limited
from dimaging_tf.physics.led_picture import led_image

SCOPES = {
    "default": Microscope(),
    "odd": Microscope(side=21, grid=4, aperture=0.2, reach=0.3, depth=1.0),
    "wide": Microscope(side=16, grid=3, aperture=0.3, reach=0.45),
}


def phases(side, count=3, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (count, side, side, 1)).astype(np.float32)


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_images_are_those_of_shifted_pupils(scope):
    phase = phases(scope.side)
    f = np.fft.fftfreq(scope.side)
    y, x = np.meshgrid(f, f, indexing="ij")
    spectrum = np.fft.fft2(np.exp(1j * scope.depth * phase[..., 0]))
    found = np.asarray(scope.images(phase))
    for k, (v, u) in enumerate(scope.leds):
        # Frequencies that the camera cannot hold are cut off.
        pupil = (np.hypot(y + v, x + u) < scope.aperture) & (abs(y) < 0.5) & (abs(x) < 0.5)
        expected = abs(np.fft.ifft2(spectrum * pupil)) ** 2
        np.testing.assert_allclose(found[:, k], expected, atol=2e-5)


def test_a_constant_delay_is_invisible_and_leds_outside_the_aperture_are_dark():
    scope = Microscope()
    found = np.asarray(scope.images(np.full((1, 32, 32, 1), 0.3, np.float32)))[0]
    inside = np.hypot(*scope.leds.T) < scope.aperture
    np.testing.assert_allclose(found[inside], 1, atol=1e-4)
    np.testing.assert_allclose(found[~inside], 0, atol=1e-6)


def test_opposite_leds_see_opposite_slopes():
    scope = Microscope()
    phase = np.zeros((1, 32, 32, 1), np.float32)
    phase[:, 12:20, 12:20] = 0.1  # weak: contrast is then linear in the phase
    left, right = (np.asarray(scope.images(phase))[0, k] - 1 for k in (11, 13))
    assert abs(left).max() > 0.1
    np.testing.assert_allclose(left, -right, atol=0.35 * abs(left).max())
    middle = np.asarray(scope.images(phase, [12]))[0, 0] - 1
    assert abs(middle).max() < 0.5 * abs(left).max()  # symmetric light sees less


def test_some_leds_alone():
    scope, phase = Microscope(), phases(32)
    some = np.asarray(scope.images(phase, [3, 11]))
    np.testing.assert_allclose(some, np.asarray(scope.images(phase))[:, [3, 11]], atol=1e-6)


def test_patterns_have_names():
    patterns = Microscope().patterns
    assert {"all", "bright field", "dark field", "left half", "LED 3,4"} < set(patterns)
    assert patterns["bright field"].sum() == 5
    assert patterns["LED 3,4"].nonzero()[0].tolist() == [13]
    assert (patterns["bright field"] + patterns["dark field"] == 1).all()


def test_all_patterns_give_one_led_s_light_at_most():
    powers = np.array([[0.2, 0.1, 0], [1, 1, 1], [0, 1, 0]], np.float32)
    np.testing.assert_allclose(limited(powers), [[0.2, 0.1, 0], [1 / 3] * 3, [0, 1, 0]], atol=1e-6)


def test_noise_is_that_of_photons_and_of_the_camera():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, 16, 16)).astype(np.float32)
    images = np.tile(np.array([1.0, 0.25], np.float32)[None, :, None, None], (200, 1, 16, 16))
    for chosen, light in ((0, 1.0), (1, 0.25)):
        powers = np.eye(2, dtype=np.float32)[[chosen] * 200]
        found = 2 * np.asarray(expose(images, powers, 400.0, 0.02, noise))
        assert found.mean() == pytest.approx(light, abs=0.002)
        assert found.std() == pytest.approx(np.sqrt(light / 400 + 0.02**2), rel=0.02)


def test_the_picture_shows_which_leds_are_on():
    scope = Microscope()
    off, on = (led_image(scope, p) for p in (np.zeros(25), scope.patterns["LED 1,1"]))
    changed = np.argwhere((off != on).any(-1))
    assert changed.max() < 80  # the upper left one, and nothing else
    assert on[tuple(changed.mean(0).astype(int))].tolist() == [255, 190, 40]
