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
    lower = {one.lower(): one for one in known}  # "VAE" is close to "vae"
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    hint = f"did you mean {lower[close[0]]!r}? " if close else ""
    return f"{hint}known: {', '.join(known) or 'none'}"
