"""The numbers of `exact_model` for a tile, by least squares: the encoder's part, which no decoder repeats."""

import numpy as np

from dimaging_edge.photo import exact_model
from dimaging_edge.photo.exact_grid import steps
from dimaging_edge.photo.exact_model import CONTEXTS, GROUPS, Key, Numbers, Place
from dimaging_edge.photo.exact_tables import SHAPES, TABLES, exact_tables

_RIDGE = 64.0
_MOST_ROWS = 1 << 16
"""The most pixels that a set is fitted to."""


def fit(planes: list[np.ndarray], ranges: list[tuple[int, int]], bound: int) -> dict[Key, Numbers]:
    """Return every set; ranges: (least, largest) value of each plane. bound: largest error of a pixel."""
    every = list(steps(*planes[0].shape))
    found: dict[Key, Numbers] = {}
    for part in range(GROUPS):
        for kind in range(3):
            mine = [
                step for step in every if exact_model.group(step[0]) == part and step[1] == kind
            ]
            errors: list[list[np.ndarray]] = [[] for _ in mine]
            before: list[list[Place]] = [[] for _ in mine]
            for channel, limits in enumerate(ranges):
                numbers = found[part, kind, channel] = _none(channel)
                if mine:
                    _fit_set(numbers, planes, channel, mine, errors, before, limits, bound)
    return found


def _none(channel: int) -> Numbers:
    """Return the set that predicts the mean of the near taps."""
    weights, spread = (np.zeros(size, np.int16) for size in exact_model.sizes(channel))
    spread[:6] = 128
    return Numbers(weights, spread, _usual())


def _usual() -> np.ndarray:
    """Return the tables that a context has where nothing was counted."""
    return (SHAPES * np.arange(CONTEXTS)).clip(0, TABLES - SHAPES).astype(np.uint8)


def _fit_set(
    numbers: Numbers, planes: list[np.ndarray], channel: int, mine: list,
    errors: list[list[np.ndarray]], before: list[list[Place]], limits: tuple[int, int], bound: int,
) -> None:  # fmt: skip
    places = [
        exact_model.look(planes, channel, level, kind, where, known)
        for (level, kind, where), known in zip(mine, before, strict=True)
    ]
    targets = [planes[channel][where] for _, _, where in mine]
    inputs = _columns([here.around for here in places])
    wanted = _columns([[x - here.mean] for x, here in zip(targets, places, strict=True)])
    numbers.weights = _solve(inputs, wanted, 256)
    unsure = []
    for number, (target, here) in enumerate(zip(targets, places, strict=True)):
        predicted = exact_model.predict(here, numbers.weights, *limits)
        unsure.append(exact_model.unsureness(here, predicted, errors[number]))
        errors[number].append(target - predicted)
        before[number].append(here.taps_alone())
    wide = 2 * bound + 1
    mistakes = _columns([[np.abs(error[-1]).clip(0, 512)] for error in errors])
    numbers.spread = _solve(_columns(unsure), 64 * mistakes / wide, 16)
    context = [exact_model.contexts(one, numbers.spread).ravel() for one in unsure]
    error = [exact_model.rounded(error[-1], bound).ravel() for error in errors]
    numbers.tables = _best_tables(np.concatenate(context), np.concatenate(error))


def _columns(parts: list[list[np.ndarray]]) -> np.ndarray:
    """Return float64 [pixels, inputs] of the inputs of each step, at most `_MOST_ROWS` pixels of them."""
    total = sum(arrays[0].size for arrays in parts)
    every = -(-total // _MOST_ROWS)
    return np.concatenate(
        [np.stack([x.ravel()[::every] for x in arrays], 1) for arrays in parts]
    ).astype(np.float64)


def _solve(inputs: np.ndarray, wanted: np.ndarray, unit: int) -> np.ndarray:
    """Return least squares weights in 1/unit, int16."""
    square = inputs.T @ inputs + _RIDGE * np.eye(inputs.shape[1])
    weights = np.linalg.solve(square, inputs.T @ wanted)[:, 0]
    return np.rint(unit * weights).clip(-(1 << 15), (1 << 15) - 1).astype(np.int16)


def _best_tables(context: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return for each context the table that takes the fewest bits for its errors."""
    scale = exact_tables()
    columns = scale.frequency.shape[1]
    column = np.where(np.abs(error) > scale.half, columns - 1, error + scale.half)
    counts = np.bincount(context * columns + column, minlength=CONTEXTS * columns)
    counts = counts.reshape(CONTEXTS, columns)
    best = (counts @ scale.cost[1:].T).argmin(axis=1)
    return np.where(counts.any(axis=1), best, _usual()).astype(np.uint8)
