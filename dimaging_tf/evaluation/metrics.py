"""Metrics of numpy arrays, each with its definition and unit."""

import numpy as np


def psnr(estimate: np.ndarray, target: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB, for a peak of 1 and the estimate clipped to [0, 1].

    Both arrays are [N, H, W, C]. The result is the mean of the images' PSNRs, as in the denoising literature.
    """
    difference = np.clip(estimate, 0.0, 1.0).astype(np.float64) - target
    error = np.mean(np.square(difference), axis=tuple(range(1, difference.ndim)))
    return float(np.mean(-10.0 * np.log10(np.maximum(error, 1e-12))))


def accuracy(score: np.ndarray, label: np.ndarray) -> float:
    """Percentage of rows of `score` [N, classes] whose largest value stands at `label`, int [N]."""
    return float(100 * np.mean(score.argmax(-1) == label))


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Return the area under the ROC curve: how often a score [N] of label 1 is above one of label 0.

    A tie counts a half. ValueError where one of both labels does not occur.
    """
    positive = int(np.count_nonzero(label))
    if not 0 < positive < len(label):
        raise ValueError(f"an AUC needs labels 0 and 1; received {positive} ones of {len(label)}")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # ties share their mean rank
    above = rank[label != 0].sum() - positive * (positive + 1) / 2
    return float(above / (positive * (len(label) - positive)))


def mean_iou(found: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Return the intersection over union in [0, 1], averaged over the classes that occur in either array."""
    scores = []
    for value in range(classes):
        a, b = found == value, truth == value
        union = np.logical_or(a, b).sum()
        if union:
            scores.append(np.logical_and(a, b).sum() / union)
    return float(np.mean(scores))


def bernoulli_nll(probability: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return -log p(target) in nats, summed over the pixels of each image, [N].

    Probabilities are clipped to [1e-6, 1 - 1e-6]: a saturated sigmoid costs 14 nats, not infinity.
    """
    p = np.clip(probability.astype(np.float64), 1e-6, 1 - 1e-6)
    nll = -(target * np.log(p) + (1 - target) * np.log1p(-p))
    return nll.reshape(len(nll), -1).sum(1)


def gaussian_nll(mean: np.ndarray, target: np.ndarray, sigma: float) -> np.ndarray:
    """Return -log N(target; mean, sigma^2) in nats, summed over the pixels of each image, [N]."""
    error = (target.astype(np.float64) - mean) / sigma
    nll = 0.5 * np.square(error) + np.log(sigma) + 0.5 * np.log(2 * np.pi)
    return nll.reshape(len(nll), -1).sum(1)


def gaussian_kl(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """Return KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, summed over the latents: [N, D] -> [N]."""
    m, v = mean.astype(np.float64), log_variance.astype(np.float64)
    return 0.5 * (np.square(m) + np.exp(v) - 1 - v).sum(-1)


def frechet_distance(found: np.ndarray, real: np.ndarray) -> float:
    """Return the Frechet distance of two sets of features [N, D], [M, D], as if both were Gaussian.

    It is |mean difference|^2 + trace(A + B - 2 (A B)^(1/2)) with the covariances A, B, in float64 (Heusel
    et al. 2017, arXiv 1706.08500). It is biased upwards for few images, so compare figures of equal N and
    M.
    """
    a, b = found.astype(np.float64), real.astype(np.float64)
    difference = a.mean(0) - b.mean(0)
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    # tr (A B)^(1/2) = tr (R B R)^(1/2) with R = A^(1/2): symmetric, so its eigenvalues are real.
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap)


def random_features(image: np.ndarray, count: int = 48) -> np.ndarray:
    """Project images [N, H, W, C] in [0, 1] on random directions, and rectify: [N, count].

    The directions are always the same. The features compare two versions of a generator without a trained
    network: every pixel counts, and a change of any kind moves some of them.
    """
    flat = image.reshape(len(image), -1).astype(np.float64) - 0.5
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((flat.shape[1], count)) / np.sqrt(flat.shape[1])
    return np.maximum(flat @ weight + 0.1 * rng.standard_normal(count), 0)


def diversity(image: np.ndarray) -> float:
    """Return the root mean square difference of a pixel between two different images of [N, ...]."""
    flat = image.reshape(len(image), -1).astype(np.float64)
    return float(np.sqrt(2 * flat.var(0, ddof=1).mean()))
