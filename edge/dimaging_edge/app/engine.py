"""onnxruntime-web, which runs graphs in a browser: the files that lie in the wheel, pinned by their SHA-256.

Only the build for WebAssembly is taken; those for WebGPU are three times as large and are reported to crash
on iOS 26 (onnxruntime issues 26827, 27584). To refresh all files from npm, after VERSION was changed here:

    python -m dimaging_edge.app.engine        # prints the new table of PINNED
"""

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from dimaging_edge.common.errors import BundleError
from dimaging_edge.common.files import write_bytes

VERSION = "1.30.0"
"""The version of onnxruntime-web."""
FOLDER = Path(__file__).parents[1] / "web" / "engine"
"""The folder of its files."""
PINNED = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""File of the npm package -> SHA-256 of its content, as npm has it."""
NOTICES = ("LICENSE", "ThirdPartyNotices.txt")
"""The licence and the notices of onnxruntime, which hold for the build for browsers, too."""
_STORED = ".gz"


def read_engine(name: str) -> bytes:
    """Return a file of onnxruntime-web; BundleError where it is missing or not the one that was pinned."""
    path = FOLDER / name
    packed = path.with_name(name + _STORED)
    try:
        data = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read ({error}); install the package again: "
            "pip install --force-reinstall dimaging"
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if found != PINNED[name]:
        raise BundleError(
            f"{path} is damaged: expected SHA-256 {PINNED[name][:16]}, found {found[:16]}; install the "
            "package again: pip install --force-reinstall dimaging"
        )
    return data


def packed_engine(name: str) -> bytes:
    """Return a file of onnxruntime-web compressed by gzip, as it is stored where it is large."""
    packed = FOLDER / (name + _STORED)
    return packed.read_bytes() if packed.exists() else gzip.compress(read_engine(name), 9, mtime=0)


def refresh(folder: Path = FOLDER) -> dict[str, str]:
    """Fetch the files of VERSION from npm, write them to `folder` and return the table for PINNED.

    Licence and notices come from the installed onnxruntime, because the npm package brings none.
    """
    import onnxruntime

    found = {}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", "--silent", f"onnxruntime-web@{VERSION}"]
        subprocess.run(command, cwd=place, check=True)
        with tarfile.open(next(Path(place).glob("*.tgz"))) as package:
            for name in PINNED:
                member = package.extractfile(f"package/dist/{name}")
                if member is None:
                    raise BundleError(f"onnxruntime-web {VERSION} has no file dist/{name}")
                data = member.read()
                found[name] = hashlib.sha256(data).hexdigest()
                large = len(data) > 1 << 20
                packed = gzip.compress(data, 9, mtime=0) if large else data
                write_bytes(folder / (name + _STORED if large else name), packed)
    for name in NOTICES:
        shutil.copyfile(Path(str(onnxruntime.__file__)).parent / name, folder / name)
    return found


if __name__ == "__main__":
    for key, value in refresh().items():
        print(f'    "{key}": "{value}",')
