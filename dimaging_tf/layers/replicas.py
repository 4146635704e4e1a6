"""Whole batches under tf.distribute: for what looks at the images of a batch together.

Each replica holds its share of the rows. A loss over `whole` rows is the same on every replica; its
gradients, added up over the replicas, have to be divided by their number.
"""

from typing import Any

import tensorflow as tf
from keras import layers


def count() -> int:
    """How many replicas share a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def whole(rows: Any) -> Any:
    """The rows [B, ...] of all replicas, in order: [B * replicas, ...]; differentiable."""
    if count() == 1:
        return rows
    return tf.distribute.get_replica_context().all_gather(rows, 0)


def normalise_together(network: Any) -> None:
    """Batch normalisations of a Keras model take the statistics of the whole batch, now and in its file.

    On one device they stay as they are, which is faster.
    """
    for layer in network._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.synchronized = count() > 1
