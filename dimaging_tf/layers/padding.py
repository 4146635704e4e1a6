"""Layers that let a network which halves its input take any size: pad to a multiple, crop back at the end."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dimaging")
class PadToMultiple(keras.layers.Layer):
    """A layer that repeats the last row and column until height and width are multiples of `multiple`.

    Input and output are [B, H, W, C] of any range. The edge is replicated, not reflected, because replication
    works for every size: a single pixel can be padded to 16x16. A static size that fits already adds no
    node to the graph.
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        if multiple < 1:
            raise ValueError(f"PadToMultiple: multiple must be at least 1. Received: {multiple}")
        self.multiple = multiple

    def call(self, image):
        """Gather rows, then columns, at indices clamped to the last one."""
        for axis in (1, 2):
            static = image.shape[axis]
            if static is not None and static % self.multiple == 0:
                continue
            size = tf.shape(image)[axis] if static is None else static
            padded = (size + self.multiple - 1) // self.multiple * self.multiple
            image = tf.gather(image, tf.minimum(tf.range(padded), size - 1), axis=axis)
        return image

    def compute_output_shape(self, shape):
        """Return the output's shape: [B, H, W, C] -> [B, H', W', C], with H' and W' rounded up."""
        batch, height, width, channels = shape
        return (batch, self._up(height), self._up(width), channels)

    def _up(self, size: int | None) -> int | None:
        return None if size is None else -(-size // self.multiple) * self.multiple

    def get_config(self):
        """Return what Keras needs to rebuild the layer."""
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("dimaging")
class CropLike(keras.layers.Layer):
    """A layer that crops `image` [B, H, W, C] to the size of `like` [B, h, w, D], keeping the top left."""

    def call(self, image, like):
        """Undo `PadToMultiple`."""
        if image.shape[1:3] == like.shape[1:3] and None not in like.shape[1:3]:
            return image
        size = tf.shape(like)
        return image[:, : size[1], : size[2], :]

    def compute_output_shape(self, image_shape, like_shape):
        """Return the output's shape: [B, H, W, C], [B, h, w, D] -> [B, h, w, C]."""
        return (image_shape[0], *like_shape[1:3], image_shape[3])
