"""What a `train_step` needs: one optimizer step, random numbers of a step, batches over several replicas.

Under tf.distribute every replica holds its share of a batch's rows, and an optimizer adds the gradients of
all replicas up. So a loss that is a mean over rows has to be divided by the number of replicas: `descend`
does that, and a step that applies its gradients itself does it with `replica_count`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


def descend(
    model: keras.Model,
    loss_of: Callable[[], tuple[Any, Any]],
    variables: Sequence[Any] | None = None,
) -> Any:
    """Take one step of `model.optimizer` down the gradient of a loss, and return what `loss_of` found.

    loss_of     () -> (loss, found): a scalar mean over this replica's rows, and whatever the caller needs
                afterwards, such as the terms of the loss
    variables   what the step moves; by default `model.trainable_variables`
    """
    with tf.GradientTape() as tape:
        loss, found = loss_of()
        share = model.optimizer.scale_loss(loss / replica_count())
    moved: Any = model.trainable_variables if variables is None else variables
    model.optimizer.apply(tape.gradient(share, moved), moved)
    return found


def step_of(optimizer: Any) -> Any:
    """Return the number of steps so far, a tensor; each counts, also where an optimizer sums up gradients.

    Keras' own `iterations` counts updates of the weights, so all steps of one update would draw the same
    noise (`gradient_accumulation_steps`).
    """
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations.value


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """Return (images, labels, weights) of what `train_step` receives; images of any type become float32."""
    image, label, weight = keras.utils.unpack_x_y_sample_weight(data)
    return tf.cast(image, tf.float32), label, weight


def weighted_mean(values: Any, weight: Any = None) -> Any:
    """Return the mean of values [B], each times its weight [B] (Keras's sample_weight); None: all 1."""
    if weight is None:
        return tf.reduce_mean(values)
    return tf.reduce_mean(values * tf.reshape(tf.cast(weight, values.dtype), [-1]))


def step_normal(shape: tf.Tensor, seed: int, step: tf.Tensor | int) -> tf.Tensor:
    """Draw unit Gaussian float32 of `shape` [B, ...], a pure function of (seed, step, row of the batch).

    A resumed or distributed run therefore draws the same noise again, bit for bit. Under tf.distribute each
    replica cuts its rows out of the noise of the whole batch: where the batch divides evenly (`dimaging
    train` asks for that), replicas see what one device would have seen. The last, smaller batch of a
    validation may not divide evenly, and then draws other noise.
    """
    return _draw_rows(tf.random.stateless_normal, shape, seed, step)


def step_uniform(shape: tf.Tensor, seed: int, step: tf.Tensor | int) -> tf.Tensor:
    """Draw uniform float32 in [0, 1), otherwise like `step_normal`."""
    return _draw_rows(tf.random.stateless_uniform, shape, seed, step)


def _draw_rows(draw: Callable[..., Any], shape: Any, seed: int, step: Any) -> Any:
    """Draw for the batches of all replicas, and return this replica's rows."""
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    index = context.replica_id_in_sync_group if context else 0
    batch = shape[0]
    whole = tf.concat([[batch * replicas], shape[1:]], 0)
    noise = draw(whole, tf.stack([seed, tf.cast(step, tf.int32)]))
    return noise[index * batch : (index + 1) * batch]


def replica_count() -> int:
    """Return the number of replicas that share a batch; 1 without a distribution strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def gather_rows(rows: Any) -> Any:
    """Return the rows [B, ...] of all replicas in order, [B * replicas, ...]; differentiable.

    For a loss that compares the images of a batch with each other. It is then the same on every replica.
    """
    if replica_count() == 1:
        return rows
    return tf.distribute.get_replica_context().all_gather(rows, 0)


def synchronise_batch_norm(network: keras.Model) -> None:
    """Let batch normalisations take the statistics of the whole batch, now and in the network's file.

    On one device they stay as they are, which is faster.
    """
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = replica_count() > 1
