"""Plain Keras models, as a user brings them."""

import keras


def functional(shape, *stack, name="mine", dtype=None):
    """Return a functional model of these layers, one behind the other; its input is called x."""
    x = y = keras.Input(shape, name="x", dtype=dtype)
    for layer in stack:
        y = layer(y)
    return keras.Model(x, y, name=name)
