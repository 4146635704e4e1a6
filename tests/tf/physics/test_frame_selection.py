"""Masks of frames: drawn, differentiated, searched for, and written down."""

import io
import json
from itertools import combinations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dimaging_tf.physics import frame_selection as selection


@pytest.mark.parametrize(
    ("frames", "keep", "mask"),
    [(16, 3, (2, 8, 13)), (4, 4, (0, 1, 2, 3)), (5, 1, (2,)), (10, 2, (2, 7))],
)
def test_uniform_masks(frames, keep, mask):
    assert selection.uniform_mask(frames, keep) == mask


@given(st.integers(2, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_a_uniform_mask_has_different_frames_in_order(sizes):
    frames, keep = sizes
    mask = selection.uniform_mask(frames, keep)
    assert len(set(mask)) == keep
    assert sorted(mask) == list(mask)
    assert mask[-1] < frames


def test_random_masks_take_the_largest():
    noise = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    masks = selection.random_masks(noise, 3).numpy()
    np.testing.assert_array_equal(masks.sum(-1), 3)
    for row, mask in zip(noise, masks, strict=True):
        assert row[mask == 1].min() > row[mask == 0].max()


def test_straight_through_is_hard_forwards_and_soft_backwards():
    scores = tf.Variable(tf.constant([0.3, 0.1, 0.0, -5.0]))
    noise = tf.zeros([2, 4])
    worth = tf.constant([0.0, 1.0, 5.0, 0.0])  # the frame that is left out would help most
    with tf.GradientTape() as tape:
        masks = selection.straight_through(scores, noise, 2, tf.constant(0.5))
        gain = tf.reduce_sum(masks * worth)
    np.testing.assert_allclose(masks, [[1, 1, 0, 0]] * 2, atol=1e-6)
    slope = np.asarray(tape.gradient(gain, scores))
    assert slope[2] == slope.max() > 0
    assert abs(slope[3]) < 1e-3


@pytest.mark.parametrize("most", [5000, 1])
@pytest.mark.parametrize("keep", [1, 3])
def test_search_finds_the_best_mask(monkeypatch, most, keep):
    """By trying all of them, and by greedy choice and swaps, where a greedy choice alone goes wrong."""
    monkeypatch.setattr(selection, "MOST_MASKS", most)
    rng = np.random.default_rng(keep)
    worth, pair = rng.normal(size=9), np.zeros((9, 9))
    pair[3, 7] = 4.0

    def cost(mask):
        together = sum(pair[a, b] for a, b in combinations(mask, 2))
        return -float(worth[list(mask)].sum() + together)

    best = min(combinations(range(9), keep), key=cost)
    found = selection.search(cost, 9, keep)
    if most > 1 or keep == 1:
        assert found == best
    assert cost(found) <= cost(selection.uniform_mask(9, keep))
    assert list(found) == sorted(set(found))


def test_swaps_mend_a_greedy_choice(monkeypatch):
    monkeypatch.setattr(selection, "MOST_MASKS", 1)
    table = {(0,): 0.0, (1,): 1.0, (2,): 1.0, (0, 1): -1.0, (0, 2): -1.5, (1, 2): -3.0}
    assert selection.search(table.__getitem__, 3, 2) == (1, 2)


@pytest.mark.parametrize(("rate", "seconds"), [(None, None), (2.0, [0.5, 2.0])])
def test_what_the_microscope_has_to_do(rate, seconds):
    said = json.loads(selection.protocol((1, 4), 6, rate))
    assert said == {"frames": [1, 4], "of": 6, "frames_per_second": rate, "seconds": seconds}


def test_the_picture_shows_the_frames_that_are_taken():
    with Image.open(io.BytesIO(selection.strip_png((1, 4), 6))) as picture:
        pixels = np.asarray(picture)
    centres = pixels[pixels.shape[0] // 2, 16::28][:6]
    assert (centres < 100).nonzero()[0].tolist() == [1, 4]
