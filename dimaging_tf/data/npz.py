"""An .npz file of anybody, read without harm: nothing is unpickled, and nothing inflates beyond a limit.

A few kilobytes of a zip archive can stand for any amount of zeros, so the headers of all arrays are read
first: together they take at most `own.MOST_BYTES`, and the archive must hold just as many bytes as they say.
"""

import zipfile
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from dimaging_tf.data import own
from dimaging_tf.errors import DataError


def read_npz(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz by name: these, in this order, or all of them.

    DataError names the array that is missing, and says what is damaged, too large, or made of objects.
    """
    try:
        own.check_bytes(path, _headers(path))
        # np.load(path) would leave a damaged file open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in (file.files if names is None else names)}
    except DataError:
        raise
    except KeyError as error:
        raise DataError(
            f"{path} has no array {error}; expected {', '.join(names or ())}"
        ) from error
    except Exception as error:  # zip, zlib and numpy each have their own for a damaged file
        raise DataError(f"{path} is damaged, or no .npz: {error or repr(error)}") from error


def _headers(path: Path) -> int:
    """Return the bytes that all arrays of an .npz take in memory, from their headers alone."""
    needed = 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, kind = read(file)
                start = file.tell()
            name = entry.filename.removesuffix(".npy")
            if kind.hasobject:
                raise DataError(
                    f"{path}: {name!r} holds Python objects, which are never unpickled; expected numbers "
                    "(examples of different lengths? make them equal)"
                )
            size = prod(shape) * kind.itemsize
            if entry.file_size - start != size:
                raise DataError(
                    f"{path}: {name!r} of shape {list(shape)} takes {size:,} bytes, the file holds "
                    f"{entry.file_size - start:,}; it is damaged"
                )
            needed += max(size, 4 * prod(shape))  # small numbers may become float32
    return needed
