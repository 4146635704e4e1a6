"""Gaussian noise for a training step that a resumed or distributed run draws again bit for bit."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def step_normal(shape: tf.Tensor, seed: int, step: tf.Tensor | int) -> tf.Tensor:
    """Unit Gaussian float32 of `shape` [B, ...], a pure function of (seed, step, row of the batch).

    Under tf.distribute each replica cuts its rows out of the noise of the whole batch: where the batch
    divides evenly (`dimaging train` asks for that), replicas see what one device would have seen. The
    last, smaller batch of a validation may not, and then draws other noise.
    """
    return _step(tf.random.stateless_normal, shape, seed, step)


def step_uniform(shape: tf.Tensor, seed: int, step: tf.Tensor | int) -> tf.Tensor:
    """Float32 in [0, 1), otherwise like `step_normal`."""
    return _step(tf.random.stateless_uniform, shape, seed, step)


def _step(draw: Callable[..., Any], shape: Any, seed: int, step: Any) -> Any:
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    index = context.replica_id_in_sync_group if context else 0
    batch = shape[0]
    whole = tf.concat([[batch * replicas], shape[1:]], 0)
    noise = draw(whole, tf.stack([seed, tf.cast(step, tf.int32)]))
    return noise[index * batch : (index + 1) * batch]
