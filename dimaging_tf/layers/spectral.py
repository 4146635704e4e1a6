"""Layers whose kernel is divided by its largest singular value (Miyato et al. 2018, arXiv 1802.05957).

    kernel W [..., outputs] as a matrix:   W / sigma,   sigma = v' W u,   v = W u / |W u|

`direction` u approaches the first right singular vector by one power iteration in each
`update_direction()`, which a step of the discriminator calls once. The gradient goes through sigma.
(keras.layers.SpectralNormalization writes its kernel anew in every training call, the generator's too.)
"""

import keras
import tensorflow as tf
from keras import layers


class _Spectral(layers.Layer):
    """Mixed into a layer with a `kernel` property."""

    def build(self, shape):
        """Make the weights, and u, a few power iterations old."""
        super().build(shape)
        self.direction = self.add_weight(
            shape=(self._matrix().shape[1],), trainable=False, name="direction",
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )  # fmt: skip
        for _ in range(10):
            self.update_direction()

    @property
    def kernel(self):
        """The normalised kernel, in training and after it."""
        kernel = tf.convert_to_tensor(self._kernel)
        if "direction" not in self.__dict__ and not hasattr(self, "direction"):
            return kernel  # while it is built
        matrix, u = self._matrix(), tf.convert_to_tensor(self.direction)
        v = tf.stop_gradient(_unit(tf.linalg.matvec(matrix, tf.cast(u, matrix.dtype))))
        sigma = tf.tensordot(v, tf.linalg.matvec(matrix, tf.cast(u, matrix.dtype)), 1)
        return kernel / tf.cast(sigma, kernel.dtype)

    def update_direction(self) -> None:
        """One power iteration."""
        matrix = self._matrix()
        v = _unit(tf.linalg.matvec(matrix, tf.convert_to_tensor(self.direction)))
        self.direction.assign(_unit(tf.linalg.matvec(matrix, v, transpose_a=True)))

    def _matrix(self):
        kernel = tf.convert_to_tensor(self._kernel)
        return tf.reshape(kernel, [-1, kernel.shape[-1]])

    def save_own_variables(self, store):
        """Kernel, bias and direction as they are."""
        for index, variable in enumerate(self.weights):
            store[str(index)] = variable

    def load_own_variables(self, store):
        """The inverse."""
        for index, variable in enumerate(self.weights):
            variable.assign(store[str(index)])


def _unit(x):
    return x / (tf.norm(x) + 1e-12)


@keras.saving.register_keras_serializable("dimaging")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """Conv2D of a kernel with largest singular value 1, as the matrix [height * width * inputs, outputs]."""


@keras.saving.register_keras_serializable("dimaging")
class SpectralDense(_Spectral, layers.Dense):
    """Dense of a kernel with largest singular value 1."""
