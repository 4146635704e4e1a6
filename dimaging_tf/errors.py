"""Errors that a person is meant to read: the command prints the message alone, no traceback.

A message says what is wrong, what was expected, what was received, and what mends it.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something outside the program is wrong; the message is written for its user."""


class DataError(UserError, ValueError):
    """Data that is missing, broken or of another kind than was asked for."""


class TrainingError(UserError):
    """A training that cannot start or cannot go on, such as a loss that is no longer a number."""


def near(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'? " where a known name is close to `name`, and all known names."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(known)}"
