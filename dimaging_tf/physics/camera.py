"""Printed images photographed again: the edge's camera (`dimaging_edge.common.camera`) as training uses it.

    images ──a pose, light and noise of its own for each──> pictures

The camera is numpy with exact transposes, so that attacks run it on a device; here it makes training images,
and JPEG is Pillow's own, with the gradient of what it keeps.
"""

from dataclasses import replace

import numpy as np
from dimaging_edge.common.camera import Camera

from dimaging_tf.errors import DataError
from dimaging_tf.physics.jpeg import jpeg
from dimaging_tf.physics.jpeg_gradient import jpeg_gradient

__all__ = ["Camera", "jpeg", "photographed", "with_jpeg"]


def with_jpeg(camera: Camera, least: int = 50, most: int = 95) -> Camera:
    """Return the same camera, which stores JPEG files of a quality from `least` to `most`.

    An attack's gradients go back through it by `jpeg_gradient`: through what such a file keeps of a picture.
    """
    return replace(camera, codec=jpeg, codec_back=jpeg_gradient, quality=(least, most))


def photographed(images: np.ndarray, camera: Camera, seed: int = 0) -> np.ndarray:
    """Return a picture of each image, drawn for itself: float32 [N, side, side, C] in [0, 1].

    images: float32 [N, H, W, C] in [0, 1]; DataError for whole numbers, whose full scale is not stated here.
    """
    if images.dtype.kind != "f":
        raise DataError(
            f"the camera takes float32 images in [0, 1]; received {images.dtype} "
            "(dimaging_tf.data.dataset.to_float converts)"
        )
    rng = np.random.default_rng(seed)
    return np.concatenate([camera(rng).apply(image[None]) for image in images])
