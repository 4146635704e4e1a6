"""Several small recurrent networks as one layer: weights that join two members are zero, and stay zero.

    member 1   [ W1  0   0  ]
    member 2   [ 0   W2  0  ]      a block-diagonal matrix; a gate of every member, then the next gate
    member 3   [ 0   0   W3 ]

One layer of `members * units` units then costs one loop over time and leaves as one ONNX operator, where as
many layers would cost as many loops.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def block_mask(shape: tuple[int, int], members: int, gates: int = 1) -> np.ndarray:
    """Return float32 [rows, columns]: 1 where row and column belong to the same member, else 0.

    Columns are `gates` groups, each with the units of all members side by side. ValueError where the rows,
    or the columns of a gate, cannot be shared out evenly.
    """
    rows, columns = shape
    if rows % members or columns % (members * gates):
        raise ValueError(
            f"a matrix of {rows} x {columns} cannot be shared out among {members} members of {gates} gates"
        )
    row = np.repeat(np.arange(members), rows // members)
    column = np.tile(np.repeat(np.arange(members), columns // gates // members), gates)
    return (row[:, None] == column).astype(np.float32)


@keras.saving.register_keras_serializable("dimaging")
class BlockDiagonal(keras.constraints.Constraint):
    """A constraint that keeps a matrix [rows, columns] block-diagonal; see `block_mask`."""

    def __init__(self, members: int, gates: int = 1):
        self.members, self.gates = members, gates

    def __call__(self, weight: Any) -> Any:
        """Set what joins two members to zero."""
        return weight * tf.constant(block_mask(tuple(weight.shape), self.members, self.gates))

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to rebuild the constraint."""
        return {"members": self.members, "gates": self.gates}


@keras.saving.register_keras_serializable("dimaging")
class BlockNormal(keras.initializers.Initializer):
    """An initializer of Gaussian weights within the blocks, of variance 1 / (rows of a member)."""

    def __init__(self, members: int, gates: int = 1):
        self.members, self.gates = members, gates

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Draw a matrix [rows, columns]."""
        deviation = (shape[0] // self.members) ** -0.5
        drawn = keras.random.normal(shape, stddev=deviation, dtype=dtype)
        return drawn * tf.constant(block_mask(tuple(shape), self.members, self.gates))

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to rebuild the initializer."""
        return {"members": self.members, "gates": self.gates}
