"""Smooth random deformations of images and masks (Ronneberger et al. 2015, arXiv 1505.04597, section 3.1).

    each corner of a coarse grid is pushed by a Gaussian step ─bicubic─> a displacement of every pixel
    the whole is turned by any angle and zoomed                       ─> the place where each is read

A place between pixels is read bilinearly in an image, and at the nearest pixel in a mask, which gains no new
values. A place outside is that of the picture reflected at its edge. All is a pure function of the seed.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

CORNERS = 4
"""Corners of the coarse grid along each side; the paper has 3."""
PUSH = 1 / 50
"""Standard deviation of a corner's step, as a share of the picture's side (the paper: 10 of 572 pixels)."""
ZOOM = 0.15
"""A picture is enlarged or reduced by up to this share."""
_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


def places(shape: Any, seed: Any) -> Any:
    """Return where each pixel is read from: float32 [B, H, W, 2], rows and columns, from a seed int32 [2].

    shape: [B, H, W, C] of the images.
    """
    batch, height, width = shape[0], shape[1], shape[2]
    seeds: Any = [tf.random.fold_in(seed, k) for k in range(2)]
    side = tf.cast(tf.minimum(height, width), tf.float32)
    push = tf.random.stateless_normal(tf.stack([batch, CORNERS, CORNERS, 2]), seeds[0])
    push = PUSH * side * tf.image.resize(push, tf.stack([height, width]), "bicubic")
    draw = tf.random.stateless_uniform(tf.stack([2, batch, 1, 1]), seeds[1], -1.0, 1.0)
    angle, scale = math.pi * draw[0], 1 + ZOOM * draw[1]
    middle = [(tf.cast(n, tf.float32) - 1) / 2 for n in (height, width)]
    row = tf.range(height, dtype=tf.float32)[None, :, None] - middle[0]
    column = tf.range(width, dtype=tf.float32)[None, None] - middle[1]
    cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
    moved = (cosine * row - sine * column, sine * row + cosine * column)
    return tf.stack([m + c for m, c in zip(moved, middle, strict=True)], -1) + push


def read(x: Any, where: Any, nearest: bool = False) -> Any:
    """Return the values of x [B, H, W, C] at places [B, H, W, 2], between pixels or at the nearest."""
    # Not keras.ops.image.map_coordinates: it wants a batch of known size, and its mirror reads outside.
    shape = tf.shape(x)
    size = shape[1:3]
    where = _reflected(where, tf.cast(size, tf.float32) - 1)
    flat = tf.reshape(x, [shape[0], size[0] * size[1], x.shape[-1]])

    def pixel(place):
        place = tf.minimum(place, size - 1)
        return tf.gather(flat, place[..., 0] * size[1] + place[..., 1], axis=1, batch_dims=1)

    if nearest:
        return pixel(tf.cast(tf.round(where), tf.int32))
    low = tf.floor(where)
    first, part = tf.cast(low, tf.int32), where - low
    down, right = part[..., :1], part[..., 1:]
    upper, lower = (
        pixel(first + (r, 0)) * (1 - right) + pixel(first + (r, 1)) * right  # noqa: RUF005, tensors
        for r in (0, 1)
    )
    return upper * (1 - down) + lower * down


def refocused(x: Any, amount: Any) -> Any:
    """Return x [B, H, W, C] plus `amount` [B, 1, 1, 1] times what a small blur takes from it.

    Above 0 that is sharper, below softer. The blur is binomial, with a standard deviation of one pixel.
    """
    kernel = np.outer(_BINOMIAL, _BINOMIAL)[:, :, None, None].repeat(x.shape[-1], 2)
    padded = tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], "REFLECT")
    soft = tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")
    return x + amount * (x - soft)


def _reflected(where, last):
    """Return the places within 0 and `last`, as of a picture that is mirrored at its edges for ever."""
    period = tf.maximum(2 * last, 1)
    where = tf.math.floormod(where, period)
    return tf.clip_by_value(tf.minimum(where, period - where), 0.0, last)
