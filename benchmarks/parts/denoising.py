"""What the two benchmarks of the denoiser share: the noise, the pixels, a rival, the measure."""

from typing import Any

import numpy as np

SIGMA = 25 / 255
CROP = 256  # pixels


def crop(photograph: np.ndarray, size: int = CROP) -> np.ndarray:
    """The central size x size pixels."""
    top, left = ((side - size) // 2 for side in photograph.shape)
    return photograph[top : top + size, left : left + size]


def restore(model: Any, noisy: np.ndarray) -> np.ndarray:
    """[H, W] through the network."""
    return model.run("denoiser", noisy=noisy[None, ..., None])["image"][0, ..., 0]


def non_local_means(noisy: np.ndarray) -> np.ndarray:
    """scikit-image's, with the parameters of its own documentation."""
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(
        noisy, h=0.8 * SIGMA, sigma=SIGMA, patch_size=5, patch_distance=6, fast_mode=True
    )


def psnr(clean: np.ndarray, estimates: list[np.ndarray]) -> float:
    """Mean over the photographs, dB."""
    from dimaging_tf.evaluation import metrics

    return metrics.psnr(np.stack(estimates)[..., None], clean[..., None])
