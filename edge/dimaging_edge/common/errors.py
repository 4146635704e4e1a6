"""What can go wrong, each with a message written for the person who reads it."""

import difflib
from collections.abc import Iterable


class DimagingError(Exception):
    """Base of every error this package raises on purpose; its text needs no traceback."""


class BundleError(DimagingError, ValueError):
    """A bundle that is missing, damaged, tampered with, or newer than this package."""


class ProviderError(DimagingError, ValueError):
    """The provider asked for is unknown, or cannot be used on this machine."""


class InputError(DimagingError, ValueError):
    """An array or option that the graph does not accept."""


class LimitError(DimagingError, TimeoutError):
    """A run that was stopped because it took longer than it may."""


class CodecError(DimagingError, ValueError):
    """A packed stream that is damaged, truncated, newer, or of another model."""


def near(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'? " if something known is close to `name`, and the known names."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(known) or 'none'}"
