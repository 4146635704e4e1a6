"""Simulated dividing cells whose lineage is chosen generations before anybody can see it.

    generation      4 early    3 early    2 early    1 early    0 early
    of a cell       no choice  the choice is made, once for all descendants         its marker shows
    trace of it     none       1/4        0.45       0.7        1   (`TRACE`)

A cell lives for 8 frames, in which it grows; each frame is the 27 x 27 patch about its last place. Two things
drift with the choice, both against a large spread between cells: how granular a cell is (the contrast of four
lobes, turned anew in each frame), and how far it moves from frame to frame. As in Buggenthin et al. 2017
(Nature Methods 14), who foresaw the lineage of blood stem cells up to three generations before the marker.

The optimum is known: `log_odds` computes what exactly these frames say of the choice, by a sum over all
places and turns of each frame and an integral over the cell's own contrast. No model can tell more.

x uint8 [N, 8, 27, 27, 1]; label int32 [N]: lineage 0 or 1.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from dimaging_tf.data.dataset import Dataset, Split

FRAMES, SIDE = 8, 27
"""Frames of a cell's life, and height and width of a patch in pixels."""
TRACE = (1.0, 0.7, 0.45, 0.25, 0.0)
"""How much of the choice shows in a cell 0, 1, 2, 3 and 4 generations before the marker."""
LINEAGES = ("lineage 0", "lineage 1")
NOISE = 0.04
"""Standard deviation of a pixel; full scale is 1."""
CONTRAST, SPREAD, DRIFT = 0.12, 0.03, 0.036
"""Contrast of the lobes: its mean, its spread between cells, and how far the choice moves it either way."""
STEP, HASTE = 1.0, 0.1
"""Movement in a frame: its standard deviation in pixels, and the change of its logarithm by the choice."""
REACH = 2
"""The longest movement in a frame along either axis, pixels."""
TRAIN, VALID = 16_000, 1000
_GRID = 33
"""Points of the integral over the contrast."""


def draw(label: np.ndarray, early: int | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the lives uint8 [N, 8, 27, 27, 1] of cells of these lineages [N], `early` generations early."""
    sign, trace = 2.0 * label - 1, np.broadcast_to(np.array(TRACE)[early], label.shape)
    contrast = CONTRAST + DRIFT * sign * trace + SPREAD * rng.normal(size=len(label))
    bodies, lobes = _templates()
    movie = np.empty((len(label), FRAMES, SIDE, SIDE), np.uint8)
    for n in range(len(label)):
        chance = np.exp(_log_moves(sign[n] * trace[n]))
        place = rng.choice(len(chance), FRAMES, p=chance / chance.sum())
        turn = rng.integers(0, lobes.shape[2], FRAMES)
        time = np.arange(FRAMES)
        life = bodies[time, place] + contrast[n] * lobes[time, place, turn]
        life += NOISE * rng.normal(size=life.shape).astype(np.float32)
        movie[n] = np.rint(255 * np.clip(life, 0, 1)).reshape(FRAMES, SIDE, SIDE)
    return movie[..., None]


def log_odds(x: np.ndarray, early: Sequence[int] = (0, 1, 2, 3)) -> np.ndarray:
    """Return log p(x | lineage 1) - log p(x | lineage 0) of cells [N, 8, 27, 27, 1] uint8.

    early: the generations that x may be of, each as likely; one alone tells more than not knowing which.
    """
    return np.concatenate([_log_odds(part, early) for part in np.array_split(x, len(x) // 200 + 1)])


def _log_odds(x: np.ndarray, early: Sequence[int]) -> np.ndarray:
    seen = x.reshape(len(x), FRAMES, -1).astype(np.float32) / np.float32(255)
    bodies, lobes = _templates()
    low, high = CONTRAST - DRIFT - 4 * SPREAD, CONTRAST + DRIFT + 4 * SPREAD
    contrast = np.linspace(low, high, _GRID, dtype=np.float32)
    fit_body = np.einsum("ntp,tup->ntu", seen, bodies) - (bodies**2).sum(-1) / 2
    fit_lobe = np.einsum("ntp,turp->ntur", seen, lobes, optimize=True)
    fit_lobe -= np.einsum("tup,turp->tur", bodies, lobes)
    power = (lobes**2).sum(-1)[..., None] / 2
    fits = fit_lobe[..., None] * contrast - power * contrast**2  # [N, T, places, turns, contrasts]
    frames = _log_mean(fits / NOISE**2, 3) + fit_body[..., None] / NOISE**2
    said = []
    for sign in (1, -1):
        generations = []
        for trace in np.array(TRACE)[list(early)]:
            moves = _log_moves(sign * trace)
            moves -= np.log(np.exp(moves).sum())
            life = _log_mean(frames + moves[:, None] + np.log(len(moves)), 2).sum(1)
            off = (contrast - CONTRAST - DRIFT * sign * trace) / SPREAD
            generations.append(_log_mean(life - off**2 / 2, -1))
        said.append(_log_mean(np.stack(generations), 0))
    return said[0] - said[1]


def load_lineage_cells(seed: int = 0) -> Dataset:
    """Draw 16,000 cells of 0 to 3 generations before their marker to learn from, and 1,000 to judge by."""
    parts = []
    for stream, count in enumerate((TRAIN, VALID)):
        rng = np.random.default_rng([seed, stream])
        label = rng.integers(0, 2, count, np.int32)
        parts.append(Split(draw(label, rng.integers(0, 4, count), rng), label, kind="movie"))
    return Dataset(
        "lineage_cells", *parts, licence="Apache-2.0, simulated here", source=__name__,
        summary="simulated cells up to three generations before their lineage shows, 8 frames",
        classes=LINEAGES,
    )  # fmt: skip


def _moves() -> np.ndarray:
    """Return every movement [25, 2] in pixels."""
    steps = np.arange(-REACH, REACH + 1)
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)


def _log_moves(choice: float) -> np.ndarray:
    """Return the logarithm of how likely each movement is, up to a constant; choice: -1 to 1."""
    width = STEP * np.exp(HASTE * choice)
    return -(_moves() ** 2).sum(-1) / (2 * width**2)


@cache
def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Return bodies [T, places, pixels] and lobes of contrast 1 [T, places, 4 turns, pixels], float32."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    bodies, lobes = [], []
    for time in range(FRAMES):
        radius = 5.0 + 2.0 * time / (FRAMES - 1)  # it grows until it divides
        for down, right in _moves():
            far = np.hypot(y - down, x - right) / radius
            angle = np.arctan2(y - down, x - right)
            bodies.append(0.4 + 0.15 * np.exp(-(far**4)))
            ring = far * np.exp(-(far**4))
            lobes.append([ring * np.cos(4 * angle - turn * np.pi / 2) for turn in range(4)])
    places = len(_moves())
    return (
        np.array(bodies, np.float32).reshape(FRAMES, places, -1),
        np.array(lobes, np.float32).reshape(FRAMES, places, 4, -1),
    )


def _log_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the logarithm of the mean of exponentials along an axis."""
    top = values.max(axis, keepdims=True)
    return np.log(np.exp(values - top).mean(axis)) + np.squeeze(top, axis)
