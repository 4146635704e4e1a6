"""Open a bundle, prove that nothing in it was changed, run its graphs."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_edge.bundle.checks import check_inputs
from dimaging_edge.bundle.external_data import external_locations
from dimaging_edge.bundle.schema import Graph, Manifest
from dimaging_edge.bundle.session import make_session, resolve_threads, used_provider
from dimaging_edge.common.errors import BundleError, DimagingError, InputError, near

if TYPE_CHECKING:
    import onnxruntime

MANIFEST = "bundle.json"
EXAMPLES = "examples.npz"
REFERENCE = Path(__file__).with_name("reference.onnx")
"""The file of one 3x3 convolution, 1x64x56x56 to the same: it starts in milliseconds, runs in about one."""


@dataclass(frozen=True)
class Check:
    """How far one output on this device is from what Keras answered for the same input."""

    max_abs: float
    allowed: float | None  # None: the bundle states no limit

    @property
    def ok(self) -> bool:
        """True unless the difference is above the limit, or is not a number."""
        return self.max_abs <= (math.inf if self.allowed is None else self.allowed)


class Bundle:
    """A verified bundle, as `open_bundle` returns it; sessions are created on first use and kept."""

    def __init__(
        self, path: Path, manifest: Manifest, provider: str, threads: int, allow_fallback: bool
    ):
        self.path = path
        self.manifest = manifest
        self.provider = provider
        """The provider in use: "cpu", "cuda" or "openvino"."""
        self.threads = threads
        self.allow_fallback = allow_fallback
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    @property
    def graphs(self) -> tuple[str, ...]:
        """The names of the graphs, in the order of the manifest."""
        return tuple(self.manifest.graphs)

    def graph(self, name: str) -> Graph:
        """Return what the manifest says of a graph; InputError if there is none of that name."""
        if name not in self.manifest.graphs:
            raise InputError(f"no graph {name!r} in {self.path.name}; {near(name, self.graphs)}")
        return self.manifest.graphs[name]

    def file(self, name: str) -> Path:
        """Return the path of a graph's ONNX file."""
        return self.path / self.graph(name).file

    def session(self, name: str) -> "onnxruntime.InferenceSession":
        """Return the graph's onnxruntime session, created at the first call."""
        if name not in self._sessions:
            self._sessions[name] = make_session(
                self.file(name),
                self.provider,
                self.threads,
                allow_fallback=self.allow_fallback,
                exact=self.exact(name),
            )
        return self._sessions[name]

    def exact(self, name: str) -> bool:
        """Return whether a graph's whole numbers have to come out the same on every device."""
        limits = [figures.get("allowed") for figures in self.graph(name).parity.values()]
        return self.manifest.precision == "integer" or 0.0 in limits

    def run(self, name: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run a graph: one array per input, by name; returns one array per output, by name.

        Shapes, dtypes and ranges are those of `manifest.graphs[name].inputs`; InputError tells
        what differs. Arrays are passed on as they are, never cast, and not copied.
        """
        checked = check_inputs(self.graph(name), arrays)
        session = self.session(name)
        names = [output.name for output in self.graph(name).outputs]
        try:
            found: Any = session.run(names, checked)
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            shapes = ", ".join(f"{key}{array.shape}" for key, array in checked.items())
            text = " ".join(str(error).split())
            raise DimagingError(f"{name}: onnxruntime failed on {shapes}: {text}") from None
        return dict(zip(names, found, strict=True))

    def examples(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return (inputs, outputs) of a graph: real inputs, batch 1, and what Keras answered."""
        graph = self.graph(name)
        if EXAMPLES not in self.manifest.files:
            raise BundleError(f"{self.path.name} holds no {EXAMPLES}; export it again")
        with np.load(self.path / EXAMPLES, allow_pickle=False) as stored:
            sides = []
            for tensors in (graph.inputs, graph.outputs):
                keys = {tensor.name: f"{name}/{tensor.name}" for tensor in tensors}
                missing = [key for key in keys.values() if key not in stored]
                if missing:
                    raise BundleError(f"{EXAMPLES} lacks {', '.join(missing)}; export it again")
                sides.append({tensor: stored[key] for tensor, key in keys.items()})
        return sides[0], sides[1]

    def check(self) -> dict[str, dict[str, Check]]:
        """Run every graph on its examples; return per graph and output how far Keras is."""
        return {name: self._check_graph(name) for name in self.graphs}

    def _check_graph(self, name: str) -> dict[str, Check]:
        inputs, expected = self.examples(name)
        found = self.run(name, **inputs)
        parity: Mapping[str, Any] = self.graph(name).parity
        return {
            output: Check(_max_abs(found[output], want), parity.get(output, {}).get("allowed"))
            for output, want in expected.items()
        }


def open_bundle(
    path: str | Path,
    provider: str = "cpu",
    threads: int | None = None,
    *,
    allow_fallback: bool = False,
) -> Bundle:
    """Open the bundle in folder `path` after checking every file against its manifest.

    provider: "cpu", "cuda" or "openvino"; what is asked for is used, or ProviderError says why
    not (`allow_fallback` takes the CPU instead). threads: of one operator; None: every core.
    Raises BundleError for a folder that is no bundle, is damaged, was changed, or is too new.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    _verify(folder, manifest)
    threads = resolve_threads(threads)
    if provider != "cpu":  # find out now, not at the first run
        probe = make_session(REFERENCE, provider, threads, allow_fallback=allow_fallback)
        provider = used_provider(probe)
    return Bundle(folder, manifest, provider, threads, allow_fallback)


def read_manifest(folder: Path) -> Manifest:
    """Read and validate `bundle.json` alone; BundleError if it is not there or not valid."""
    if not folder.is_dir():
        raise BundleError(f"no bundle folder at {folder}; make one with: dimaging export")
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BundleError(
            f"{folder} holds no {MANIFEST}, so it is no bundle; make one with: dimaging export"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{folder / MANIFEST} cannot be read: {error}") from None
    return Manifest.from_json(text)


def _verify(folder: Path, manifest: Manifest) -> None:
    again = "copy the bundle again, or export it again"
    for name, listed in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{name} is missing from {folder}; {again}")
        size = path.stat().st_size
        if size != listed.bytes:
            raise BundleError(f"{name}: expected {listed.bytes} bytes, found {size}; {again}")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != listed.sha256:
            raise BundleError(
                f"{name} was changed: its SHA-256 is {found[:12]}..., the bundle states "
                f"{listed.sha256[:12]}...; {again}"
            )
    for graph in manifest.graphs.values():
        for location in external_locations(folder / graph.file):
            _verify_location(folder, manifest, graph.file, location)


def _verify_location(folder: Path, manifest: Manifest, file: str, location: str) -> None:
    at = f"{file} keeps weights in {location!r}"
    root = folder.resolve()
    target = ((folder / file).parent / location).resolve()
    if not target.is_relative_to(root):
        raise BundleError(f"{at}, which lies outside the bundle; refused")
    if target.relative_to(root).as_posix() not in manifest.files:
        raise BundleError(f"{at}, a file that {MANIFEST} does not list; refused")


def _max_abs(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("nan")
    if not found.size:
        return 0.0
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())
