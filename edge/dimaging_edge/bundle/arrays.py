"""Arrays from a .npz file whose writer is not trusted: sizes are checked before anything is inflated."""

import io
import math
import zipfile
from collections.abc import Collection

import numpy as np

from dimaging_edge.bundle.schema import DTYPES
from dimaging_edge.common.errors import BundleError

MOST_ARRAY = 1 << 28
"""The most bytes of one array: 256 MiB."""
_MOST_MEMBERS = 10_000
_TOGETHER = 4
"""All arrays together may have this many times the bytes of one."""
_LONGEST_HEADER = 1 << 14


def read_npz(
    data: bytes,
    name: str,
    wanted: Collection[str] | None = None,
    *,
    most: int = MOST_ARRAY,
    mend: str = "export the bundle again",
) -> dict[str, np.ndarray]:
    """Return the arrays of a .npz file by name; those of `wanted` that are there, or all for None.

    `name` is that of the file and `mend` what helps, for messages. BundleError for what is no such file, for
    objects and other types that no graph has, and for an array of more than `most` bytes, which is not
    inflated.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            chosen = _members(archive, wanted, most)
            return {key: _read_member(archive, one, most) for key, one in chosen.items()}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen unrelated types
        words = str(error) or type(error).__name__
        raise BundleError(f"{name} cannot be read: {words}; {mend}") from None


def _members(
    archive: zipfile.ZipFile, wanted: Collection[str] | None, most: int
) -> dict[str, zipfile.ZipInfo]:
    listed = archive.infolist()
    if len(listed) > _MOST_MEMBERS:
        raise BundleError(f"it holds {len(listed)} arrays, at most {_MOST_MEMBERS} are read")
    found = {member.filename.removesuffix(".npy"): member for member in listed}
    if len(found) != len(listed):
        raise BundleError("it holds two arrays of one name")
    chosen = {key: one for key, one in found.items() if wanted is None or key in wanted}
    total = sum(member.file_size for member in chosen.values())
    if total > _TOGETHER * most:
        raise BundleError(f"its arrays have {total} bytes, at most {_TOGETHER * most} are read")
    return chosen


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> np.ndarray:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(f"{member.filename} is compressed in a way that numpy does not use")
    with archive.open(member) as stream:
        head = io.BytesIO(stream.read(_LONGEST_HEADER))
        version = np.lib.format.read_magic(head)
        if version not in ((1, 0), (2, 0)):
            raise BundleError(f"{member.filename} has version {version} of the format .npy")
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read_header(head)
        if dtype.name not in DTYPES or dtype.byteorder == ">":
            raise BundleError(
                f"{member.filename} holds {dtype}, expected one of {', '.join(DTYPES)}"
            )
        size, start = math.prod(shape) * dtype.itemsize, head.tell()
        if size > most:
            raise BundleError(f"{member.filename} has {size} bytes, at most {most} are read")
        if min(shape, default=0) < 0 or start + size != member.file_size:
            raise BundleError(
                f"{member.filename} states the shape {shape} of {dtype}, which its "
                f"{member.file_size} bytes do not hold"
            )
        body = head.getvalue()[start:] + stream.read()
    if len(body) != size:
        raise BundleError(f"{member.filename} ends after {len(body)} of {size} bytes")
    array = np.frombuffer(body, dtype).copy()
    return array.reshape(shape, order="F" if fortran else "C")
