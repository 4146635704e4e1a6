"""Variation of the training images, by name. The one place that uses keras-cv, of the extra `augment`.

    none          nothing
    flips         the eight symmetries of the square, each pixel kept as it is
    microscopy    flips, and half of the images turned by up to 20 degrees and zoomed by up to 15 %
                  (the other half keep their pixel grid, and so their noise)       also: cells
    elastic       flips, and half of the images turned by any angle, zoomed by up to 15 % and smoothly bent,
                  all a little lighter or darker, of other contrast and focus     (U-Net paper, section 3.1)
    crops         squares of half the side to the whole, scaled to half the side; then flips
    faces         mirrored left to right, moved by up to 1/16 of the side, a little lighter or darker
    joined_faces  the same; then a quarter continue, below a soft edge, as another face of the batch, so
                  that few people make many (a label stays the upper one's)
    cutout        a black rectangle of 1/8 to 1/2 of each side, for completion

    vary = augment("microscopy")
    image, label = vary(image, label, seed)        # a pure function; also inside tf.data

image float32 [B, H, W, C] in [0, 1], and so afterwards; seed int32 [2]; label None, [B] (kept) or a
mask [B, H, W] that moves with its image, without new values (cutout leaves it whole). What a turn
or a zoom brings in from outside is the picture reflected at its edge.

Why keras-cv, and how: its RandomRotation, RandomZoom and RandomCutout act on a whole batch with a
transformation of its own for every image. But they draw it from a generator with a state, which a
resumed run could not restore. So the numbers are drawn here, from the seed, and handed to the
layers' public `augment_images` as the transformation that it takes. (Their `seed=1` is never used;
without one they ask for TensorFlow's global generator, which enable_op_determinism forbids.)
RandomFlip is not used: it has no quarter turns, and a flip by `where` is exact for integers too.
"""

import math
from collections.abc import Callable
from typing import Any

from dimaging_tf.errors import DataError, near

Augmentation = Callable[[Any, Any, Any], tuple[Any, Any]]
TURN, ZOOM = 20 / 360, 0.15
HOLE = (1 / 8, 1 / 2)
JOINED = 1 / 4
FOCUS = 0.75


def augmentation(policy: str) -> Augmentation:
    """Return the f(image, label, seed) -> (image, label) of a policy. DataError for an unknown name."""
    check_policy(policy)
    return POLICIES[policy]()


def check_policy(policy: str) -> None:
    """Raise DataError for a name that is no policy; it needs neither TensorFlow nor keras-cv."""
    if policy not in POLICIES:
        raise DataError(f"unknown augmentation '{policy}'; {near(policy, POLICIES)}")


def _keras_cv(policy: str) -> Any:
    """Return the package; DataError that says how to get it where it is not installed."""
    try:
        import keras_cv
    except ModuleNotFoundError as error:
        raise DataError(
            f"augmentation '{policy}' needs {error.name}: pip install 'dimaging[augment]'"
        ) from error
    return keras_cv


def _none() -> Augmentation:
    return lambda image, label, seed: (image, label)


def _flips() -> Augmentation:
    import tensorflow as tf

    def flips(image, label, seed):
        batch, square = tf.shape(image)[0], image.shape[1] == image.shape[2]
        chosen = _uniform([3, batch, 1, 1, 1], seed) < 0.5

        def flip(x):
            x = tf.where(chosen[0], tf.reverse(x, [1]), x)
            x = tf.where(chosen[1], tf.reverse(x, [2]), x)
            # Only a square keeps its shape when its axes are exchanged.
            return tf.where(chosen[2], tf.transpose(x, [0, 2, 1, 3]), x) if square else x

        return _jointly(image, label, flip, flip)

    return flips


def _microscopy() -> Augmentation:
    import tensorflow as tf

    keras_cv = _keras_cv("microscopy")
    flips = _flips()
    # "bilinear" for images; "nearest" makes no labels that were not there.
    layers = {
        mode: (
            keras_cv.layers.RandomRotation(TURN, fill_mode="reflect", interpolation=mode, seed=1),
            keras_cv.layers.RandomZoom(ZOOM, fill_mode="reflect", interpolation=mode, seed=1),
        )
        for mode in ("bilinear", "nearest")
    }

    def microscopy(image, label, seed):
        image, label = flips(image, label, tf.random.fold_in(seed, 0))
        draw = _uniform([3, tf.shape(image)[0]], tf.random.fold_in(seed, 1))
        amount = (2 * draw[:2] - 1) * tf.cast(draw[2] < 0.5, tf.float32)
        angles = amount[0] * (TURN * 2 * math.pi)
        zooms = (1 + amount[1] * ZOOM)[:, None]

        def move(x, mode):
            rotation, zoom = layers[mode]
            x = rotation.augment_images(x, {"angles": angles})
            return zoom.augment_images(x, {"height_zooms": zooms, "width_zooms": zooms})

        return _jointly(
            image,
            label,
            lambda x: tf.clip_by_value(move(x, "bilinear"), 0.0, 1.0),
            # Labels are exact in float32 up to 2^24.
            lambda x: tf.cast(move(tf.cast(x, tf.float32), "nearest"), x.dtype),
        )

    return microscopy


def _elastic() -> Augmentation:
    import tensorflow as tf

    from dimaging_tf.data.elastic import places, read, refocused

    flips = _flips()

    def elastic(image, label, seed):
        image, label = flips(image, label, tf.random.fold_in(seed, 0))
        shape = tf.shape(image)
        seeds: Any = [tf.random.fold_in(seed, k) for k in (1, 2, 3, 4)]
        bent = _uniform([shape[0], 1, 1, 1], seeds[0]) < 0.5
        where = places(shape, seeds[1])
        light = tf.random.stateless_normal(tf.stack([2, shape[0], 1, 1, 1]), seeds[2])

        focus = 2 * FOCUS * _uniform([shape[0], 1, 1, 1], seeds[3]) - FOCUS

        def lit(x):
            x = refocused(tf.where(bent, read(x, where), x), focus)
            mean = tf.reduce_mean(x, (1, 2, 3), keepdims=True)
            x = mean + (x - mean) * (1 + 0.1 * light[0]) + 0.05 * light[1]
            return tf.clip_by_value(x, 0.0, 1.0)

        return _jointly(
            image, label, lit, lambda x: tf.where(bent, read(x, where, nearest=True), x)
        )

    return elastic


def _crops() -> Augmentation:
    import tensorflow as tf

    flips = _flips()

    def crops(image, label, seed):
        if label is not None and label.shape.rank > 1:
            raise DataError("the augmentation 'crops' moves images only; received masks too")
        size = image.shape[1] // 2
        draw = _uniform([4], tf.random.fold_in(seed, 0))
        # Half of the batches keep their pixel grid, and so their noise and sharpness.
        side = tf.where(draw[0] < 0.5, 0.0, draw[1]) * (size + 1)
        side = size + tf.cast(side, tf.int32)
        top, left = (
            tf.cast(draw[k] * tf.cast(2 * size - side + 1, tf.float32), tf.int32) for k in (2, 3)
        )
        image = image[:, top : top + side, left : left + side]
        # Bilinear with antialiasing: each new pixel is a mean of what it covers.
        image = tf.image.resize(image, [size, size], "bilinear", antialias=True)
        return flips(tf.clip_by_value(image, 0.0, 1.0), label, tf.random.fold_in(seed, 1))

    return crops


def _faces() -> Augmentation:
    import tensorflow as tf

    def faces(image, label, seed):
        batch = tf.shape(image)[0]
        seeds: Any = [tf.random.fold_in(seed, k) for k in range(2)]
        draw = _uniform([3, batch], seeds[0])
        light = tf.random.stateless_normal(tf.stack([2, batch, 1, 1, 1]), seeds[1])

        def move(x):
            x = tf.where(draw[0][:, None, None, None] < 0.5, tf.reverse(x, [2]), x)
            for axis in (1, 2):
                size = tf.shape(x)[axis]
                most = size // 16
                by = tf.cast(draw[axis] * tf.cast(2 * most + 1, tf.float32), tf.int32) - most
                # An index beyond the picture is that of its edge.
                index = tf.clip_by_value(tf.range(size)[None] + by[:, None], 0, size - 1)
                x = tf.gather(x, index, axis=axis, batch_dims=1)
            return x

        def lit(x):
            return tf.clip_by_value(move(x) * (1 + 0.05 * light[0]) + 0.025 * light[1], 0.0, 1.0)

        return _jointly(image, label, lit, move)

    return faces


def _joined_faces() -> Augmentation:
    import tensorflow as tf

    vary = _faces()

    def joined_faces(image, label, seed):
        image, label = vary(image, label, seed)
        height = image.shape[1]
        draw = _uniform([3, tf.shape(image)[0], 1], tf.random.fold_in(seed, 2))
        share, centre, width = tf.unstack(draw)
        row = tf.range(height, dtype=tf.float32)[None]
        edge = (row - (0.15 + 0.7 * centre) * height) * 32 / (height * (1 + 3 * width))
        other = tf.where(share < JOINED, tf.sigmoid(edge), 0.0)[:, :, None, None]
        return _jointly(
            image, label,
            lambda x: x + other * (tf.reverse(x, [0]) - x),
            lambda mask: tf.where(other > 0.5, tf.reverse(mask, [0]), mask),
        )  # fmt: skip

    return joined_faces


def _cutout() -> Augmentation:
    import tensorflow as tf

    keras_cv = _keras_cv("cutout")
    layer = keras_cv.layers.RandomCutout(HOLE, HOLE, fill_mode="constant", fill_value=0.0, seed=1)

    def cutout(image, label, seed):
        batch, height, width = (tf.shape(image)[axis] for axis in range(3))
        draw = _uniform([4, batch], seed)
        sides = tf.cast([[height], [width]], tf.float32)
        holes = sides * (HOLE[0] + draw[:2] * (HOLE[1] - HOLE[0]))
        centres = sides * draw[2:]
        names = ("rectangles_height", "rectangles_width", "centers_y", "centers_x")
        values = tf.unstack(tf.cast(tf.concat([tf.math.ceil(holes), centres], 0), tf.int32))
        return layer.augment_images(image, dict(zip(names, values, strict=True))), label

    return cutout


POLICIES: dict[str, Callable[[], Augmentation]] = {
    "none": _none,
    "flips": _flips,
    "microscopy": _microscopy,
    "cells": _microscopy,
    "elastic": _elastic,
    "crops": _crops,
    "cutout": _cutout,
    "faces": _faces,
    "joined_faces": _joined_faces,
}
BY_KERAS_CV = ("microscopy", "cells", "cutout")
"""The policies that need the extra `augment`."""


def _uniform(shape: Any, seed: Any) -> Any:
    """Return uniform random numbers in [0, 1)."""
    import tensorflow as tf

    return tf.random.stateless_uniform(shape, seed)


def _jointly(image, label, on_image, on_mask) -> tuple[Any, Any]:
    """Move the image, and the label with it where that is a mask, which has a height and a width."""
    if label is not None and label.shape.rank == 3:
        label = on_mask(label[..., None])[..., 0]
    return on_image(image), label
