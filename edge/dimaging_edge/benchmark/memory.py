"""The resident memory of this process, now and at most, where the system tells."""

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def reset_peak() -> None:
    """Let the peak start again at what is in use now, where Linux allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def resident() -> int | None:
    """Return the bytes resident now; None if unknown."""
    return _status("VmRSS")


def peak() -> int | None:
    """Return the most bytes that were ever resident; None if unknown.

    VmHWM, not ru_maxrss: a child inherits the latter from its parent, however big that is.
    """
    found = _status("VmHWM")
    if found is None and sys.platform == "darwin":
        from resource import RUSAGE_SELF, getrusage

        return getrusage(RUSAGE_SELF).ru_maxrss  # bytes there; a spawned child starts anew
    return found


def _status(key: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None
