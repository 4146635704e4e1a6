"""A Keras classifier as the oracle of the edge's attacks: the same contract, another engine.

from dimaging_edge import attacks
attacks.pgd(KerasOracle(model.network), x, y, attacks.Threat("linf", 0.1))
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dimaging_tf.attacks.training import logits_in, margin

_BATCH = 100


class KerasOracle:
    """Gradient of the margin, of any direction of the logits, and the logits of a functional classifier.

    model: images [B, ...] -> logits [B, classes], or a dict that holds them as "logits" or as its only value.
    """

    has_gradient = True

    def __init__(self, model: keras.Model):
        def logits_of(x: Any) -> Any:
            return logits_in(model(x, training=False))

        def pull(x: Any, loss_of: Any) -> tuple[Any, Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                logits = logits_of(x)
                loss = loss_of(logits)
            return tape.gradient(loss, x), loss, logits

        # One trace for any batch: sizes of the last, smaller one would trace it again.
        options: Any = {"reduce_retracing": True, "autograph": False}
        self._margin = tf.function(lambda x, y: pull(x, lambda z: margin(z, y)), **options)
        self._along = tf.function(
            lambda x, d: pull(x, lambda z: tf.reduce_sum(d * z, -1)), **options
        )
        self._score = tf.function(logits_of, **options)

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return gradient [N, ...], margin [N] and logits [N, classes]."""
        gradient, value, logits = _in_batches(self._margin, x, np.asarray(y, np.int64))
        return gradient, value, logits

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of sum(direction * logits), and the logits."""
        rows = np.broadcast_to(direction, (len(x), direction.shape[-1])).astype(np.float32)
        gradient, _, logits = _in_batches(self._along, x, rows)
        return gradient, logits

    def score(self, x: np.ndarray) -> np.ndarray:
        """Return logits [N, classes]."""
        return _in_batches(lambda x: (self._score(x),), x)[0]


def _in_batches(function: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    parts = []
    for start in range(0, len(arrays[0]), _BATCH):
        found = function(*(tf.constant(array[start : start + _BATCH]) for array in arrays))
        parts.append([np.asarray(value) for value in found])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]
