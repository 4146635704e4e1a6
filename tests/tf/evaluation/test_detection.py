"""Detections: boxes read from maps, overlaps and F1 by hand, and counts by distance and angle."""

import numpy as np
import pytest

from dimaging_tf.evaluation import detection
from dimaging_tf.evaluation.detection import Found
from dimaging_tf.physics.scenes import SceneCamera


def found(label, *box, score=1.0):
    return Found(label, score, np.array(box, np.float64))


def maps(*cells):
    """Maps of 4 x 4 cells in which (row, column, class, score) are seen, each 10 pixels to every side."""
    scores = np.full((4, 4, 3), -5, np.float32)
    for row, column, label, score in cells:
        scores[row, column, label - 1] = score
    return scores, np.full((4, 4, 4), 10, np.float32)


def test_a_cell_above_nothing_is_a_sign_and_its_neighbours_are_the_same_one():
    scores, boxes = maps((1, 1, 2, 3.0), (1, 2, 2, 1.0), (3, 3, 1, 0.5), (0, 3, 3, -0.1))
    first, second = detection.read(scores, boxes, 8)
    both = {"scores": np.stack([np.full_like(scores, -5), scores]), "boxes": np.stack([boxes] * 2)}
    nothing, again = detection.read_maps(both, 8)
    assert (nothing, [f.label for f in again]) == ([], [2, 1])
    assert (first.label, first.score) == (2, 3.0)
    np.testing.assert_array_equal(first.box, [2, 2, 22, 22])
    assert second.label == 1
    np.testing.assert_array_equal(second.box, [18, 18, 38, 38])


def test_the_truth_of_a_mask():
    mask = np.zeros((10, 12), int)
    mask[2:5, 3:9], mask[7:9, 1:3] = 4, 1
    one, two = detection.truth(mask)
    assert (one.label, two.label) == (1, 4)
    np.testing.assert_array_equal(two.box, [2, 3, 5, 9])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1),
        ((0, 0, 2, 2), (0, 1, 2, 3), 1 / 3),
        ((0, 0, 2, 2), (2, 2, 4, 4), 0),
        ((0, 0, 2, 2), (5, 5, 6, 6), 0),
    ],
)
def test_overlap(a, b, expected):
    assert detection.overlap(np.array(a, float), np.array(b, float)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([], [], 100),
        ([found(1, 0, 0, 4, 4)], [], 0),
        ([found(1, 0, 0, 4, 4)], [found(1, 0, 0, 4, 4)], 100),
        ([found(2, 0, 0, 4, 4)], [found(1, 0, 0, 4, 4)], 0),
        ([found(1, 0, 0, 4, 4)] * 2, [found(1, 0, 0, 4, 4)], 200 / 3),
        ([found(1, 0, 3, 4, 7)], [found(1, 0, 0, 4, 4)], 0),
    ],
)
def test_f1(ours, theirs, expected):
    assert detection.f1([ours], [theirs]) == pytest.approx(expected)


@pytest.mark.parametrize(("said", "counted"), [(3, "right"), (2, "other"), (None, "unseen")])
def test_views_are_counted_by_what_is_said_of_them(said, counted):
    camera = SceneCamera(side=32, plate=16)

    def detect(scenes):
        """A sign that covers the scene where there is one to be named."""
        return [[found(said, 0, 0, 32, 32)] if said else [] for _ in scenes]

    plates = np.full((2, 8, 8, 3), 0.5, np.float32)
    near = camera.at(0.6, 0)
    counts = detection.read_views(
        detect, plates, np.array([3, 3]), near, distances=(0.6,), yaws=(0, 20), draws=2
    )
    assert counts.pictures == 4
    assert counts.share(counted) == 1
    assert getattr(counts, counted).tolist() == [[4, 4]]


def test_frames_are_drawn_inside_the_image():
    image = np.zeros((6, 6, 3), np.float32)
    drawn = detection.framed(image, [found(1, -3, 1, 4, 9), found(2, 20, 20, 30, 30)])
    assert not image.any()
    assert drawn[0, 1:].all()
    assert drawn[1:3, 2:5].max() == 0
