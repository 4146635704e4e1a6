"""Layers whose kernel is divided by its largest singular value (Miyato et al. 2018, arXiv 1802.05957).

    kernel W [..., outputs] as a matrix:   W / sigma,   sigma = v' W u,   v = W u / |W u|

`direction` u approaches the first right singular vector by one power iteration in each call of
`update_direction()`, once in a step of the discriminator. The gradient flows through sigma.
(keras.layers.SpectralNormalization changes its kernel in every training call, also in those of the
generator.)
"""

import keras
import tensorflow as tf
from keras import layers


class _Spectral(layers.Layer):
    """Mix-in that normalises the kernel of a Keras layer whose `kernel` is a property."""

    def build(self, shape):
        """Make the weights, and u after ten power iterations."""
        super().build(shape)
        self.direction = self.add_weight(
            shape=(self._matrix().shape[1],), trainable=False, name="direction",
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )  # fmt: skip
        for _ in range(10):
            self.update_direction()

    @property
    def kernel(self):
        """The normalised kernel, the same in training and in use."""
        kernel = tf.convert_to_tensor(self._kernel)
        if "direction" not in self.__dict__ and not hasattr(self, "direction"):
            return kernel  # the layer is being built
        matrix, u = self._matrix(), tf.convert_to_tensor(self.direction)
        v = tf.stop_gradient(_unit(tf.linalg.matvec(matrix, tf.cast(u, matrix.dtype))))
        sigma = tf.tensordot(v, tf.linalg.matvec(matrix, tf.cast(u, matrix.dtype)), 1)
        return kernel / tf.cast(sigma, kernel.dtype)

    def update_direction(self) -> None:
        """Take one power iteration."""
        matrix = self._matrix()
        v = _unit(tf.linalg.matvec(matrix, tf.convert_to_tensor(self.direction)))
        self.direction.assign(_unit(tf.linalg.matvec(matrix, v, transpose_a=True)))

    def _matrix(self):
        kernel = tf.convert_to_tensor(self._kernel)
        return tf.reshape(kernel, [-1, kernel.shape[-1]])

    def save_own_variables(self, store):
        """Write kernel, bias and direction, not normalised."""
        for index, variable in enumerate(self.weights):
            store[str(index)] = variable

    def load_own_variables(self, store):
        """Read what `save_own_variables` wrote."""
        for index, variable in enumerate(self.weights):
            variable.assign(store[str(index)])


def _unit(x):
    return x / (tf.norm(x) + 1e-12)


@keras.saving.register_keras_serializable("dimaging")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """Conv2D whose kernel, as a matrix [height * width * inputs, outputs], has largest singular value 1."""


@keras.saving.register_keras_serializable("dimaging")
class SpectralDense(_Spectral, layers.Dense):
    """Dense whose kernel has largest singular value 1."""
