"""The noise of a recording, and the matrix that makes it white (Blankertz et al. 2011: shrinkage LDA).

    noise = trial - mean of its class            what is left in each channel, [N, C]
    covariance = (1 - a) S + a mean(diag S) I    shrunk by Ledoit and Wolf's a: few trials, many channels
    white = trial @ covariance^(-1/2)            noise of variance 1 in every direction

In white channels the best linear direction is the difference of the two means, so that a network of a few
weights starts where shrinkage LDA ends.

Shrinking adds the mean variance to each channel, which presumes one unit for all. Channels whose noise
differs by more than a factor `ONE_UNIT` have units of their own, such as volts and degrees; each is then
divided by its own noise first, or the loudest would hide the others.
"""

import numpy as np

ONE_UNIT = 100.0
"""The ratio of the largest to the least noise, as standard deviations, of channels that share a unit."""


def whitening(x: np.ndarray, label: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the matrix float32 [C, C] for series x [N, T, C] with labels int [N].

    noise: [N, C], what is measured in each trial, from which the mean of its class is taken. The matrix
    also scales x to a standard deviation of 1, and does nothing else where there is no noise. scikit-learn
    computes the shrinkage.
    """
    from sklearn.covariance import ledoit_wolf

    label = np.asarray(label)
    rest = np.array(noise, np.float64)
    for k in np.unique(label):
        rest[label == k] -= rest[label == k].mean(0)
    if not rest.any():  # a series without noise, drawn by a formula: nothing is to be made white
        return (np.eye(x.shape[-1]) / (x.astype(np.float64).std() or 1.0)).astype(np.float32)
    unit = _units(rest, np.abs(noise).max(0))
    covariance = ledoit_wolf(rest / unit)[0]
    values, vectors = np.linalg.eigh(covariance)
    # A channel that never changes has no variance, and whitening it would divide by zero.
    floor = max(values.max(), np.finfo(np.float64).tiny) * 1e-9
    matrix = vectors / np.sqrt(np.maximum(values, floor)) @ vectors.T / unit[:, None]
    spread = (x.astype(np.float64) @ matrix).std()
    return (matrix / (spread or 1.0)).astype(np.float32)


def _units(rest: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Return what each channel of noise [N, C] is divided by, [C]: 1, or its noise where units differ.

    largest: of the magnitudes of each channel, of which less than a ten-millionth is the rounding of float32.
    """
    spread = rest.std(0)
    noisy = spread > 1e-7 * largest
    least = spread[noisy].min(initial=np.inf)
    return np.where(noisy & (spread.max() > ONE_UNIT * least), spread, 1.0)
