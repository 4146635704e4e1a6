"""Open a bundle, compare every file with its manifest, run its graphs."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dimaging_edge.bundle.arrays import read_npz
from dimaging_edge.bundle.calls import BoundGraph, GraphCalls
from dimaging_edge.bundle.checks import check_inputs, check_session
from dimaging_edge.bundle.contents import MANIFEST, MOST_MANIFEST, Contents, read_regular
from dimaging_edge.bundle.identity import EXAMPLES
from dimaging_edge.bundle.schema import Graph, Manifest, Tensor
from dimaging_edge.bundle.session import make_session, resolve_threads, used_provider
from dimaging_edge.common.errors import BundleError, InputError, near

if TYPE_CHECKING:
    import onnxruntime

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
    """A verified bundle, as `open_bundle` returns it; sessions are created on first use and kept.

    All of its files are in memory, as they were when it was opened; those of a graph are let go once the
    graph has its session. A bundle can be pickled: it is then opened again, and must be the same.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        contents: Contents,
        provider: str,
        threads: int,
        allow_fallback: bool,
        limit_s: float | None = None,
    ):
        self.path = path
        self.manifest = manifest
        self.provider = provider
        """The provider in use: "cpu", "cuda" or "openvino"."""
        self.threads = threads
        self.allow_fallback = allow_fallback
        self.limit_s = limit_s
        """The longest time of one run, in s, where `run` is given none; None for no limit."""
        self._contents = contents
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._calls: dict[str, GraphCalls] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the place and the manifest; sessions are made again."""
        how = (self.provider, self.threads, self.allow_fallback, self.limit_s)
        return _open_again, (self.path, self.manifest, *how)

    @property
    def graphs(self) -> tuple[str, ...]:
        """The names of the graphs, in the order of the manifest."""
        return tuple(self.manifest.graphs)

    def graph(self, name: str) -> Graph:
        """Return what the manifest says of a graph; InputError if there is none of that name."""
        if name not in self.manifest.graphs:
            raise InputError(f"no graph {name!r} in {self.path.name}; {near(name, self.graphs)}")
        return self.manifest.graphs[name]

    def tensor(self, graph: str, name: str, rank: int) -> Tensor:
        """Return what the manifest says of an input or output of a graph.

        BundleError if there is none of that name, or not with `rank` dimensions.
        """
        spec = self.graph(graph)
        for tensor in (*spec.inputs, *spec.outputs):
            if tensor.name == name and len(tensor.shape) == rank:
                return tensor
        raise BundleError(
            f"{self.path.name}: graph {graph!r} has no tensor {name!r} of {rank} dimensions; export it again"
        )

    def setting(self, name: str, low: int, high: int, *, group: str | None = None) -> int:
        """Return a whole number of the manifest's config; BundleError unless it is from `low` to `high`.

        group: the object of the config that holds it.
        """
        config: Any = self.manifest.config if group is None else self.manifest.config.get(group)
        value = config.get(name) if isinstance(config, dict) else None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            at = ".".join(filter(None, ("config", group, name)))
            raise BundleError(
                f"{MANIFEST}: {at}: expected an integer from {low} to {high}, found {value!r}"
            )
        return value

    def file(self, name: str) -> Path:
        """Return the path of a graph's ONNX file."""
        return self.path / self.graph(name).file

    def read(self, name: str) -> bytes:
        """Return a listed file as it was when the bundle was opened; BundleError for another."""
        return self._contents.read(name)

    def session(self, name: str) -> "onnxruntime.InferenceSession":
        """Return the graph's onnxruntime session, created at the first call; loops that check once call it.

        BundleError if the graph's file in the folder has been replaced by then.
        """
        if name not in self._sessions:
            self.graph(name)
            self._contents.check_current(name)
            self._sessions[name] = self.new_session(name)
            self._contents.release(name)
        return self._sessions[name]

    def new_session(self, name: str, **options: Any) -> "onnxruntime.InferenceSession":
        """Return a new session of a graph, made of the bytes that were verified.

        options: those of `make_session`, beside the bundle's own provider and threads.
        """
        graph = self.graph(name)
        external = {place: self.read(file) for place, file in self._contents.external[name].items()}
        how = {"allow_fallback": self.allow_fallback, "external": external, "name": graph.file}
        how |= {"provider": self.provider, "threads": self.threads, "exact": self.exact(name)}
        session = make_session(self.read(graph.file), **(how | options))
        check_session(graph, session)
        return session

    def exact(self, name: str) -> bool:
        """Return whether a graph's whole numbers have to come out the same on every device."""
        limits = [figures.get("allowed") for figures in self.graph(name).parity.values()]
        return self.manifest.precision == "integer" or 0.0 in limits

    def run(
        self, name: str, /, *, limit_s: Any = None, **arrays: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Run a graph: one array per input, by name; returns one array per output, by name.

        Shapes, dtypes and ranges are those of `manifest.graphs[name].inputs`; InputError tells what differs.
        Arrays are passed on as they are, never cast, and not copied. limit_s: longest time in s; LimitError
        when it is over (default: `Bundle.limit_s`). BundleError for outputs other than those declared.
        """
        calls = self._calls.get(name) or self._calls_of(name, arrays)
        return calls(arrays, self.limit_s if limit_s is None else limit_s)

    def again(self, name: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run a graph as `run`, but without a look at the values of arrays of a known signature.

        For loops that hand a graph what the bundle's own graphs gave, such as a sampler of pixels.
        """
        calls = self._calls.get(name) or self._calls_of(name, arrays)
        return calls.unseen(arrays, self.limit_s)

    def bind(self, name: str, /, *, limit_s: Any = None, **arrays: np.ndarray) -> BoundGraph:
        """Return a graph with inputs and outputs of its own, for loops in which every microsecond counts.

        The arrays are as for `run`, and their shapes stay. Fill `inputs[...]`, call, read `outputs`:

            bound = bundle.bind("decoder", z=z)
            bound.inputs["z"][...] = other
            image = bound()["image"]
        """
        calls = self._calls.get(name) or self._calls_of(name, arrays)
        return BoundGraph(calls, arrays, self.limit_s if limit_s is None else limit_s)

    def _calls_of(self, name: str, arrays: Mapping[str, np.ndarray]) -> GraphCalls:
        """Make what runs a graph; arrays that do not fit are said before a session is created."""
        graph = self.graph(name)
        check_inputs(graph, arrays)
        return self._calls.setdefault(name, GraphCalls(graph, self.session(name)))

    def examples(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return (inputs, outputs) of a graph: real inputs, batch 1, and what Keras answered."""
        graph = self.graph(name)
        if EXAMPLES not in self.manifest.files:
            raise BundleError(f"{self.path.name} holds no {EXAMPLES}; export it again")
        sides = (graph.inputs, graph.outputs)
        keys = {tensor.name: f"{name}/{tensor.name}" for side in sides for tensor in side}
        stored = read_npz(self.read(EXAMPLES), EXAMPLES, set(keys.values()))
        missing = [key for key in keys.values() if key not in stored]
        if missing:
            raise BundleError(f"{EXAMPLES} lacks {', '.join(missing)}; export it again")
        inputs, outputs = ({t.name: stored[keys[t.name]] for t in side} for side in sides)
        return inputs, outputs

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
    limit_s: float | None = None,
) -> Bundle:
    """Open the bundle in folder `path` after checking every file against its manifest.

    provider: "cpu", "cuda" or "openvino"; what is asked for is used, or ProviderError says why not
    (`allow_fallback` takes the CPU instead). threads: the number of threads of one operator; None is every
    core. limit_s: the longest time of each run, in s; None for no limit. BundleError for a folder that is no
    bundle, is damaged, was changed, or is too new.

    The files are read here, once. What happens to the folder later does not change an open bundle: a graph
    that has run goes on, and one that has not says that it was replaced.
    """
    folder = Path(os.path.abspath(path))
    manifest = read_manifest(folder)
    contents = Contents(folder, manifest)
    threads = resolve_threads(threads)
    if provider != "cpu":  # find out now, not at the first run
        probe = make_session(REFERENCE, provider, threads, allow_fallback=allow_fallback)
        provider = used_provider(probe)
    return Bundle(folder, manifest, contents, provider, threads, allow_fallback, limit_s)


def _open_again(
    path: Path,
    manifest: Manifest,
    provider: str,
    threads: int,
    allow_fallback: bool,
    limit_s: float | None,
) -> Bundle:
    bundle = open_bundle(path, provider, threads, allow_fallback=allow_fallback, limit_s=limit_s)
    if bundle.manifest != manifest:
        raise BundleError(
            f"{path} was replaced by another bundle since it was opened; open it anew"
        )
    return bundle


def read_manifest(folder: Path) -> Manifest:
    """Read and validate `bundle.json` alone; BundleError if it is not there or not valid."""
    if not folder.is_dir():
        raise BundleError(f"no bundle folder at {folder}; make one with: dimaging export")
    try:
        text = read_regular(folder / MANIFEST, MOST_MANIFEST).decode("utf-8")
    except FileNotFoundError:
        raise BundleError(
            f"{folder} holds no {MANIFEST}, so it is no bundle; make one with: dimaging export"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{folder / MANIFEST} cannot be read: {error}") from None
    return Manifest.from_json(text)


def _max_abs(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("nan")
    if not found.size:
        return 0.0
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())
