"""The state that a recurrent model carries from one batch of a long stream to the next.

    batch k    tokens 64 k .. 64 k + 63 of every stream  ->  h, c after them  ->  where batch k + 1 begins

The gradient ends at the border of the batch (truncated back-propagation through time), the memory does not.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from dimaging_tf.training.steps import replica_count


class CarriedState:
    """Named tensors [B, ...] outside of a model's weights; B is that of the last batch.

    shapes: name -> (shape without B, dtype). A batch of another size than the one before begins from zeros,
    as the first does, so the last, smaller batch of a fit script does no harm.
    """

    def __init__(self, shapes: Mapping[str, tuple[tuple[int, ...], str]]):
        self._kept = {
            name: tf.Variable(tf.zeros([0, *shape], dtype), False, shape=[None, *shape], name=name)
            for name, (shape, dtype) in shapes.items()
        }
        # A number of its own: TensorFlow's graph optimiser takes the first shape of such a variable for good.
        self._rows = tf.Variable(tf.constant(0), False, name="rows")

    def take(self, batch: Any) -> dict[str, tf.Tensor]:
        """Return what was kept, for a batch of that many rows; zeros where nothing of its size was."""
        if replica_count() > 1:
            raise ValueError(
                "a state that goes from batch to batch needs one device; train with --strategy single"
            )
        fits = tf.equal(self._rows, batch)
        kept, fresh = tf.where(fits, batch, 0), tf.where(fits, 0, batch)
        taken = {}
        for name, variable in self._kept.items():
            zeros = tf.zeros([fresh, *variable.shape[1:]], variable.dtype)
            taken[name] = tf.concat([variable.read_value()[:kept], zeros], 0)
        return taken

    def keep(self, values: Mapping[str, Any]) -> None:
        """Hand these to the next batch; no gradient follows them there."""
        for name, variable in self._kept.items():
            variable.assign(tf.stop_gradient(values[name]))
            self._rows.assign(tf.shape(values[name])[0])

    def forget(self) -> None:
        """Begin the next batch from zeros."""
        self._rows.assign(0)


class ForgetState(keras.callbacks.Callback):
    """Every pass over the streams begins from zeros, in training and in validation."""

    def on_epoch_begin(self, epoch, logs=None):
        """The streams begin again."""
        self.model.training_state.forget()

    def on_test_begin(self, logs=None):
        """The streams of the validation begin."""
        self.model.validation_state.forget()
