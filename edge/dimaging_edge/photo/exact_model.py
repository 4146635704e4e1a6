"""How a tile's exact pixels are predicted, and how sure that is: small linear models that its file brings.

A set of numbers serves a group of levels (0, 1, and all from 2 on), a kind of pixels and a plane:

    weights    int16 in 1/256, for each tap less the mean m of the four near ones: the plane's own 16, then of
               each plane before it the pixel itself and eight taps. prediction = m + floor((sum + 128) / 256)
    spread     int16 in 1/1024, for how much the taps differ and how wrong the planes before it were
    tables     a byte for each of 36 contexts, quarter octaves of the spread: its table of probabilities

Both ends compute them in whole numbers; only the encoder, which fits them, uses floats.
"""

from dataclasses import dataclass, replace

import numpy as np

from dimaging_edge.photo.exact_grid import taps

CONTEXTS = 36
"""The number of contexts that have tables of their own."""
GROUPS = 3
Key = tuple[int, int, int]
"""Group of levels, kind, plane."""
_NEIGHBOURS = ((0, 1), (0, 2), (2, 3), (1, 3), (0, 3), (1, 2))
"""The pairs of near taps whose difference tells how busy a place is."""


def group(level: int) -> int:
    """Return which group of levels shares the numbers."""
    return min(level, GROUPS - 1)


def sizes(channel: int) -> tuple[int, int]:
    """Return the number of weights and of spread numbers of a plane's sets."""
    return 16 + 9 * channel, 17 + 2 * channel


@dataclass
class Numbers:
    """One set: weights int16 [n], spread int16 [k], tables uint8 [36]."""

    weights: np.ndarray
    spread: np.ndarray
    tables: np.ndarray


@dataclass
class Place:
    """What is known about the pixels of a step in one plane before they are coded; arrays [h, w]."""

    mean: np.ndarray
    near: list[np.ndarray]
    far: list[np.ndarray]
    around: list[np.ndarray]  # the inputs of the prediction

    def taps_alone(self) -> "Place":
        """Return what the planes after this one need of it: its mean and taps."""
        return replace(self, around=[])


def look(
    planes: list[np.ndarray], channel: int, level: int, kind: int, where: tuple, before: list[Place]
) -> Place:
    """Gather the taps of a step in plane `channel`.

    before: what was gathered for each plane before it, whose pixels are known there already.
    """
    near, far = taps(planes[channel], level, kind)
    mean = (near[0] + near[1] + near[2] + near[3] + 2) >> 2
    around = [tap - mean for tap in (*near, *far)]
    for plane, one in zip(planes, before, strict=False):
        around += [tap - one.mean for tap in (plane[where], *one.near, *one.far[:4])]
    return Place(mean, near, far, around)


def rounded(error: np.ndarray, bound: int) -> np.ndarray:
    """Return errors in whole steps of 2 bound + 1, to the nearest."""
    wide = 2 * bound + 1
    return (error + bound) // wide


def predict(here: Place, weights: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return the prediction of every pixel, between `low` and `high`."""
    total = np.full_like(here.mean, 128)
    for weight, tap in zip(weights.tolist(), here.around, strict=True):
        if weight:
            total += weight * tap
    return (here.mean + (total >> 8)).clip(low, high)


def unsureness(here: Place, predicted: np.ndarray, errors: list[np.ndarray]) -> list[np.ndarray]:
    """Return what the spread is a sum of, arrays [h, w] of 0 or more; `errors` of the planes before."""
    near = here.near
    found = [np.abs(near[a] - near[b]) for a, b in _NEIGHBOURS]
    found += [np.abs(tap - here.mean) for tap in here.far[:8]]
    found += [np.abs(predicted - near[0]), np.abs(predicted - near[3])]
    found.append(np.full_like(here.mean, 4))
    for error in errors:
        size = np.abs(error)
        edge = np.pad(size, 1, mode="edge")
        found += [size, edge[:-2, 1:-1] + edge[2:, 1:-1] + edge[1:-1, :-2] + edge[1:-1, 2:]]
    return found


def contexts(unsure: list[np.ndarray], spread: np.ndarray) -> np.ndarray:
    """Return the context of every pixel, int64 [h, w]: quarter octaves of the spread."""
    total = np.zeros_like(unsure[0])
    for weight, one in zip(spread.tolist(), unsure, strict=True):
        if weight:
            total += weight * one
    size = (total >> 4).clip(4, 1 << 20)
    octave = np.frexp(size.astype(np.float64))[1].astype(np.int64) - 3  # binary digits, less 3
    return (4 * octave + (size >> octave) - 12).clip(0, CONTEXTS - 1)
