"""Batches: every example once an epoch, a new order each time, a resumed run sees the same."""

from itertools import islice

import numpy as np
import pytest
import tensorflow as tf

from dimaging_tf.data.dataset import Split, to_float
from dimaging_tf.data.pipeline import batches, valid_batches
from dimaging_tf.errors import DataError

COUNT = 23
SPLIT = Split(
    np.random.default_rng(0).integers(0, 256, (COUNT, 4, 5, 1), np.uint8), np.arange(COUNT)
)


def labels(dataset, steps):
    return np.concatenate([label.numpy() for _, label in islice(dataset, steps)])


@pytest.mark.parametrize("batch_size", [1, 5, 23, 24, 50])
def test_every_example_comes_once_an_epoch_also_across_a_batch(batch_size):
    epochs = 6
    steps = -(-epochs * COUNT // batch_size)
    order = labels(batches(SPLIT, batch_size, seed=1), steps)[: epochs * COUNT]
    order = order.reshape(epochs, COUNT)
    assert (np.sort(order, axis=1) == np.arange(COUNT)).all()
    assert len({tuple(epoch) for epoch in order}) == epochs


def test_orders_stay_new_for_many_epochs_and_are_well_mixed():
    order = labels(batches(SPLIT, COUNT, seed=1), 600).reshape(600, COUNT)
    assert len({tuple(epoch) for epoch in order}) == 600
    # Neighbours that stay neighbours: of a random order about one an epoch, sd 1 / sqrt(600).
    assert (np.diff(order, axis=1) == 1).sum() / 600 == pytest.approx(22 / 23, abs=0.2)
    # Where an example comes is uniform: mean (N - 1) / 2, standard error 6.6 / sqrt(600).
    assert order.mean(0) == pytest.approx(11, abs=4.5 * 6.63 / np.sqrt(600))
    places = np.argsort(order, axis=1)
    assert places.mean(0) == pytest.approx(11, abs=4.5 * 6.63 / np.sqrt(600))


def noisy(image, label, seed):
    return image + tf.random.stateless_normal(tf.shape(image), seed), label, seed


@pytest.mark.parametrize("skipped", [1, 4, 7, 13])
def test_starting_at_a_step_is_the_same_as_skipping_to_it(skipped):
    whole = list(islice(batches(SPLIT, 7, seed=5, transform=noisy), skipped + 6))[skipped:]
    resumed = islice(batches(SPLIT, 7, seed=5, start_step=skipped, transform=noisy), 6)
    for expected, received in zip(whole, resumed, strict=True):
        for left, right in zip(expected, received, strict=True):
            assert np.array_equal(left, right)


def test_seeds_differ_from_step_to_step_and_from_run_to_run():
    def seeds(seed):
        return {
            tuple(s.numpy()) for *_, s in islice(batches(SPLIT, 7, seed=seed, transform=noisy), 9)
        }

    assert len(seeds(0) | seeds(1) | seeds(2**40)) == 27
    first, other = (labels(batches(SPLIT, COUNT, seed=seed), 1) for seed in (0, 1))
    assert not np.array_equal(first, other)


def test_without_shuffling_it_is_the_order_of_the_arrays():
    order = labels(batches(SPLIT, 10, seed=0, shuffle=False), 5)
    assert np.array_equal(order, np.arange(50) % COUNT)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_images_are_those_of_to_float_to_the_last_bit(kind):
    image = np.arange(256).reshape(16, 4, 4, 1)
    image = (
        (image / 255).astype(kind)
        if kind == np.float32
        else (image * (np.iinfo(kind).max // 255)).astype(kind)
    )
    dataset = batches(Split(image), 16, seed=0, shuffle=False)
    batch = next(iter(dataset))
    assert batch.dtype == tf.float32
    assert np.array_equal(batch, to_float(image))
    assert dataset.element_spec == tf.TensorSpec((16, 4, 4, 1), tf.float32)


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (np.linspace(-900, 900, 30, dtype=np.float32).reshape(5, 3, 2), "series"),
        (np.arange(15, dtype=np.int32).reshape(5, 3), "tokens"),
    ],
)
def test_series_and_tokens_stay_as_they_are(x, kind):
    steps = np.arange(15).reshape(5, 3)
    batch, label = next(iter(batches(Split(x, steps, kind=kind), 5, seed=0, shuffle=False)))
    assert np.array_equal(batch, x)
    assert batch.dtype == x.dtype
    assert np.array_equal(label, steps)


def test_stored_integers_of_movies_are_rescaled():
    movie = np.full((2, 3, 4, 4, 1), 255, np.uint8)
    assert (next(iter(batches(Split(movie, kind="movie"), 2, seed=0))).numpy() == 1).all()


@pytest.mark.parametrize("start", [0, 2, 9])
def test_streams_go_on_where_they_were(start):
    found = batches(SPLIT, 4, seed=0, streams=True, start_step=start)
    rows = labels(found, 12).reshape(12, 4)
    step = (np.arange(12) + start)[:, None] % 5
    assert np.array_equal(rows, step + np.array([0, 5, 10, 15]))


@pytest.mark.parametrize(("batch_size", "rows"), [(4, 5), (23, 1), (50, 1)])
def test_streams_of_the_valid_split_are_one_epoch(batch_size, rows):
    found = list(valid_batches(SPLIT, batch_size, seed=0, streams=True))
    assert [len(label) for _, label in found] == [min(batch_size, COUNT)] * rows


def test_more_streams_than_examples():
    with pytest.raises(
        DataError, match=r"24 streams need as many examples; there are 23 \(a smaller"
    ):
        batches(SPLIT, 24, seed=0, streams=True)


def test_masks_come_with_their_images():
    mask = SPLIT.x[..., 0] > 99
    image, label = next(iter(batches(Split(SPLIT.x, mask.astype(np.uint8)), 9, seed=0)))
    assert label.dtype == tf.int32
    assert np.array_equal(label, image[..., 0] * 255 > 99.5)


def test_a_transform_may_get_no_label_and_return_what_fit_takes():
    def pair(image, label, seed):
        assert label is None
        assert seed.shape == (2,)
        return image * 0, image

    zero, image = next(iter(batches(Split(SPLIT.x), 3, seed=0, transform=pair)))
    assert zero.shape == image.shape == (3, 4, 5, 1)


def test_valid_batches_are_all_in_order_with_the_same_noise_every_time():
    dataset = valid_batches(SPLIT, 10, seed=0, transform=noisy)
    once, twice = list(dataset), list(dataset)
    assert [len(label) for _, label, _ in once] == [10, 10, 3]
    assert np.concatenate([label for _, label, _ in once]).tolist() == list(range(COUNT))
    assert len({tuple(seed.numpy()) for *_, seed in once}) == 3
    for left, right in zip(once, twice, strict=True):
        assert np.array_equal(left[0], right[0])
    assert len(list(valid_batches(Split(SPLIT.x), 23, seed=0))) == 1


ERRORS = [
    ({"batch_size": 0}, "batch_size is a whole number of at least 1; received 0"),
    ({"batch_size": 2.5}, "batch_size is a whole number of at least 1; received 2.5"),
    ({"start_step": -1}, "start_step is a whole number of at least 0; received -1"),
    ({"seed": -3}, "seed is a whole number of at least 0; received -3"),
]


def test_no_thread_tunes_them():
    """TensorFlow's tuner made trainings wait for up to a minute when an iterator was collected."""
    for found in (batches(SPLIT, 3, seed=0), valid_batches(SPLIT, 3, seed=0)):
        assert found.options().autotune.enabled is False


@pytest.mark.parametrize(("changes", "words"), ERRORS)
def test_numbers_are_checked(changes, words):
    options = {"batch_size": 4, "seed": 0} | changes
    with pytest.raises(DataError) as caught:
        batches(SPLIT, options.pop("batch_size"), **options)
    assert words in str(caught.value)
