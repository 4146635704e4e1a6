"""Figures of merit on numpy arrays, each with its definition and unit."""

import numpy as np


def psnr(estimate: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, peak 1, estimate clipped to [0, 1]; mean over the images.

    Both [N, H, W, C]; the mean is taken over per-image PSNRs, as the denoising literature does.
    """
    difference = np.clip(estimate, 0.0, 1.0).astype(np.float64) - target
    error = np.mean(np.square(difference), axis=tuple(range(1, difference.ndim)))
    return float(np.mean(-10.0 * np.log10(np.maximum(error, 1e-12))))


def mean_iou(found: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Intersection over union in [0, 1], averaged over the classes that occur in either array."""
    scores = []
    for value in range(classes):
        a, b = found == value, truth == value
        union = np.logical_or(a, b).sum()
        if union:
            scores.append(np.logical_and(a, b).sum() / union)
    return float(np.mean(scores))


def bernoulli_nll(probability: np.ndarray, target: np.ndarray) -> np.ndarray:
    """-log p(target) in nats of each image, summed over its pixels; -> [N].

    Probabilities are clipped to [1e-6, 1 - 1e-6]: a saturated sigmoid costs 14 nats, not infinity.
    """
    p = np.clip(probability.astype(np.float64), 1e-6, 1 - 1e-6)
    nll = -(target * np.log(p) + (1 - target) * np.log1p(-p))
    return nll.reshape(len(nll), -1).sum(1)


def gaussian_nll(mean: np.ndarray, target: np.ndarray, sigma: float) -> np.ndarray:
    """-log N(target; mean, sigma^2) in nats of each image, summed over its pixels; -> [N]."""
    error = (target.astype(np.float64) - mean) / sigma
    nll = 0.5 * np.square(error) + np.log(sigma) + 0.5 * np.log(2 * np.pi)
    return nll.reshape(len(nll), -1).sum(1)


def gaussian_kl(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, summed over the latents; [N, D] -> [N]."""
    m, v = mean.astype(np.float64), log_variance.astype(np.float64)
    return 0.5 * (np.square(m) + np.exp(v) - 1 - v).sum(-1)
