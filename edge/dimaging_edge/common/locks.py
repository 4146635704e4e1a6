"""A lock for a place that only one process may write to at a time, with the number of that process."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dimaging_edge.common.errors import DimagingError
from dimaging_edge.common.processes import is_alive, take_lock


@contextmanager
def sole_writer(place: Path, lock: Path) -> Iterator[None]:
    """Hold the file `lock` while `place` is written to; it is gone at the end.

    DimagingError with the number of the process that holds it. The lock of a process that was killed counts
    for nothing, whoever has its number now. A folder that is missing is made, and goes again if it stays
    empty. OSError where the file cannot be made.
    """
    missing = [folder for folder in lock.parents if not folder.exists()]  # the deepest first
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _acquire(place, lock)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)
        with suppress(OSError):  # the first that is not empty
            for folder in missing:
                folder.rmdir()


def _acquire(place: Path, lock: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        descriptor = os.open(lock, flags, 0o666)
        taken, holder = take_lock(descriptor), _holder(descriptor)
        if taken is None:  # no locks here: the number must do
            taken = holder is None or holder == os.getpid() or not is_alive(holder)
        if not taken:
            os.close(descriptor)
            who = "this process" if holder == os.getpid() else f"process {holder or 'unknown'}"
            raise DimagingError(
                f"{place} is being written by {who}; wait until it is done, stop it, or choose another place"
            )
        with suppress(FileNotFoundError):  # the holder before us may have removed what we opened
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                return descriptor
        os.close(descriptor)


def _holder(descriptor: int) -> int | None:
    """Return the number of the process that wrote a lock, None where it says none."""
    first = os.pread(descriptor, 100, 0).split(b" ")[0]
    return int(first) if first.isdigit() else None
