"""The files of the page: from the wheel, onnxruntime-web, and bundles.

index.html, app.mjs, ...                 the page, replaced when the wheel is updated
sw.js, files.json                        written here: the list of all files, and the page's version
keep/engine-1.30.0/...                   never change: their folder's name changes with them
keep/unet_codec-0123456789ab/...
"""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dimaging_edge.app import engine
from dimaging_edge.bundle.open import REFERENCE, read_manifest
from dimaging_edge.bundle.schema import Manifest
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.files import write_bytes
from dimaging_edge.common.version import __version__
from dimaging_edge.photo.bundle_model import SHIPPED, is_codec, located

WEB = Path(__file__).parents[1] / "web"
"""The folder of the page's own files."""
KEEP = "keep/"
"""What stands before files that never change."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",  # LICENSE
}
"""Suffix -> type; a system's own table cannot be trusted (Windows keeps it in the registry)."""
_LEFT_OUT = {"prior.npz"}
"""The files of a bundle that only numpy needs."""
_HIDDEN = {"sw.js", "tsconfig.json"}


@dataclass(frozen=True)
class File:
    """A file of the page; `core`: needed at the first visit."""

    read: Callable[[], bytes]
    core: bool = True
    pack: Callable[[], bytes] | None = None

    def packed(self) -> bytes:
        """Return the content compressed by gzip."""
        return self.pack() if self.pack else gzip.compress(self.read(), 6, mtime=0)


class Site:
    """The files of a page with some bundles, by path."""

    def __init__(self, bundles: Sequence[str | Path] = ()):
        """Take bundles to show, beside those that come with the package; the first codec is the page's own.

        InputError for two bundles of one name and for a codec of one size, BundleError for a folder that is
        no bundle.
        """
        chosen = [located(path).resolve() for path in bundles]  # "." has a name, too
        along = sorted(path.parent.resolve() for path in SHIPPED.glob("*/bundle.json"))
        manifests = {path: read_manifest(path) for path in along}
        along.sort(key=lambda path: not is_codec(manifests[path]))  # the codecs come first
        folders = [*chosen, *(path for path in along if path not in chosen)]
        names = [folder.name for folder in folders]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"two bundles are called {twice}; rename the folder of one")
        self.files: dict[str, File] = {}
        self.bundles: list[dict[str, Any]] = []
        for path in sorted(WEB.rglob("*")):
            name = path.relative_to(WEB).as_posix()
            if path.is_file() and path.parent != engine.FOLDER and name not in _HIDDEN:
                self.files[name] = File(path.read_bytes)
        self._add_engine()
        for folder in folders:
            manifest = manifests.get(folder) or read_manifest(folder)
            self._add_bundle(folder, manifest, core=folder in chosen)
        first = next((one["folder"] for one in self.bundles if one["codec"]), "")
        for name, file in self.files.items():
            if name.startswith(first):
                self.files[name] = File(file.read)
        listed = self._listing()
        self.files["files.json"] = File(lambda: listed)
        worker = self._worker()
        self.files["sw.js"] = File(lambda: worker, core=False)

    @cached_property
    def version(self) -> str:
        """The version of the page: another one for any change of its own files or its list of bundles."""
        found = hashlib.sha256(__version__.encode())
        for name, file in sorted(self.files.items()):
            found.update(name.encode())
            if not name.startswith(KEEP):
                found.update(file.read())
        return found.hexdigest()[:16]

    def write(self, folder: Path) -> int:
        """Write all files to a folder for any https host, and return how many.

        InputError for a folder that holds anything but an earlier page.
        """
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "files.json").is_file():
            raise InputError(
                f"{folder} holds other files, and an index.html of theirs would be replaced; give a new "
                "folder, an empty one, or that of an earlier page"
            )
        for name, file in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, file.read())
        return len(self.files)

    def _add_engine(self) -> None:
        place = f"{KEEP}engine-{engine.VERSION}/"
        for name in engine.PINNED:
            self.files[place + name] = File(_reader(name), pack=_packer(name))
        for name in engine.NOTICES:
            self.files[place + name] = File((engine.FOLDER / name).read_bytes, core=False)
        self.files["reference.onnx"] = File(REFERENCE.read_bytes)

    def _add_bundle(self, folder: Path, manifest: Manifest, *, core: bool) -> None:
        stamp = hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()[:12]
        plain = re.sub(r"[^\w.-]", "_", folder.name)  # an address would end at a # or ?
        place = f"{KEEP}{plain}-{stamp}/"
        size = 0
        for name in sorted({"bundle.json", "CARD.md", *manifest.files} - _LEFT_OUT):
            if (folder / name).is_file():
                self.files[place + name] = File((folder / name).read_bytes, core=core)
                size += (folder / name).stat().st_size
        graphs, codec = list(manifest.graphs), is_codec(manifest)
        if codec and isinstance(manifest.graphs["decoder"].outputs[0].shape[1], int):
            raise InputError(
                f"{folder} takes pictures of one size (target phone), the page any; export the codec with "
                "--target web"
            )
        entry = {"name": folder.name, "folder": place, "model": manifest.model, "codec": codec}
        entry |= {"model_id": manifest.model_id, "graphs": graphs, "bytes": size}
        self.bundles.append(entry)

    def _listing(self) -> bytes:
        files = {name: file.core for name, file in sorted(self.files.items())}
        value = {"engine": f"{KEEP}engine-{engine.VERSION}/", "bundles": self.bundles}
        value |= {"dimaging": __version__, "onnxruntime_web": engine.VERSION, "files": files}
        return json.dumps(value, indent=1).encode()

    def _worker(self) -> bytes:
        core = sorted(
            name for name, file in self.files.items() if file.core and name != "index.html"
        )
        values = {"VERSION": self.version, "CORE": ["./", *core]}
        values["KEPT"] = sorted(
            {name[: name.index("/", len(KEEP)) + 1] for name in self.files if KEEP in name}
        )
        head = "".join(f"const {key} = {json.dumps(value)};\n" for key, value in values.items())
        return head.encode() + (WEB / "sw.js").read_bytes()


def _reader(name: str) -> Callable[[], bytes]:
    return lambda: engine.read_engine(name)


def _packer(name: str) -> Callable[[], bytes]:
    return lambda: engine.packed_engine(name)
