"""Codes to draw from: a Gaussian fitted to where a VAE's encoder puts real images (its aggregate posterior).

    noise N(0, I) [n, D] ── mean + noise factor^T ── z ── decoder ── image

Training pulls the posteriors of all images together towards N(0, I), but never quite there; between them the
decoder has learned nothing, so codes of N(0, I) give blots. The Gaussian of the same mean and covariance as
the aggregate posterior q(z) = mean over images of q(z | image) leaves most of these gaps out (Ghosh et al.
2020, arXiv 1903.12436, who fit it after training, and mixtures too).
"""

from typing import Any

import keras
import numpy as np

MOST = 5000
"""The most images that it is fitted to: a covariance of 256 latents has 32,896 numbers."""


def fit_gaussian(mean: np.ndarray, log_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (mean [D], factor [D, D]) of the aggregate posterior of codes [N, D], float32.

    Its covariance, that of the means plus the mean of the variances, is factor factor^T (Cholesky).
    """
    m, v = mean.astype(np.float64), np.exp(log_variance.astype(np.float64))
    centred = m - m.mean(0)
    covariance = centred.T @ centred / len(m) + np.diag(v.mean(0))
    return m.mean(0).astype(np.float32), np.linalg.cholesky(covariance).astype(np.float32)


class FitSampler(keras.callbacks.Callback):
    """Fits the sampler of a VAE to images [N, H, W, C] in [0, 1] after each epoch, before it is saved."""

    def __init__(self, image: np.ndarray):
        super().__init__()
        self.image = image[:MOST]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Fit it."""
        self.model.fit_sampler(self.image)
