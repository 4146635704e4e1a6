"""The files of a bundle, each read once: what was hashed is what is used.

A file is read into memory, compared with the size and SHA-256 that `bundle.json` states, and from then on
used from memory alone. So nothing that happens to the folder afterwards changes an open bundle.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from dimaging_edge.bundle.external_data import External, external_tensors
from dimaging_edge.bundle.identity import check_identity
from dimaging_edge.bundle.schema import File, Manifest
from dimaging_edge.common.errors import BundleError

MANIFEST = "bundle.json"
MOST_BYTES = 1 << 34
"""The most bytes of all files of a bundle together: 16 GiB."""
MOST_MANIFEST = 1 << 24
"""The most bytes of `bundle.json`: 16 MiB."""
_REPLACED = "{} was replaced since the bundle was opened; open the bundle again"
_AGAIN = "copy the bundle again, or export it again"


def read_regular(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file of at most `most` bytes.

    BundleError for anything else (a device, a FIFO, a folder, a longer file), before it is read; OSError
    where the file cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NOCTTY", 0)
    descriptor = os.open(path, flags)  # a FIFO does not keep us waiting
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BundleError(f"{path.name} is no regular file; {_AGAIN}")
    with open(descriptor, "rb") as file:  # buffered: one read takes more than 2 GiB, and no copy
        if status.st_size > most:
            raise BundleError(
                f"{path.name} has {status.st_size} bytes, expected at most {most}; {_AGAIN}"
            )
        parts, left = [], most + 1
        while left and (part := file.read(min(left, status.st_size + 1))):
            parts.append(part)
            left -= len(part)
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    if len(data) > most:
        raise BundleError(f"{path.name} grows while it is read; {_AGAIN}")
    return data


class Contents:
    """The verified files of a bundle in memory; those of a graph can be let go once it has its session."""

    def __init__(self, folder: Path, manifest: Manifest):
        """Read every listed file; BundleError where one is not as the manifest says, or reaches outside."""
        total = sum(file.bytes for file in manifest.files.values())
        if total > MOST_BYTES:
            raise BundleError(
                f"{MANIFEST} lists {total} bytes of files, at most {MOST_BYTES} are read; {_AGAIN}"
            )
        self._folder, self._manifest = folder, manifest
        self._files = {name: read_file(folder, name, one) for name, one in manifest.files.items()}
        self._waiting = set(manifest.graphs)
        self.external = {
            name: external_files(manifest, self._files, name) for name in manifest.graphs
        }
        """Graph -> the places of its external data, as it names them -> the listed file at that place."""
        check_identity(manifest, self._files)

    def read(self, name: str) -> bytes:
        """Return the bytes of a listed file as they were at first.

        A file that was let go is read again; BundleError if it has changed, or if no such file is listed.
        """
        if name not in self._manifest.files:
            raise BundleError(f"{name} is not listed in {MANIFEST}; export the bundle again")
        if name in self._files:
            return self._files[name]
        try:
            return read_file(self._folder, name, self._manifest.files[name])
        except BundleError:
            raise BundleError(_REPLACED.format(name)) from None

    def check_current(self, graph: str) -> None:
        """Raise BundleError if a file of a graph has been replaced in the folder since it was read.

        The bytes in memory are still those that were verified; but whoever replaced them expects the new
        ones, and must hear that these are the old. A folder that is gone is no reason.
        """
        for name in self._files_of(graph):
            try:
                read_file(self._folder, name, self._manifest.files[name])
            except BundleError:
                if (self._folder / name).exists():
                    raise BundleError(_REPLACED.format(name)) from None

    def release(self, graph: str) -> None:
        """Let go of the files of a graph that no other graph waits for."""
        self._waiting.discard(graph)
        needed = {file for other in self._waiting for file in self._files_of(other)}
        for file in self._files_of(graph) - needed:
            self._files.pop(file, None)

    def _files_of(self, graph: str) -> set[str]:
        return {self._manifest.graphs[graph].file, *self.external[graph].values()}


def read_file(folder: Path, name: str, listed: File) -> bytes:
    """Return the bytes of one listed file; BundleError where they are not those that were listed."""
    with _refused(name):
        root, path = (Path(os.path.realpath(one)) for one in (folder, folder / name))
        if not path.is_relative_to(root):
            raise BundleError(f"{name} is a link that leads out of the bundle; copy it with cp -rL")
        if not os.path.lexists(path):
            raise BundleError(f"{name} is missing from {folder}; {_AGAIN}")
        size = path.stat().st_size
        if path.is_file() and size != listed.bytes:
            raise BundleError(f"{name}: expected {listed.bytes} bytes, found {size}; {_AGAIN}")
        data = read_regular(path, listed.bytes)
    found = hashlib.sha256(data).hexdigest()
    if found != listed.sha256:
        raise BundleError(
            f"{name} was changed: its SHA-256 is {found[:12]}..., the bundle states "
            f"{listed.sha256[:12]}...; {_AGAIN}"
        )
    return data


@contextmanager
def _refused(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError(f"{name} cannot be read: {error.strerror}; {_AGAIN}") from None
    except MemoryError:
        raise BundleError(f"{name} does not fit into the memory of this machine") from None


def external_files(manifest: Manifest, files: Mapping[str, bytes], graph: str) -> dict[str, str]:
    """Return location -> name of the listed file, for what a graph keeps outside its ONNX file.

    BundleError for a location that is not a listed file, for bytes beyond its end, and for tensors whose file
    onnxruntime would open by itself.
    """
    file = manifest.graphs[graph].file
    found = {}
    for external in external_tensors(files[file], file):
        name = _listed(manifest, file, external)
        if (external.stop or external.start) > manifest.files[name].bytes:
            raise BundleError(
                f"{file} keeps weights in {external.location!r} from byte {external.start} on, which has "
                f"{manifest.files[name].bytes} bytes; {_AGAIN}"
            )
        found[external.location] = name
    return found


def _listed(manifest: Manifest, file: str, external: External) -> str:
    at = f"{file} keeps weights in {external.location!r}"
    path = PurePosixPath(file).parent / external.location
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    if path.is_absolute() or ".." in parts or "\\" in external.location or ":" in external.location:
        raise BundleError(f"{at}, which lies outside the bundle; refused")
    name = "/".join(parts)
    if name not in manifest.files:
        raise BundleError(f"{at}, a file that {MANIFEST} does not list; refused")
    if not external.from_memory:
        raise BundleError(
            f"{at} for a branch, a function or a sparse tensor, whose file would be opened unchecked; "
            "refused. Only initializers of the graph itself may keep their bytes in another file"
        )
    return name
