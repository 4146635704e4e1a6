"""Processes beside this one: which are alive, and which of them holds a file."""

import os

try:
    import fcntl
except ImportError:  # Windows: is_alive answers True there, so what others write is never touched
    fcntl = None


def is_alive(pid: int) -> bool:
    """Return whether a process of this number runs on this machine; True where that cannot be told."""
    if os.name != "posix":
        return True  # os.kill would end it there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's, or no number that a process can have
        return True
    return True


def take_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed or this process ends; return whether that succeeded.

    False: another holds it. None: the system or the file system has no such locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
