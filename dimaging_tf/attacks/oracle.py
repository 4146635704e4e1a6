"""A Keras classifier as the oracle of the edge's attacks: the same contract, another engine.

from dimaging_edge import attacks
attacks.pgd(KerasOracle(model.network), x, y, attacks.Threat("linf", 0.1))
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from dimaging_edge.common.errors import InputError

from dimaging_tf.attacks.training import logits_in, margin

_BATCH = 100


class KerasOracle:
    """Gradient of the margin, of any direction of the logits, and the logits of a functional classifier.

    model: images [B, ...] -> logits [B, classes], or a dict that holds them as "logits" or as its only value.
    """

    has_gradient = True

    def __init__(self, model: keras.Model):
        self._model = model

        def logits_of(x: Any) -> Any:
            return tf.cast(
                logits_in(model(x, training=False)), tf.float32
            )  # of mixed precision too

        def pull(x: Any, loss_of: Any) -> tuple[Any, Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                logits = logits_of(x)
                loss = loss_of(logits)
            # Through a rounding there is no way back: that is a gradient of 0, which gates look for.
            none = tf.UnconnectedGradients.ZERO
            return tape.gradient(loss, x, unconnected_gradients=none), loss, logits

        # One trace for any batch: sizes of the last, smaller one would trace it again.
        options: Any = {"reduce_retracing": True, "autograph": False}
        self._margin = tf.function(lambda x, y: pull(x, lambda z: margin(z, y)), **options)
        self._along = tf.function(
            lambda x, d: pull(x, lambda z: tf.reduce_sum(d * z, -1)), **options
        )
        self._score = tf.function(logits_of, **options)

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return gradient [N, ...], margin [N] and logits [N, classes]."""
        self._check(x)
        gradient, value, logits = _in_batches(self._margin, x, np.asarray(y, np.int64))
        return gradient, value, logits

    def along(self, x: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of sum(direction * logits), and the logits."""
        self._check(x)
        rows = np.broadcast_to(direction, (len(x), direction.shape[-1])).astype(np.float32)
        gradient, _, logits = _in_batches(self._along, x, rows)
        return gradient, logits

    def score(self, x: np.ndarray) -> np.ndarray:
        """Return logits [N, classes]."""
        self._check(x)
        return _in_batches(lambda x: (self._score(x),), x)[0]

    def _check(self, x: np.ndarray) -> None:
        """InputError where images are not of the size that the model takes."""
        shape = getattr(self._model, "input_shape", None) if self._model.built else None
        if not isinstance(shape, tuple) or not all(
            size is None or isinstance(size, int) for size in shape
        ):
            return  # several inputs, or none yet: Keras will say what does not fit
        fits = len(shape) == x.ndim and all(
            size in (None, have) for size, have in zip(shape[1:], x.shape[1:], strict=True)
        )
        if not fits:
            sizes = ", ".join(str(size or "any") for size in shape[1:])
            raise InputError(f"images: the model takes [N, {sizes}], received {list(x.shape)}")


def _in_batches(function: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    parts = []
    for start in range(0, len(arrays[0]), _BATCH):
        found = function(*(tf.constant(array[start : start + _BATCH]) for array in arrays))
        parts.append([np.asarray(value) for value in found])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]
