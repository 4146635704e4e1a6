"""Files that other Python packages carry, found without importing those packages (that is slow)."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from dimaging_tf.errors import DataError


def packaged(package: str, path: str, distribution: str) -> Path:
    """A data file inside an installed package. DataError says what to install when it is absent."""
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
    """A gzipped table of integers 0..255 without a header, as uint8 [rows, columns]."""
    text = gzip.decompress(path.read_bytes()).replace(b"\n", b",")
    # Seven times as fast as np.loadtxt; the sizes below catch what its leniency would let through.
    values = np.fromstring(text.decode("ascii"), np.uint8, sep=",")
    if values.size != text.rstrip(b",").count(b",") + 1 or values.size % columns:
        raise DataError(f"{path} is damaged: {values.size} numbers; expected rows of {columns}")
    return values.reshape(-1, columns)
