"""Batches for training and validation, as tf.data. Every step is a pure function of (seed, step).

    step ─> batch_size places in an endless row of shuffled epochs ─> gather ─> scale ─> transform

Nothing is shuffled in a buffer and no generator has a state, so a run that resumes at step k sees
the batches that it would have seen. Examples stay in memory as they were stored; a step gathers and
converts its own: stored integers of images and movies become float32 in [0, 1], series (float32) and
tokens (int32) stay as they are.

A model that carries its state from batch to batch reads `streams`: row b of a batch is the example that
follows row b of the batch before, so the split is read as batch_size streams side by side,

    example 0 1 2 3 4 5 6 7 8 9 10, three streams     step 0: 0 3 6    step 1: 1 4 7    step 2: 2 5 8

from their beginning again every len(split) // batch_size steps, which is an epoch of `dimaging train`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from dimaging_tf.data.dataset import LEVELS, Split
from dimaging_tf.data.kinds import PICTURES
from dimaging_tf.errors import DataError

Transform = Callable[[Any, Any, Any], Any]
"""A function of x [B, ...], label int32 or None, and seed int32 [2]; `fit` takes what it returns.

Images and movies come as float32 in [0, 1], series as float32, tokens as int32.

TensorFlow operations only, and no `if` on a tensor's value: it is traced once, as it stands.
"""


def batches(
    split: Split,
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    transform: Transform | None = None,
    shuffle: bool = True,
    streams: bool = False,
) -> tf.data.Dataset:
    """Return endless batches from step `start_step` on: what `transform` returns, else (x, label).

    Every epoch is a new order in which each example comes once; a batch may end one epoch and begin
    the next. Without labels and without a transform it is x alone. streams: batches continue each other,
    nothing is shuffled, and the last len(split) % batch_size examples are left out.
    DataError when a number is not a whole one in its range, or streams are more than examples.
    """
    _check(batch_size=(batch_size, 1), start_step=(start_step, 0), seed=(seed, 0))
    if streams:
        return _streams(split, batch_size, seed, start_step, transform)
    count, words, make = len(split), _words(seed), _maker(split, transform)
    crossings = (batch_size - 1) // count + 2  # so many epochs can one batch touch

    def batch(step):
        place = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        index = place % count
        if shuffle:
            first = step * batch_size // count
            keys = tf.stack([_key(words, first + k) for k in range(crossings)])
            index = tf.raw_ops.RandomIndexShuffle(
                index=index,
                seed=tf.gather(keys, place // count - first),
                max_index=tf.constant(count - 1, tf.int64),
                rounds=8,  # with its default of 4, neighbours stay neighbours too often
            )
        return make(index, tf.random.fold_in(words, tf.cast(step, tf.int32)))

    return _mapped(tf.data.Dataset.counter(start_step), batch)


def valid_batches(
    split: Split,
    batch_size: int,
    *,
    seed: int,
    transform: Transform | None = None,
    streams: bool = False,
) -> tf.data.Dataset:
    """Return all examples once, in order, with the same noise every time; the last batch may be smaller.

    streams: one epoch of the streams of `batches`, as many as there are examples at most.
    """
    _check(batch_size=(batch_size, 1), seed=(seed, 0))
    if streams:
        batch_size = min(batch_size, len(split))
        return _streams(split, batch_size, seed, 0, transform).take(len(split) // batch_size)
    count, words, make = len(split), _words(seed), _maker(split, transform)

    def batch(start):
        index = tf.range(start, tf.minimum(start + batch_size, count))
        return make(index, tf.random.fold_in(words, tf.cast(start, tf.int32)))

    return _mapped(tf.data.Dataset.range(0, count, batch_size), batch)


def _streams(
    split: Split, batch_size: int, seed: int, start_step: int, transform: Transform | None
) -> tf.data.Dataset:
    """Return endless batches of which each row goes on where the same row of the batch before ended."""
    length = len(split) // batch_size
    if not length:
        raise DataError(
            f"{batch_size} streams need as many examples; there are {len(split)} (a smaller --batch)"
        )
    words, make = _words(seed), _maker(split, transform)

    def batch(step):
        index = tf.range(batch_size, dtype=tf.int64) * length + step % length
        return make(index, tf.random.fold_in(words, tf.cast(step, tf.int32)))

    return _mapped(tf.data.Dataset.counter(start_step), batch)


def _maker(split: Split, transform: Transform | None):
    """Return f(index [B], seed) -> the finished batch, from arrays that are held once, in main memory."""
    with tf.device("CPU:0"):
        examples = tf.constant(split.x)
        labels = None if split.label is None else tf.constant(split.label)

    def make(index, seed):
        x = tf.gather(examples, index)
        if split.kind in PICTURES and split.x.dtype in LEVELS:
            # The same division as in `to_float`, so the same bits.
            x = tf.cast(x, tf.float32) / np.float32(LEVELS[split.x.dtype])
        label = None if labels is None else tf.cast(tf.gather(labels, index), tf.int32)
        if transform is not None:
            return transform(x, label, seed)
        return x if label is None else (x, label)

    return make


def _mapped(steps: tf.data.Dataset, batch) -> tf.data.Dataset:
    # Autograph has nothing to convert here, and would only blur a transform's error messages.
    batch = tf.autograph.experimental.do_not_convert(batch)
    batches = steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    # The tuner's thread sleeps for up to a minute, and now and then misses that its iterator is
    # collected: then whatever Python does waits for it. Without it a map uses every core.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def _words(seed: int) -> tf.Tensor:
    """Return any non-negative integer as two well mixed 32-bit words."""
    return tf.constant(np.random.SeedSequence(seed).generate_state(2).view(np.int32))


def _key(words, epoch):
    """Return the key of an epoch's order. The shuffle uses the low bits only, so they have to be mixed."""
    seed: Any = tf.random.fold_in(words, tf.cast(epoch, tf.int32))
    return tf.random.stateless_uniform([3], seed, maxval=tf.int32.max, dtype=tf.int32)


def _check(**numbers: tuple[int, int]) -> None:
    for name, (value, least) in numbers.items():
        if not isinstance(value, int | np.integer) or value < least:
            raise DataError(f"{name} is a whole number of at least {least}; received {value!r}")
