"""Where public data files lie on this machine, and fetching one there, only when asked to.

They are looked for in `data_dir` if it is given, else in $DIMAGING_DATA and in Keras's own cache
($KERAS_HOME/datasets, by default ~/.keras/datasets).
"""

import hashlib
import os
import shutil
import urllib.request
from pathlib import Path
from typing import NamedTuple

from dimaging_edge.common.files import temporary_folder

from dimaging_tf.errors import DataError

Folder = str | os.PathLike | None


class Remote(NamedTuple):
    """A file, where its publisher keeps it, and its MD5 (against damage)."""

    path: str
    url: str = ""
    md5: str = ""


def locate(remote: Remote, data_dir: Folder, download: bool) -> Path:
    """Return the file on this disk; DataError names the places searched and how to get it."""
    places = _places(data_dir)
    for place in places:
        if (place / remote.path).is_file():
            return place / remote.path
    target = places[-1] / remote.path
    if download and remote.url:
        return _fetch(remote, target)
    get = (
        f"; to get it, pass download=True or run\n  curl --create-dirs -Lo '{target}' {remote.url}"
    )
    raise DataError(
        f"{remote.path} is not in {' or '.join(map(str, places))}; expected it there or in the "
        f"folder of data_dir= (--data-dir){get if remote.url else ', it cannot be downloaded'}"
    )


def _places(data_dir: Folder) -> list[Path]:
    if data_dir is not None:
        folder = Path(data_dir).expanduser()
        if not folder.is_dir():
            raise DataError(
                f"data_dir is {folder}; expected an existing folder with the data files"
            )
        return [folder]
    keras = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"
    ours = os.environ.get("DIMAGING_DATA")
    return [Path(ours).expanduser(), keras] if ours else [keras]


def _fetch(remote: Remote, target: Path) -> Path:
    """Download under a temporary name, compare the MD5, rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(target) as folder:
        part = folder / target.name
        try:
            with urllib.request.urlopen(remote.url, timeout=60) as source, part.open("wb") as sink:
                shutil.copyfileobj(source, sink)
        except OSError as error:
            raise DataError(f"{remote.url} cannot be downloaded: {error}") from error
        with part.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        if md5 != remote.md5:
            raise DataError(
                f"{remote.url} is not the expected file: MD5 {md5}, expected {remote.md5}; "
                "nothing was kept, try again"
            )
        part.replace(target)
    return target
