"""Colours of classes over an image, for `dimaging-edge run --over` and for the pictures of training."""

import numpy as np

COLOURS = (
    (230, 60, 40),
    (40, 150, 230),
    (60, 190, 80),
    (240, 200, 40),
    (170, 80, 200),
    (60, 200, 200),
)
"""Colours of the classes 1, 2, ..., RGB from 0 to 255; they repeat. Class 0 is the background."""


def classes_over(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Images [..., H, W, C] in [0, 1] with classes int [..., H, W] in half-transparent colour, float32 RGB.

    Class 0 is left as it is. Of images that are not RGB the first channel is shown, in grey.
    """
    shown = image if image.shape[-1] == 3 else image[..., :1].repeat(3, -1)
    colour = np.array(COLOURS, np.float32)[(np.maximum(label, 1) - 1) % len(COLOURS)] / 255
    return np.where(label[..., None] > 0, 0.5 * shown + 0.5 * colour, shown).astype(np.float32)
