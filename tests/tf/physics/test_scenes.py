"""Scenes: the plate is where it is said to be, gradients go back by the exact transpose, seeds repeat."""

import numpy as np
import pytest
from scipy import ndimage

from dimaging_tf.data import sign_scenes
from dimaging_tf.errors import DataError
from dimaging_tf.physics.scenes import SceneCamera

PLATE = np.ones((1, 12, 12, 3), np.float32)
DARK = SceneCamera(
    side=48, plate=24, photographs=np.zeros((1, 48, 48, 3), np.float32), exposure=(1.0, 1.0), blur=0,
    electrons=0, read_noise=0,
)  # fmt: skip


@pytest.mark.parametrize("distance", [1.0, 2.0, 4.0])
def test_a_plate_is_as_wide_as_its_distance_says(distance):
    camera = DARK.at(distance, 0)
    view, where = camera.located(np.random.default_rng(0))
    scene = view.apply(PLATE)[0, ..., 0]
    cover = where.placed((12, 12)).cover(48)
    np.testing.assert_allclose(scene, cover, atol=1 / 255)
    # Pitch and roll of 5 degrees change the area by a few percent.
    assert cover.sum() == pytest.approx((24 / distance) ** 2, rel=0.06)


def test_a_turned_plate_is_narrower_and_a_plate_may_leave_the_scene():
    areas = [
        DARK.at(1, yaw).located(np.random.default_rng(3))[1].placed((8, 8)).cover(48).sum()
        for yaw in (0, 60)
    ]
    assert areas[1] < 0.75 * areas[0]
    near = DARK.at(0.4, 0)
    assert near(np.random.default_rng(0)).apply(PLATE).mean() > 0.9


@pytest.mark.parametrize("size", [8, 20])
def test_gradients_go_back_by_the_transpose(size):
    rng = np.random.default_rng(5)
    behind = np.full((2, 48, 48, 3), 0.5, np.float32)
    camera = SceneCamera(
        side=48,
        plate=24,
        photographs=behind,
        distance=(0.8, 3),
        electrons=0,
        read_noise=0,
        blur=1.0,
    )
    view = camera(np.random.default_rng(2))
    low = np.full((1, size, size, 3), 0.4, np.float32)
    change = rng.uniform(-0.2, 0.2, low.shape).astype(np.float32)
    direction = rng.normal(size=(1, 48, 48, 3)).astype(np.float32)
    before, after = (float((view.apply(x) * direction).sum()) for x in (low, low + change))
    expected = float((view.back(direction) * change).sum())
    assert after - before == pytest.approx(expected, abs=0.3)  # 8 bits of 7,000 values


def test_a_gradient_before_any_plate_has_the_size_of_the_camera():
    view = SceneCamera(side=48, plate=24)(np.random.default_rng(2))
    gradient = view.back(np.ones((1, 48, 48, 3), np.float32))
    assert gradient.shape == (1, 24, 24, 3)
    view.apply(np.zeros((1, 24, 24, 3), np.float32))
    np.testing.assert_array_equal(view.back(np.ones((1, 48, 48, 3), np.float32)), gradient)


def test_the_same_seed_gives_the_same_scene():
    camera = SceneCamera(side=48, plate=24)
    first, again, other = (camera(np.random.default_rng(n)).apply(PLATE) for n in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_photographs_have_the_size_of_the_scene():
    with pytest.raises(
        DataError, match=r"float32 \[M, 48, 48, 3\] in \[0, 1\]; received \[1, 9, 9, 3\]"
    ):
        SceneCamera(side=48, photographs=np.zeros((1, 9, 9, 3), np.float32))


def test_scenes_hold_each_class_once_and_some_hold_none():
    scenes = sign_scenes.load_sign_scenes(48, seed=1, scenes=(24, 6))
    assert scenes.shape == (48, 48, 3)
    assert (len(scenes.train), len(scenes.valid)) == (24, 6)
    assert scenes.classes[:2] == ("nothing", "stop")
    label = np.asarray(scenes.train.label)
    kinds = [np.unique(mask[mask > 0]) for mask in label]
    assert {len(kind) for kind in kinds} == {0, 1, 2}
    for mask, kind in zip(label, kinds, strict=True):
        assert [ndimage.label(mask == k)[1] for k in kind] == [1] * len(kind)
    assert label.max() <= 8
    again = sign_scenes.load_sign_scenes(48, seed=1, scenes=(24, 6))
    np.testing.assert_array_equal(again.train.x, scenes.train.x)
