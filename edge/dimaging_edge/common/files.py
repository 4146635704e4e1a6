"""Files that are either whole or not there: written under a temporary name, then renamed.

    with whole_file("photo.dimg") as temporary:     # .photo-4711-9f86d081884c7d65.dimaging.dimg
        temporary.write_bytes(data)

A temporary name cannot be guessed, says which process writes it, and carries the mark `.dimaging`. So what a
killed process left behind is recognised, and is removed by the next writer of the same name; a file without
the mark is never touched.
"""

import errno
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dimaging_edge.common.errors import DimagingError
from dimaging_edge.common.processes import is_alive, take_lock

_MARK = re.compile(r"\.(?P<stem>.+)-(?P<pid>\d+)-(?P<token>[0-9a-f]{16})\.dimaging(\.[^.]*)?")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of a disk, or of somebody's share of it, that is full."""
_ACTIVE: set[str] = set()
"""Names that this process is writing now, without their folders."""


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path with the suffix of `path`; what was written there becomes `path`.

    Whatever stops the writing (an error, a full disk, Ctrl-C), `path` is either the old file or the whole
    new one, and nothing else is left. A missing folder is made. A symbolic link stays, and the file that it
    points to is replaced; a character device or a FIFO with a reader is written to. DimagingError where
    `path` cannot be written, or is something else (a block device, a socket, a link to nothing).
    """
    path = Path(path)
    try:
        if _is_stream(path):
            with _spooled(path) as temporary:
                yield temporary
            return
        place = Path(os.path.realpath(path)) if path.is_symlink() else path
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place.parent, of=place)
        with _claimed(place) as temporary:
            yield temporary
            os.replace(temporary, place)
    except OSError as error:
        mend = "; is the folder there, and writable?" if error.errno else ""
        mend = "; make room there, or choose another place" if error.errno in _FULL else mend
        raise DimagingError(f"cannot write {path}: {error.strerror or error}{mend}") from error


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, for what will become `path`; it is gone at the end.

    What killed processes left of the same name goes first. OSError where the folder cannot be made.
    """
    remove_leftovers(path.parent, of=path)
    with _claimed(path, folder=True) as temporary:
        yield temporary


@contextmanager
def _claimed(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a new hidden file or folder beside `path` with its suffix and our mark; delete it at the end."""
    token = secrets.token_hex(8)
    temporary = path.with_name(f".{_short(path)}-{os.getpid()}-{token}.dimaging{path.suffix}")
    _ACTIVE.add(temporary.name)
    descriptor = None
    try:
        if folder:
            temporary.mkdir()
        descriptor = _open(temporary, folder)
        yield temporary
    finally:
        _remove(temporary)
        if descriptor is not None:
            os.close(descriptor)  # only now: others take a lock for a sign of life
        _ACTIVE.discard(temporary.name)


def _open(temporary: Path, folder: bool) -> int | None:
    """Create a file, or open a folder, and lock it."""
    if os.name == "nt":  # an open file cannot be renamed there
        if not folder:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        return None
    flags = os.O_RDONLY if folder else os.O_CREAT | os.O_EXCL | os.O_WRONLY
    descriptor = os.open(temporary, flags, 0o666)
    take_lock(descriptor)
    return descriptor


def remove_leftovers(folder: str | Path, of: str | Path | None = None) -> None:
    """Delete what killed processes left in a folder: files and folders with the mark of `whole_file`.

    of: only the left-overs of this file. What a living process writes stays, and so does everything below the
    folder that has not the mark itself.
    """
    for path in leftovers(folder, of):
        _remove(path, unless_locked=True)


def leftovers(folder: str | Path, of: str | Path | None = None) -> list[Path]:
    """Return what killed processes left in a folder; arguments as `remove_leftovers`."""
    start = "." if of is None else f".{_short(Path(of))}-"
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith(start))
    except OSError:
        return []
    dead = []
    for name in names:
        found = _MARK.fullmatch(name)
        if found is None or name in _ACTIVE or (of is not None and found["stem"] != start[1:-1]):
            continue
        pid = int(found["pid"])
        if pid == os.getpid() or not is_alive(pid):
            dead.append(Path(folder) / name)
    return dead


def _remove(path: Path, *, unless_locked: bool = False) -> None:
    """Delete a temporary file or folder if it is there; with `unless_locked` not one that is in use."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW) if unless_locked else None
        try:
            if descriptor is not None and take_lock(descriptor) is False:
                return
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        finally:
            if descriptor is not None:
                os.close(descriptor)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Replace the content of a file in one step; errors as `whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Replace the content of a UTF-8 text file in one step; errors as `whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON in one step; ValueError for NaN and infinity, other errors as `whole_file`."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json_lines(path: str | Path) -> list[dict[str, Any]]:
    """Return the object of each line, up to the first line that is not valid; [] without the file."""
    path = Path(path)
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def _short(path: Path) -> str:
    """The start of a file's name that its temporary name repeats; names are limited to 255 bytes."""
    return path.stem[:40]


def _is_stream(path: Path) -> bool:
    """Whether `path` takes bytes as they come; OSError for what can neither be replaced nor written to."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise OSError(
                f"it is a symbolic link to {os.readlink(path)}, which is not there"
            ) from None
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Is a directory")
    if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
        return True
    if not stat.S_ISREG(mode):
        raise OSError("it is a block device or a socket, which stays as it is")
    return False


@contextmanager
def _spooled(path: Path) -> Iterator[Path]:
    """Yield a temporary file elsewhere; its bytes go to the device or FIFO at the end."""
    with tempfile.TemporaryDirectory(prefix="dimaging-") as folder:
        temporary = Path(folder) / f"out{path.suffix}"
        yield temporary
        try:  # without a reader a FIFO would keep us waiting for ever
            sink = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            if error.errno == 6:
                raise OSError("it is a FIFO that nobody reads; start its reader first") from None
            raise
        os.set_blocking(sink, True)
        with temporary.open("rb") as source, open(sink, "wb") as stream:
            shutil.copyfileobj(source, stream)
