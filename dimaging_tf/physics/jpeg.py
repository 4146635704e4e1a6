"""A real JPEG codec between an image and its viewer: Pillow's, with 4:2:0 colours as files have them."""

import io

import numpy as np


def jpeg(images: np.ndarray, quality: int) -> np.ndarray:
    """Return images as they come back from JPEG files: float32 [N, H, W, 1 or 3] in [0, 1], of 8 bits.

    quality: 1 to 95, as cameras and programs count it. Its steps have no gradient; `jpeg_gradient` has that
    of their mean, and `attacks.views.encoded` passes gradients straight through.
    """
    from PIL import Image

    grey = images.shape[-1] == 1
    back = []
    for pixels in np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8):
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0] if grey else pixels).save(file, "JPEG", quality=quality)
        back.append(np.asarray(Image.open(file)).reshape(pixels.shape))
    return np.stack(back) / np.float32(255)
