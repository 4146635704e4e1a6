"""Errors that a person is meant to read: the command prints the message alone, no traceback.

A message says what is wrong, what was expected, what was received, and what mends it.
"""

from dimaging_edge.common.errors import DimagingError, near

__all__ = ["SAVED_MODEL", "DataError", "TrainingError", "UserError", "near"]

SAVED_MODEL = (
    "is a SavedModel of TensorFlow, which holds no Keras layers. Save the model itself, "
    "model.save('mine.keras'), and give that file"
)
"""What is said of a folder of another kind than ours, behind its name."""


class UserError(DimagingError):
    """Something outside the program is wrong; the message is written for its user."""


class DataError(UserError, ValueError):
    """Data that is missing, broken or of another kind than was asked for."""


class TrainingError(UserError):
    """A training that cannot start or cannot go on, such as a loss that is no longer a number."""
