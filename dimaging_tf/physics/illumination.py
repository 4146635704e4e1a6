"""A microscope whose light can be shaped: transparent objects under a square array of LEDs.

    phase ──exp(i phase)──> object ──each LED: Fourier transform, pupil, back, |.|^2──> an image an LED
    images x powers of the LEDs, summed on the camera ──shot and read noise──> one exposure

An LED far away is a plane wave, which shifts the object's spectrum against the pupil; LEDs do not interfere
with each other, so an exposure is linear in their powers. Inside the aperture an LED gives a bright field,
outside a dark one. A transparent object is invisible where the light is symmetric, and its slopes are bright
or dark where it is oblique (differential phase contrast).

phase float32 [B, S, S, 1] in [0, 1], in units of `Microscope.depth` radians; image [B, LEDs, S, S], 1 is an
empty bright field; powers [LEDs] or [B, LEDs] in [0, 1].
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Microscope:
    """The optics; frequencies are in cycles a pixel, of which the camera resolves 0.5."""

    side: int = 32  # pixels of a side of the camera
    grid: int = 5  # LEDs of a side of the array
    aperture: float = 0.16  # radius of the pupil
    reach: float = 0.26  # of the LEDs in the middle of the array's sides
    depth: float = 2.0  # radians of a phase of 1

    @cached_property
    def leds(self) -> np.ndarray:
        """The frequency (y, x) of each LED's plane wave, [LEDs, 2], row by row from the upper left."""
        line = np.linspace(-self.reach, self.reach, self.grid)
        return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)

    @cached_property
    def patterns(self) -> dict[str, np.ndarray]:
        """Powers [LEDs] of fixed patterns by name: those of textbooks, and every single LED."""
        y, x = self.leds.T
        far = np.hypot(y, x)
        inside = far < self.aperture
        found = {
            "all": far >= 0, "bright field": inside, "dark field": ~inside,
            "upper half": y < 0, "lower half": y > 0, "left half": x < 0, "right half": x > 0,
            "upper bright half": inside & (y < 0), "left bright half": inside & (x < 0),
        }  # fmt: skip
        for k in range(len(far)):
            row, column = divmod(k, self.grid)
            found[f"LED {row + 1},{column + 1}"] = np.arange(len(far)) == k
        return {name: on.astype(np.float32) for name, on in found.items()}

    @cached_property
    def _windows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places [LEDs, n n] of the spectrum under each LED's pupil, what passes, and the way back [n, S].

        Only a window of the spectrum passes, so a product with a small matrix is the inverse transform; where
        the window lies changes the field's phase, which no camera sees.
        """
        side = self.side
        n = int(2 * np.floor(self.aperture * side)) + 2
        first = np.ceil((-self.leds - self.aperture) * side).astype(int)
        at = first[:, :, None] + np.arange(n)  # [LEDs, 2, n], frequencies in 1 / side
        y, x = at[:, 0, :, None], at[:, 1, None, :]
        shift = self.leds * side
        passes = np.hypot(y + shift[:, :1, None], x + shift[:, 1:, None]) < self.aperture * side
        passes &= (abs(y) < side / 2) & (abs(x) < side / 2)
        places = (y % side) * side + x % side
        back = np.exp(2j * np.pi * np.outer(np.arange(n), np.arange(side)) / side) / side
        size = (len(self.leds), n * n)
        return places.reshape(size), passes.reshape(size), back

    def images(self, phase: Any, leds: Any = slice(None)) -> Any:
        """Return the image under each LED alone at full power, [B, LEDs, S, S]; leds: the index of some."""
        import tensorflow as tf

        places, passes, back = self._windows
        places, passes = places[leds], passes[leds]
        n, side = len(back), self.side
        angle = self.depth * phase[..., 0]
        spectrum = tf.signal.fft2d(tf.complex(tf.cos(angle), tf.sin(angle)))
        window = tf.gather(tf.reshape(spectrum, [-1, side * side]), places, axis=1)
        window = window * tf.constant(passes, tf.complex64)
        matrix = tf.constant(back, tf.complex64)
        rows = tf.reshape(tf.reshape(window, [-1, n]) @ matrix, [-1, n, side])
        field = tf.reshape(tf.transpose(rows, [0, 2, 1]), [-1, n]) @ matrix  # x first, then y
        power = tf.square(tf.math.real(field)) + tf.square(tf.math.imag(field))
        power = tf.reshape(power, [-1, side, side])  # [B LEDs, x, y]
        return tf.reshape(tf.transpose(power, [0, 2, 1]), [-1, len(places), side, side])


def limited(powers: Any) -> Any:
    """Scale powers [.., LEDs] down to one LED's worth of light in all, so that all patterns give the same."""
    import tensorflow as tf

    return powers / tf.maximum(tf.reduce_sum(powers, -1, keepdims=True), 1.0)


def expose(images: Any, powers: Any, photons: float, read: float, noise: Any) -> Any:
    """Return exposures [B, S, S, 1] in [0, 1], of which 1 is twice an empty bright field.

    images: [B, LEDs, S, S]. powers: [B, LEDs], after `limited`. photons: of a pixel of an empty bright
    field. read: standard deviation of the camera's noise, as a share of that. noise: unit Gaussian [B, S, S].
    """
    import tensorflow as tf

    light = tf.einsum("blyx,bl->byx", images, powers)
    light = light + noise * tf.sqrt(tf.maximum(light, 0) / photons + read**2)
    return tf.expand_dims(tf.clip_by_value(light / 2, 0.0, 1.0), -1)
