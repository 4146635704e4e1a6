"""A picture of what an LED array has to do: each LED as bright as its power, and the aperture around them."""

import io

import numpy as np

from dimaging_tf.physics.illumination import Microscope

SIDE = 320
"""Pixels of a side."""


def led_image(scope: Microscope, powers: np.ndarray) -> np.ndarray:
    """Return the picture uint8 [SIDE, SIDE, 3]: amber discs on grey, a white circle for the aperture."""
    most = abs(scope.leds).max() + 0.75 * (2 * scope.reach / max(scope.grid - 1, 1))
    line = (np.arange(SIDE) + 0.5) / SIDE * 2 * most - most
    y, x = line[:, None], line[None]
    pixel = 2 * most / SIDE
    image = np.full((SIDE, SIDE, 3), 40.0)
    amber, off = np.array([255.0, 190.0, 40.0]), np.array([70.0, 70.0, 70.0])
    radius = 0.36 * 2 * scope.reach / max(scope.grid - 1, 1)
    for (row, column), power in zip(scope.leds, powers, strict=True):
        cover = np.clip((radius - np.hypot(y - row, x - column)) / pixel + 0.5, 0, 1)[..., None]
        image += cover * (off + float(power) * (amber - off) - image)
    ring = np.clip(1.5 - abs(np.hypot(y, x) - scope.aperture) / pixel, 0, 1)[..., None]
    image += ring * (255 - image)
    return np.rint(image).astype(np.uint8)


def led_png(scope: Microscope, powers: np.ndarray) -> bytes:
    """Return the picture as a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(led_image(scope, powers)).save(stream, "png")
    return stream.getvalue()
