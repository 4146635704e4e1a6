"""Multiscale structural similarity (Wang et al. 2003) of images, differentiable on every Keras backend.

Its numbers are those of `tf.image.ssim_multiscale`; a window of 11 x 11 is two of 11.
"""

from typing import Any

import numpy as np
from keras import ops

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales, from the finest to the coarsest."""
WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of the Gaussian window, pixels."""
BRIGHTNESS, CONTRAST = 0.01**2, 0.03**2
"""Squares of the constants that keep the quotients finite where an image is flat."""


def ms_ssim(estimate: Any, image: Any) -> Any:
    """MS-SSIM float32 [B] of images [B, H, W, C] in [0, 1], on as many of the five scales as fit.

    The mean over the channels. An estimate outside of [0, 1] is clipped. A side that is not known when
    the step is traced counts as large enough for all five.
    """
    side = min(image.shape[1] or 176, image.shape[2] or 176)
    scales = max(1, sum(side >= WINDOW * 2**k for k in range(len(WEIGHTS))))
    a, b = ops.clip(estimate, 0.0, 1.0), ops.convert_to_tensor(image)
    product = 1.0
    for k in range(scales):
        if k:
            a, b = _half(a), _half(b)
        similarity, structure = _ssim(a, b)
        factor = similarity if k == scales - 1 else structure
        product = product * ops.relu(factor) ** WEIGHTS[k]
    return ops.mean(product, -1)


def _half(x: Any) -> Any:
    """Means of 2 x 2 pixels; of an odd last row or column, the means of what is there."""
    return ops.average_pool(x, 2, 2, "same")


def _ssim(a: Any, b: Any) -> tuple[Any, Any]:
    """(SSIM, its part without brightness), each [B, C]."""
    mean_a, mean_b = _blur(a), _blur(b)
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    brightness = (2 * product + BRIGHTNESS) / (squares + BRIGHTNESS)
    covariance, variances = _blur(a * b) - product, _blur(a**2 + b**2) - squares
    structure = (2 * covariance + CONTRAST) / (variances + CONTRAST)
    return ops.mean(brightness * structure, [1, 2]), ops.mean(structure, [1, 2])


def _blur(x: Any) -> Any:
    """Gaussian window over each channel, no border."""
    offset = np.arange(WINDOW) - WINDOW // 2
    line = np.exp(-(offset**2) / (2 * SIGMA**2))
    line = np.float32(line / line.sum())
    for shape in ((WINDOW, 1, 1, 1), (1, WINDOW, 1, 1)):
        kernel = np.tile(line.reshape(shape), (1, 1, x.shape[-1], 1))
        x = ops.depthwise_conv(x, kernel, 1, "valid")
    return x
