"""Tracks of real cells as a tracker writes them, cut into windows: will the cell divide within 20 frames?

    points [P, 8]: track, frame, y, x, state, generation, root, parent     a row for each cell in each frame
        └─ windows of 30 frames ─> x float32 [N, 30, 12]              label 1: it divides 1 to 20 frames on

Of every frame: how fast the cell moves (log(1 + pixels)), how much it turns (0 to 1), its neighbours within
60 and 120 pixels (/ 10), the tracker's five states (0 or 1 each), its age (/ 100 frames), whether its birth
was seen, and its generation. A cell divides if two tracks name it as their parent. A track that the end
of the movie cuts is no cell that did not divide: windows that end within 20 frames of it are left out.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dimaging_tf.data.cache import Folder, Remote, locate
from dimaging_tf.data.dataset import Dataset, Split
from dimaging_tf.data.npz import read_npz
from dimaging_tf.data.own import valid_names
from dimaging_tf.errors import DataError

FILE = Remote("lineage_tracks.npz")
COLUMNS = ("track", "frame", "y", "x", "state", "generation", "root", "parent")
STATES = 5
STEPS, STRIDE = 30, 7
"""Frames of a window, and between the ends of two windows of a cell."""
AHEAD = 20
"""Frames within which the division is foretold."""
NEAR, WIDE = 60.0, 120.0
"""Distances of neighbours, pixels."""


class Windows(NamedTuple):
    """Windows of tracks, and what they belong to."""

    x: np.ndarray  # float32 [N, 30, 12]
    label: np.ndarray  # int32 [N]
    tree: np.ndarray  # int [N], the first ancestor of the cell
    track: np.ndarray  # int [N]
    age: np.ndarray  # int [N], frames of the track up to the end of the window


def read_points(path: Path) -> np.ndarray:
    """Return the points [P, 8] of an .npz, in the order of `COLUMNS`; DataError for another table."""
    points, columns = read_npz(path, ("points", "columns")).values()
    if tuple(columns.tolist()) != COLUMNS or points.ndim != 2 or points.shape[1] != len(COLUMNS):
        raise DataError(
            f"{path} holds points {list(points.shape)} of the columns "
            f"{', '.join(map(str, columns.ravel()))}; expected [P, {len(COLUMNS)}]: {', '.join(COLUMNS)}"
        )
    if not np.isfinite(points).all() or not 0 <= points[:, 4].min() <= points[:, 4].max() < STATES:
        raise DataError(f"{path}: expected finite points, and states from 0 to {STATES - 1}")
    return points.astype(np.float64)


def tracks_of(points: np.ndarray) -> dict[int, np.ndarray]:
    """Return the points of every track, in the order of frames."""
    order = points[np.lexsort((points[:, 1], points[:, 0]))]
    starts = np.flatnonzero(np.diff(order[:, 0], prepend=-1))
    return {int(part[0, 0]): part for part in np.split(order, starts[1:])}


def windows(points: np.ndarray) -> Windows:
    """Cut all tracks of a movie into windows; DataError where there is none of either answer."""
    tracks = tracks_of(points)
    parents = Counter(int(part[0, 7]) for name, part in tracks.items() if int(part[0, 7]) != name)
    last = points[:, 1].max()
    crowd = _neighbours(points)
    found: list[tuple] = []
    for name, part in tracks.items():
        divides = parents[name] >= 2
        steps = _steps(part, crowd, born=int(part[0, 7]) != name)
        for end in range(STEPS, len(part), STRIDE):
            left = len(part) - end
            if not divides and left <= AHEAD and part[-1, 1] >= last:
                continue
            soon = divides and left <= AHEAD
            found.append((steps[end - STEPS : end], soon, part[0, 6], name, end))
    if len({soon for _, soon, *_ in found}) < 2:
        raise DataError(
            f"{len(tracks)} tracks give {len(found)} windows of {STEPS} frames, all of one answer; expected "
            "some that end in a division, which two tracks name as their parent, and some that do not"
        )
    x, label, tree, track, age = (np.array(column) for column in zip(*found, strict=True))
    whose = (column.astype(int) for column in (tree, track, age))
    return Windows(x.astype(np.float32), label.astype(np.int32), *whose)


def load_cell_tracks(data_dir: Folder = None, seed: int = 0) -> Dataset:
    """Return the windows of lineage_tracks.npz; a tenth of the trees, chosen by `seed`, is valid."""
    path = locate(FILE, data_dir, download=False)
    cut = windows(read_points(path))
    trees = sorted({str(tree) for tree in cut.tree})
    valid = np.isin(cut.tree.astype(str), list(valid_names(trees, seed)))
    parts = [Split(cut.x[side], cut.label[side], "series") for side in (~valid, valid)]
    return Dataset(
        "cell_tracks", *parts, licence="MIT (btrack)", source="K. Ulicna et al. 2021, btrack's examples",
        summary="windows of tracked cells: does it divide within 20 frames?",
        classes=("goes on", "divides"),
    )  # fmt: skip


def _neighbours(points: np.ndarray) -> dict[tuple[int, int], tuple[int, int]]:
    """Return (track, frame) -> how many other cells are within 60 and within 120 pixels."""
    found = {}
    for frame in np.unique(points[:, 1]):
        here = points[points[:, 1] == frame]
        far = np.hypot(*(here[:, None, k] - here[None, :, k] for k in (2, 3)))
        counts = ((far < NEAR).sum(1) - 1, (far < WIDE).sum(1) - 1)
        for row, near, wide in zip(here, *counts, strict=True):
            found[int(row[0]), int(frame)] = int(near), int(wide)
    return found


def _steps(part: np.ndarray, crowd: dict, born: bool) -> np.ndarray:
    """Return what is known of a track in each of its frames, [T, 12]."""
    moves = np.diff(part[:, 2:4], axis=0, prepend=part[:1, 2:4])
    speed, heading = np.hypot(*moves.T), np.arctan2(*moves.T)
    turn = np.abs(np.angle(np.exp(1j * np.diff(heading, prepend=heading[:1])))) / np.pi
    near = np.array([crowd[int(row[0]), int(row[1])] for row in part]) / 10
    state = np.eye(STATES)[part[:, 4].astype(int)]
    age = np.arange(1, len(part) + 1) / 100
    return np.column_stack(
        [np.log1p(speed), turn, near, state, age, np.full(len(part), born), part[:, 5]]
    )
