"""A U-Net codec of a few units, and pictures that it learns from."""

import numpy as np

from dimaging_tf.models.unet_codec import Config

SMALL = {"skip": 24, "bottleneck": 4, "blocks": (1, 1), "width": 8, "prior": 8}


def small(channels: int = 3, **changes) -> Config:
    return Config(**{"shape": (None, None, channels), **SMALL, **changes})


def pictures(count: int = 4, size: int = 64, channels: int = 3) -> np.ndarray:
    """Smooth ones with an edge: [count, size, size, channels] in [0, 1]."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    wave = rng.uniform(1, 5, (count, 1, 1, channels))
    found = 0.5 + 0.3 * np.sin(wave * x[None, ..., None] * 3 + wave * y[None, ..., None])
    found[:, size // 3 :, size // 2 :] *= 0.6
    return found.astype(np.float32)
