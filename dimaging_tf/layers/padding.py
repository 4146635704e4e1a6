"""Any image size through a network that halves it: pad to a multiple, crop back at the end."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dimaging")
class PadToMultiple(keras.layers.Layer):
    """Repeat the last row and column until height and width are multiples of `multiple`.

    Input and output: [B, H, W, C], any range. Edge replication (not reflection) because it has no
    smallest size: a single pixel can be padded to 16x16. A static size that fits already costs no node.
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
        """[B, H, W, C] -> [B, H', W', C]."""
        batch, height, width, channels = shape
        return (batch, self._up(height), self._up(width), channels)

    def _up(self, size: int | None) -> int | None:
        return None if size is None else -(-size // self.multiple) * self.multiple

    def get_config(self):
        """Keras configuration."""
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("dimaging")
class CropLike(keras.layers.Layer):
    """Cut `image` [B, H, W, C] at the top left to the height and width of `like` [B, h, w, D]."""

    def call(self, image, like):
        """Undo `PadToMultiple`."""
        if image.shape[1:3] == like.shape[1:3] and None not in like.shape[1:3]:
            return image
        size = tf.shape(like)
        return image[:, : size[1], : size[2], :]

    def compute_output_shape(self, image_shape, like_shape):
        """[B, H, W, C], [B, h, w, D] -> [B, h, w, C]."""
        return (image_shape[0], *like_shape[1:3], image_shape[3])
