"""Maps of distance and angle: known answers on classifiers that one can compute by hand."""

import numpy as np
import pytest
from dimaging_edge.common.camera import Camera
from dimaging_edge.common.errors import DimagingError, InputError
from dimaging_edge.robustness.report import wilson
from dimaging_edge.robustness.view_map import view_map

CAMERA = Camera(8, exposure=(1.0, 1.0), background=(0.5, 0.5))
X = np.stack([np.full((8, 8, 1), value, np.float32) for value in (0.1, 0.2, 0.8, 0.9)])


def brightness(images):
    """Two logits: dark against light."""
    mean = images.mean((1, 2, 3))
    return np.stack([0.5 - mean, mean - 0.5], 1)


def test_a_right_classifier_is_never_deceived_and_a_wrong_one_always():
    y = np.array([0, 0, 1, 1])
    found = view_map(brightness, X, y, CAMERA, distances=(1, 2), yaws=(0, 30, 60), draws=2)
    assert found.hits.shape == (2, 3)
    assert found.pictures == 8
    assert found.mean == found.rates.max() == 0
    wrong = view_map(brightness, X, 1 - y, CAMERA, distances=(1, 2), yaws=(0, 30, 60), draws=2)
    assert wrong.worst == wrong.mean == 1
    assert wrong.interval(0, 0) == (wilson(8, 8).low, wilson(8, 8).high)


def test_with_a_target_only_that_class_counts():
    found = view_map(
        brightness, X, np.zeros(4, int), CAMERA, distances=(1,), yaws=(0,), draws=1, target=1
    )
    assert found.hits.item() == 2


def test_the_same_seed_gives_the_same_map():
    first, again = (
        view_map(noisy(seed), X, np.zeros(4, int), CAMERA, draws=2).hits for seed in (0, 0)
    )
    np.testing.assert_array_equal(first, again)


def noisy(seed):
    rng = np.random.default_rng(seed)
    return lambda images: rng.normal(size=(len(images), 3))


def test_the_table_has_a_row_for_each_distance():
    table = view_map(
        brightness, X, np.array([0, 0, 0, 0]), CAMERA, distances=(1, 2), yaws=(0, 45), draws=3
    ).table()
    head, *rows = table.splitlines()
    assert head.split() == ["distance", "0°", "45°"]
    assert [row.split()[:2] for row in rows] == [["1", "50%"], ["2", "50%"]]


def test_nan_is_not_counted_as_deceived():
    bad = X.copy()
    bad[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="1 values that are NaN or infinite"):
        view_map(brightness, bad, np.zeros(4, int), CAMERA)
    with pytest.raises(DimagingError, match="NaN or infinite logits"):
        view_map(lambda x: brightness(x) * np.nan, X, np.zeros(4, int), CAMERA)
