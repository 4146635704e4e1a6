"""How good drawn images are: how many are good, how much of the real they cover, how many are copies.

    precision   share of drawn images that lie where real ones lie
    recall      share of real images that lie where drawn ones lie
    nearest     distance of a drawn image to the nearest training image, over that of a test image

"Where" is the union of balls about the features of one set, each as wide as the distance to its k-th
neighbour there (Kynkäänniemi et al. 2019, arXiv 1904.06991). A Frechet distance alone hides that a few
per cent of samples are nothing, and says nothing of copies.
"""

import numpy as np

AT_ONCE = 1000
"""Rows of a table of distances that are held at once."""


def precision_recall(found: np.ndarray, real: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Return precision and recall, 0 to 1, of features of drawn [N, D] and of real images [M, D].

    Both depend on how many images there are, so compare figures of equal N and M. ValueError where one of
    both has no more than k.
    """
    if min(len(found), len(real)) <= k:
        raise ValueError(
            f"precision and recall need more than k={k} images each; received {len(found)} and {len(real)}"
        )
    return _covered(found, real, k), _covered(real, found, k)


def _covered(points: np.ndarray, among: np.ndarray, k: int) -> float:
    """Return the share of points that lie in a ball about one of `among`."""
    radii = np.concatenate(
        [
            np.partition(_distances(among[i : i + AT_ONCE], among), k, axis=1)[:, k]
            for i in range(0, len(among), AT_ONCE)
        ]
    )
    inside = [
        (_distances(points[i : i + AT_ONCE], among) <= radii).any(1)
        for i in range(0, len(points), AT_ONCE)
    ]
    return float(np.concatenate(inside).mean())


def nearest_distance(image: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the RMS difference [N] of each image [N, ...] to the nearest of `among` [M, ...]."""
    flat, other = (x.reshape(len(x), -1).astype(np.float32) for x in (image, among))
    least = [_distances(flat[i : i + AT_ONCE], other).min(1) for i in range(0, len(flat), AT_ONCE)]
    return np.sqrt(np.concatenate(least) / flat.shape[1])


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances [N, M] of rows [N, D], [M, D]."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)
