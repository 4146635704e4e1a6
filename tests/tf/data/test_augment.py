"""Augmentation: a pure function of the seed, masks that move with images, values that stay."""

import sys
from itertools import islice

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config  # the only way to disable_op_determinism

from dimaging_tf.data.augment import POLICIES, augmentation
from dimaging_tf.data.dataset import Split
from dimaging_tf.data.elastic import read, refocused
from dimaging_tf.data.pipeline import batches
from dimaging_tf.errors import DataError

RNG = np.random.default_rng(0)
IMAGE = RNG.random((8, 16, 16, 1), np.float32)
SEED = tf.constant([1, 2])


@pytest.fixture(scope="module", params=sorted(POLICIES))
def policy(request):
    return request.param, augmentation(request.param)


def test_the_same_seed_gives_the_same_pixels_also_inside_tf_data(policy):
    name, vary = policy
    image = vary(IMAGE_TENSOR, None, SEED)[0]
    assert np.array_equal(image, vary(IMAGE_TENSOR, None, SEED)[0])
    inside = tf.data.Dataset.from_tensors((IMAGE, SEED)).map(lambda x, s: vary(x, None, s)[0])
    # A graph fuses multiplications and additions, so interpolated values differ in the last bits.
    assert np.abs(next(iter(inside)) - image).max() <= (
        1e-6 if name in ("microscopy", "cells", "elastic", "faces", "joined_faces") else 0
    )
    assert np.array_equal(next(iter(inside)), next(iter(inside)))
    other = vary(IMAGE_TENSOR, None, tf.constant([1, 3]))[0]
    assert np.array_equal(image, other) == (name == "none")


IMAGE_TENSOR = tf.constant(IMAGE)


def test_a_resumed_run_sees_the_same_pixels(policy):
    split = Split(IMAGE, np.arange(8))
    whole = batches(split, 3, seed=4, transform=policy[1])
    resumed = batches(split, 3, seed=4, start_step=3, transform=augmentation(policy[0]))
    for left, right in zip(islice(whole, 3, 6), islice(resumed, 3), strict=True):
        assert np.array_equal(left[0], right[0])
        assert np.array_equal(left[1], right[1])


def test_shape_type_range_and_labels_stay(policy):
    name, vary = policy
    for image in (IMAGE_TENSOR, tf.ones((2, 9, 9, 3)), tf.zeros((2, 8, 12, 1))):
        label = tf.range(len(image))
        varied, kept = vary(image, label, SEED)
        batch, height, width, channels = image.numpy().shape
        size = (height // 2, height // 2) if name == "crops" else (height, width)
        assert varied.shape == (batch, *size, channels)
        assert varied.dtype == tf.float32
        assert tf.reduce_min(varied) >= 0
        assert tf.reduce_max(varied) <= 1
        assert np.array_equal(kept, label)
        assert vary(image, None, SEED)[1] is None


def test_flips_are_the_eight_symmetries_and_move_no_value():
    vary = augmentation("flips")
    many = tf.tile(IMAGE_TENSOR[:1], [400, 1, 1, 1])
    seen = vary(many, None, SEED)[0].numpy()[..., 0]
    square = IMAGE[0, ..., 0]
    symmetries = [np.rot90(s, k) for s in (square, square.T) for k in range(4)]
    counts = [int((seen == symmetry).all((1, 2)).sum()) for symmetry in symmetries]
    assert sum(counts) == 400
    assert min(counts) > 50 - 4.5 * np.sqrt(400 * 7 / 64)


def _blocks():
    """Smooth pictures whose mask can be read from them: bright where the label is 1 to 3."""
    mask = np.kron(RNG.integers(0, 4, (16, 4, 4)), np.ones((12, 12), int)).astype(np.int32)
    return tf.constant((mask / 4).astype(np.float32)[..., None]), tf.constant(mask)


@pytest.mark.parametrize("name", ["flips", "microscopy", "cells", "elastic"])
def test_masks_move_with_their_images(name):
    image, mask = _blocks()
    varied, moved = (part.numpy() for part in augmentation(name)(image, mask, SEED))
    assert moved.dtype == np.int32
    assert set(np.unique(moved)) <= {0, 1, 2, 3}
    assert not np.array_equal(moved, mask)
    if name == "elastic":  # undo each image's own light and contrast
        lines = [np.polyfit(v.ravel(), m.ravel(), 1) for v, m in zip(varied, moved, strict=True)]
        varied = np.stack([np.polyval(line, v) for line, v in zip(lines, varied, strict=True)]) / 4
    seen = np.rint(varied[..., 0] * 4).astype(int)
    # Interpolation blurs the edges of the blocks, so not all of a picture can agree.
    agreement = (seen == moved).mean((1, 2))
    assert agreement.min() > (0.999 if name == "flips" else 0.85)
    # Image and mask of another image do not agree.
    assert (seen == np.roll(moved, 1, axis=0)).mean() < 0.5


def test_half_of_the_microscopy_images_keep_their_pixels():
    many = tf.tile(IMAGE_TENSOR[:1], [400, 1, 1, 1])
    seen = augmentation("microscopy")(many, None, SEED)[0].numpy()[..., 0]
    square = IMAGE[0, ..., 0]
    exact = sum(
        (seen == np.rot90(s, k)).all((1, 2)).sum() for s in (square, square.T) for k in range(4)
    )
    assert exact == pytest.approx(200, abs=4.5 * 10)


def test_half_of_the_elastic_images_are_bent_and_all_change_their_light():
    y, x = np.mgrid[:32, :32] / 32
    # Slow waves: light stays within [0, 1], and focus changes little.
    waves = 0.5 + 0.1 * np.cos(7 * y + 2 * x) + 0.05 * np.cos(9 * x - 3 * y)
    many = tf.constant(np.tile(waves[None, ..., None], (400, 1, 1, 1)).astype(np.float32))
    seen = augmentation("elastic")(many, None, SEED)[0].numpy()[..., 0]
    square = many[0].numpy()[..., 0].astype(np.float64)
    symmetries = [np.rot90(s, k).ravel() for s in (square, square.T) for k in range(4)]
    same = np.array([max(np.corrcoef(one.ravel(), s)[0, 1] for s in symmetries) for one in seen])
    assert (same > 0.998).sum() == pytest.approx(200, abs=4.5 * 10)
    assert seen.mean((1, 2)).std() == pytest.approx(0.05, rel=0.2)


def test_focus_multiplies_a_wave_by_what_the_blur_leaves_of_it():
    """The binomial blur leaves cos(pi f)^4 of a wave of f cycles a pixel."""
    amount = np.array([0.5, -0.75, 0], np.float32).reshape(3, 1, 1, 1)
    for cycles in (0.1, 0.25):
        wave = np.cos(2 * np.pi * cycles * np.arange(40)).astype(np.float32)
        image = tf.constant(np.tile(wave[None, :, None, None], (3, 1, 9, 2)))
        seen = refocused(image, tf.constant(amount)).numpy()
        gain = 1 + amount * (1 - np.cos(np.pi * cycles) ** 4)
        np.testing.assert_allclose(seen[:, 2:-2], (gain * image)[:, 2:-2], atol=1e-5)


def test_a_picture_is_read_between_its_pixels_and_mirrored_outside():
    picture = tf.constant(RNG.random((2, 5, 7, 3), np.float32))
    rows, columns = np.meshgrid(np.arange(5.0), np.arange(7.0), indexing="ij")
    grid = np.stack([rows, columns], -1)[None].repeat(2, 0).astype(np.float32)
    assert np.array_equal(read(picture, tf.constant(grid)), picture)
    half = read(picture[:, :-1], tf.constant(grid[:, :-1] + np.array([0.5, 0], np.float32))).numpy()
    expected = (picture[:, :3] + picture[:, 1:4]) / 2
    np.testing.assert_allclose(half[:, :3], expected, atol=1e-6)
    outside = read(picture, tf.constant(grid + np.array([2, -3], np.float32)), nearest=True)
    mirrored = np.pad(picture, ((0, 0), (0, 2), (3, 0), (0, 0)), "reflect")
    assert np.array_equal(outside, mirrored[:, 2:, :7])


def test_rotation_and_zoom_are_within_what_is_stated():
    """A bright dot off the centre tells angle and zoom of its image."""
    picture = np.zeros((65, 65), np.float32)
    picture[30:35, 50:55] = 1
    many = tf.constant(np.tile(picture[None, ..., None], (300, 1, 1, 1)))
    seen = augmentation("microscopy")(many, None, SEED)[0].numpy()[..., 0]
    y, x = np.mgrid[:65, :65] - 32
    weight = seen.sum((1, 2))
    dy, dx = (seen * y).sum((1, 2)) / weight, (seen * x).sum((1, 2)) / weight
    angle = np.degrees(np.arctan2(dy, dx)) % 90
    off = np.minimum(angle, 90 - angle)
    assert 17 < off.max() < 21
    radius = np.hypot(dy, dx) / 20
    assert 1 / 1.17 < radius.min() < 0.9
    assert 1.1 < radius.max() < 1 / 0.84


def test_cutout_makes_one_black_rectangle_of_the_stated_size():
    vary = augmentation("cutout")
    holes = vary(tf.ones((300, 64, 64, 3)), None, SEED)[0].numpy() == 0
    assert (holes.any(-1) == holes.all(-1)).all()
    for hole in holes[..., 0]:
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole.sum() == len(rows) * len(columns)  # one rectangle
        assert 4 <= len(rows) <= 33
        assert 4 <= len(columns) <= 33
    mask = tf.ones((2, 8, 8), tf.int32)
    assert np.array_equal(vary(tf.ones((2, 8, 8, 1)), mask, SEED)[1], mask)


def test_faces_are_mirrored_moved_and_lit():
    """A step in each direction tells mirror and move; its heights tell the light."""
    picture = np.zeros((32, 32), np.float32)
    picture[10:, 20:] = 0.5
    picture[:, 31] = 0.25
    many = np.tile(picture[None, ..., None], (400, 1, 1, 1))
    mask = tf.constant((many[..., 0] == 0.5).astype(np.int32))
    seen, moved = (part.numpy() for part in augmentation("faces")(tf.constant(many), mask, SEED))
    assert np.corrcoef(seen[..., 0].ravel(), moved.ravel())[0, 1] > 0.8
    columns = [int(np.flatnonzero(m.any(0))[0]) for m in moved]
    left = np.array(columns) < 10  # mirrored, the step begins at column 1
    assert left.mean() == pytest.approx(0.5, abs=0.11)
    rows = {int(np.flatnonzero(m.any(1))[0]) for m in moved}
    assert rows == {8, 9, 10, 11, 12}
    assert {c for c in columns if c >= 10} == {18, 19, 20, 21, 22}
    assert 0.45 < np.median(seen[moved == 1]) < 0.55
    assert seen[moved == 1].std() > 0.02


def test_a_quarter_of_the_joined_faces_continue_as_another():
    """Grey pictures of rising brightness: a row tells its face, and where another one begins."""
    grey = np.linspace(0.2, 0.8, 400, dtype=np.float32)
    image = tf.constant(np.ones((400, 32, 32, 1), np.float32) * grey[:, None, None, None])
    mask = tf.tile(tf.range(400)[:, None, None], [1, 32, 32])
    alone = augmentation("faces")(image, mask, SEED)[0].numpy()
    seen, moved = (part.numpy() for part in augmentation("joined_faces")(image, mask, SEED))
    changed = (moved != mask.numpy()).any((1, 2))
    assert changed.mean() == pytest.approx(0.25, abs=4.5 * np.sqrt(3 / 16 / 400))
    assert np.array_equal(seen[~changed], alone[~changed])
    for k in np.flatnonzero(changed):
        rows = moved[k, :, 0]
        begins = int(np.argmax(rows != k))
        assert 5 <= begins <= 28
        assert (rows[begins:] == 399 - k).all()
        if abs(grey[k] - grey[399 - k]) > 0.1:
            assert abs(seen[k, 0, 0, 0] - alone[k, 0, 0, 0]) < 0.3 * abs(grey[k] - grey[399 - k])


def test_policies_work_where_only_deterministic_operations_are_allowed():
    tf.config.experimental.enable_op_determinism()
    try:
        for name in POLICIES:
            next(iter(batches(Split(IMAGE), 3, seed=0, transform=augmentation(name))))
    finally:
        config.disable_op_determinism()


def test_an_unknown_policy():
    with pytest.raises(DataError, match="unknown augmentation 'flip'; did you mean 'flips'"):
        augmentation("flip")
    with pytest.raises(
        DataError, match=r"known: none, flips, microscopy, cells, elastic, crops, cutout"
    ):
        augmentation("rotate")


@pytest.mark.parametrize("policy", ["microscopy", "cutout"])
def test_without_keras_cv_the_extra_is_named(policy, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(
        DataError, match=f"'{policy}' needs keras_cv: pip install 'dimaging.augment.'"
    ):
        augmentation(policy)
