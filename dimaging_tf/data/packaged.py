"""Files that other Python packages carry, found without importing those packages (that is slow)."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from dimaging_tf.errors import DataError


def packaged(package: str, path: str, distribution: str) -> Path:
    """Return a data file inside an installed package; DataError says what to install when it is absent."""
    spec = importlib.util.find_spec(package)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    if folder is None or not (folder / path).is_file():
        what = "is not installed" if folder is None else f"does not hold {path} in this version"
        raise DataError(
            f"the package {distribution} {what}; expected it as the source of this data: "
            "pip install 'dimaging[train]'"
        )
    return folder / path


def read_csv_gz(path: Path, columns: int) -> np.ndarray:
    """Read a gzipped table of integers 0..255 without a header as uint8 [rows, columns]."""
    text = gzip.decompress(path.read_bytes())
    if not text.translate(None, b"0123456789,\n"):
        # Four times as fast as np.loadtxt.
        values = np.fromstring(text.replace(b"\n", b",").decode(), np.int16, sep=",")
        if values.size and values.size == columns * text.count(b"\n") and values.max() <= 255:
            return values.astype(np.uint8).reshape(-1, columns)
    raise DataError(f"{path} is damaged; expected lines of {columns} numbers from 0 to 255")
