"""Simulated movies of a cell that lights up: when, and whether it does so again.

    early           frame 3                 a spot at a place of its own, its brightness over 16 frames a bump
    late            frame 4                 of half a frame's width; read noise on every pixel
    early, again    frames 3 and 11
    late, again     frames 4 and 11

Two frames and a third tell the four apart, and evenly spaced ones do not, so which frames are taken decides.
How much any choice can tell is known exactly (`optimum`), for the brightness of a movie is a Gaussian vector.

x uint8 [N, 16, 8, 8, 1], 0.3 (76) where it is dark; label int32 [N]: one of four kinetics.
"""

from collections.abc import Sequence

import numpy as np

from dimaging_tf.data.dataset import Dataset, Split

KINETICS = ("early", "late", "early_again", "late_again")
FRAMES, SIDE = 16, 8
EVENTS = ((3,), (4,), (3, 11), (4, 11))
"""The frames in which each of the kinetics is brightest."""
WIDTH = 0.6
"""Standard deviation of an event in time, frames."""
AMPLITUDE, GAIN, WOBBLE = 0.9, 0.2, 0.12
"""Brightness of an event, its relative spread between cells, and the spread of each frame's brightness."""
NOISE, SPOT = 0.3, 1.5
"""Read noise of a pixel, in units of brightness, and the spot's standard deviation, pixels."""
DARK, SCALE = 0.3, 0.25
"""Grey value of brightness 0, and what brightness 1 adds to it; full scale is 1."""
TRAIN, VALID = 8000, 1000


def curves() -> np.ndarray:
    """Return the mean brightness [4, 16] of each of the kinetics."""
    time = np.arange(FRAMES)
    bumps = [
        sum(np.exp(-((time - event) ** 2) / (2 * WIDTH**2)) for event in events)
        for events in EVENTS
    ]
    return AMPLITUDE * np.stack(bumps)


def draw(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (movies uint8 [count, 16, 8, 8, 1], kinetics int32 [count])."""
    label = rng.integers(0, len(KINETICS), count)
    bright = curves()[label] * rng.normal(1, GAIN, (count, 1))
    bright += rng.normal(0, WOBBLE, bright.shape)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    y, x = rng.uniform(2, SIDE - 3, (2, count, 1, 1))
    spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * SPOT**2))
    movie = bright[:, :, None, None] * spot[:, None]
    movie += rng.normal(0, NOISE, movie.shape)
    grey = np.clip(DARK + SCALE * movie, 0, 1)
    return np.rint(255 * grey).astype(np.uint8)[..., None], label.astype(np.int32)


def optimum(frames: Sequence[int], count: int = 20_000, seed: int = 0) -> float:
    """Return the accuracy of the exact posterior that sees these frames and knows where the spot is.

    Its brightness, as a matched filter measures it, is Gaussian given the kinetics, with known mean and
    covariance. Drawn over `count` movies, the same ones for every choice of frames: a standard error of .002.
    """
    rng, chosen = np.random.default_rng(seed), list(frames)
    spread = WOBBLE**2 + NOISE**2 / (np.pi * SPOT**2)  # of a frame: its own, and the filter's
    label = rng.integers(0, len(KINETICS), count)
    seen = curves()[label] * rng.normal(1, GAIN, (count, 1))
    seen += rng.normal(0, np.sqrt(spread), seen.shape)
    scores = []
    for mean in curves()[:, chosen]:
        covariance = GAIN**2 * np.outer(mean, mean) + spread * np.eye(len(chosen))
        off = seen[:, chosen] - mean
        distance = np.einsum("ni,ij,nj->n", off, np.linalg.inv(covariance), off)
        scores.append(-0.5 * (distance + np.linalg.slogdet(covariance)[1]))
    return float((np.argmax(scores, 0) == label).mean())


def load_cell_kinetics(seed: int = 0) -> Dataset:
    """Draw 8,000 movies to learn from and 1,000 to judge by."""
    parts = [
        Split(*draw(count, np.random.default_rng([seed, stream])), kind="movie")
        for stream, count in enumerate((TRAIN, VALID))
    ]
    return Dataset(
        "cell_kinetics", *parts, licence="Apache-2.0, simulated here", source=__name__,
        summary="simulated cells that light up early or late, once or twice, 16 frames", classes=KINETICS,
    )  # fmt: skip
