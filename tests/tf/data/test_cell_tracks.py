"""Tracks as a tracker writes them: windows, divisions, and what the end of the movie hides."""

import numpy as np
import pytest

from dimaging_tf.data import cell_tracks, load
from dimaging_tf.errors import DataError


def track(name, first, count, parent=None, root=None, generation=0, y=0.0, x=0.0, state=1):
    """Rows of a cell that goes one pixel to the right in every frame."""
    frames = np.arange(first, first + count)
    rows = np.zeros((count, 8))
    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] = name, frames, y, x + np.arange(count)
    rows[:, 4], rows[:, 5] = state, generation
    rows[:, 6], rows[:, 7] = root or name, parent or name
    return rows


DIVIDES = [
    track(1, 0, 60), track(2, 60, 35, 1, 1, 1), track(3, 60, 35, 1, 1, 1, y=50.0),
    track(4, 0, 60, y=900.0),
]  # fmt: skip
"""Cell 1 divides after frame 59 into two that live until the movie ends at 94; cell 4 is lost at 59."""


def windows(parts=DIVIDES):
    return cell_tracks.windows(np.concatenate(parts))


def test_a_window_says_whether_the_cell_divides_soon():
    found = windows()
    mine = found.track == 1
    assert found.age[mine].tolist() == [30, 37, 44, 51, 58]
    assert found.label[mine].tolist() == [0, 0, 1, 1, 1]  # 60 - 44 = 16 frames before
    assert not found.label[~mine].any()
    assert found.x.shape[1:] == (30, 12)
    assert found.x.dtype == np.float32
    assert set(found.tree) == {1, 4}


def test_the_end_of_the_movie_is_no_answer():
    found = windows()
    assert not (found.track == 2).any()  # 35 frames: fewer than 20 are left after any window
    assert (found.track == 4).sum() == 5  # lost before the end: it did not divide


def test_what_is_known_of_a_frame():
    found = windows()
    first = found.x[(found.track == 1) & (found.age == 30)][0]
    np.testing.assert_allclose(first[1:, 0], np.log(2), atol=1e-6)  # a pixel a frame
    np.testing.assert_allclose(first[2:, 1], 0, atol=1e-6)  # straight on
    np.testing.assert_array_equal(first[:, 2:4], 0)  # nobody near
    np.testing.assert_array_equal(first[:, 4:9], np.eye(5)[1][None].repeat(30, 0))
    np.testing.assert_allclose(first[:, 9], np.arange(1, 31) / 100, atol=1e-6)
    np.testing.assert_array_equal(first[:, 10:], 0)


def test_neighbours_are_counted():
    near = cell_tracks._neighbours(np.concatenate(DIVIDES))
    assert near[2, 60] == (1, 1)  # its sister, 50 pixels away
    assert near[4, 10] == (0, 0)


def test_without_a_division_there_is_nothing_to_learn():
    with pytest.raises(DataError, match="1 tracks give 2 windows of 30 frames, all of one answer"):
        windows([track(1, 0, 60)])


@pytest.mark.parametrize(
    ("points", "columns", "words"),
    [
        (np.zeros((3, 7)), cell_tracks.COLUMNS[:7], r"expected \[P, 8\]: track, frame"),
        (np.zeros((3, 8)), cell_tracks.COLUMNS[::-1], "of the columns parent, root"),
        (np.full((3, 8), np.nan), cell_tracks.COLUMNS, "expected finite points"),
        (np.full((3, 8), 7.0), cell_tracks.COLUMNS, "states from 0 to 4"),
    ],
)
def test_tables_that_are_none(tmp_path, points, columns, words):
    np.savez(tmp_path / "lineage_tracks.npz", points=points, columns=np.array(columns))
    with pytest.raises(DataError, match=words):
        load("cell_tracks", data_dir=tmp_path)


def test_trees_are_whole_in_train_or_valid(tmp_path):
    shifted = [
        rows + np.array([10 * k, 0, 0, 0, 0, 0, 10 * k, 10 * k])
        for k in range(12)
        for rows in DIVIDES
    ]
    np.savez(
        tmp_path / "lineage_tracks.npz",
        points=np.concatenate(shifted),
        columns=np.array(cell_tracks.COLUMNS),
    )
    found = load("cell_tracks", data_dir=tmp_path)
    assert found.kind == "series"
    assert found.shape == (30, 12)
    total = len(windows(shifted).label)
    assert len(found.train) + len(found.valid) == total
    assert len(found.valid) % 5 == 0
