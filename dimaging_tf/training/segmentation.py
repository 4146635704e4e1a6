"""The losses of a segmentation: cross-entropy with class weights, and Dice's overlap.

cross-entropy   -mean over pixels of w[class] log p[class]; every pixel counts alike
dice            1 - mean over classes of 2 |P and T| / (|P| + |T|) of an image (Milletari et al. 2016,
arXiv 1606.04797): a class counts as much as another, however few its pixels are
both            their sum: the cross-entropy has a gradient everywhere, Dice minds the small class
"""

from collections.abc import Sequence

import keras
from keras import ops

LOSSES = ("cross-entropy", "dice", "both")
"""The names that a Config's `loss` may have."""


@keras.saving.register_keras_serializable("dimaging")
class SegmentationLoss(keras.losses.Loss):
    """(mask int [B, H, W], logits [B, H, W, classes]) -> loss of each image, [B, 1, 1].

    kind      one of LOSSES
    weights   the weight of each class in the cross-entropy; (): 1 for each
    """

    def __init__(
        self, kind: str = "both", weights: Sequence[float] = (), name: str = "segmentation", **more
    ):
        super().__init__(name=name, **more)
        self.kind, self.weights = kind, tuple(weights)

    def call(self, y_true, y_pred):
        """Compute the loss of each image."""
        if len(y_true.shape) == len(
            y_pred.shape
        ):  # a mask [B, H, W, 1], as pictures of one channel are
            y_true = ops.squeeze(y_true, -1)
        truth = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        loss = ops.zeros_like(y_pred[:, 0, 0, 0])
        if self.kind != "dice":
            weights = self.weights or (1.0,) * y_pred.shape[-1]
            chosen = truth * ops.convert_to_tensor(weights, y_pred.dtype)
            loss -= ops.mean(ops.sum(chosen * ops.log_softmax(y_pred), -1), (1, 2))
        if self.kind != "cross-entropy":
            found = ops.softmax(y_pred)
            # One pixel more on both sides: a class that an image lacks is no division by zero.
            overlap = 2 * ops.sum(found * truth, (1, 2)) + 1
            loss += 1 - ops.mean(overlap / (ops.sum(found + truth, (1, 2)) + 1), -1)
        return loss[:, None, None]  # so that sample weights [B, 1, 1] or [B, H, W] apply

    def get_config(self):
        """Return what Keras needs to rebuild the loss."""
        return {**super().get_config(), "kind": self.kind, "weights": list(self.weights)}
