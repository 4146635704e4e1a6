"""The subject of an export: a model's graphs, the ranges of their tensors, how to judge a copy of it.

Our own models say all of it (dimaging_tf/deployable.py). Any other functional Keras model is one graph
called "model", without ranges and without a figure of merit; it is judged by its signal to noise ratio.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from dimaging_edge.common.errors import near

from dimaging_export.bundle import as_functional
from dimaging_export.errors import ExportError, first_line
from dimaging_export.graph.interface import names_of
from dimaging_export.graph.trace import is_functional, trace
from dimaging_export.prove.inputs import Ranges
from dimaging_export.prove.runners import Arrays
from dimaging_tf import registry
from dimaging_tf.data.kinds import Kind, kind_of
from dimaging_tf.deployable import DeployableModel, Run
from dimaging_tf.errors import SAVED_MODEL
from dimaging_tf.training import runs


@dataclass(frozen=True)
class Subject:
    """A model as export sees it."""

    name: str
    graphs: dict[str, keras.Model]
    ranges: Ranges = field(default_factory=dict)
    quality: Any = None
    """dimaging_tf.deployable.FigureOfMerit, or None."""
    model: Any = None
    """The model itself if it is a `DeployableModel`, else None."""
    judge: Any = None
    """What has the `score` of a plain model; a `DeployableModel` judges itself."""
    original: Any = None
    """The float model whose integer-valued twin `model` is, and against which it is judged; else None."""
    data: tuple[str, dict[str, Any]] | None = None
    """Name and options of the data it learned from, for dimaging_tf.data.load, or those of its default."""
    learned_from: tuple[str, str] | None = None
    """Name and licence of what it was trained on, as its run says; None where nobody says."""
    source: str = "MODEL"
    """The run folder or file it was read from, for the command that repeats the export."""

    @property
    def entry(self) -> registry.Entry | None:
        """The model's row of the registry; None for a model that is none of ours, whatever its name."""
        return registry.REGISTRY.get(getattr(type(self.model), "registry_name", ""))

    def with_ranges(self, ranges: Mapping[str, tuple[float, float]] | None) -> "Subject":
        """Return a plain model that declares the legal values of its inputs; ExportError for what is none."""
        if not ranges:
            return self
        if self.model is not None:
            raise ExportError(
                f"{self.name} declares its own ranges; leave ranges={dict(ranges)} out"
            )
        known = [
            name for graph in self.graphs.values() for side in names_of(graph) for name in side
        ]
        for name, limits in ranges.items():
            if name not in known:
                raise ExportError(
                    f"ranges: {self.name} has no tensor {name!r}; {near(name, known)}"
                )
            low, high = limits
            if not -math.inf < low < high < math.inf:
                raise ExportError(
                    f"ranges: {name!r} needs low < high, finite; received {low:g}, {high:g}"
                )
        return replace(self, ranges={**self.ranges, **ranges})

    @property
    def image_range(self) -> tuple[float, float]:
        """The range of the images that the model takes; for a plain model as it was declared, else [0, 1].

        ExportError where nothing was declared and a layer Rescaling divides by 100 or more: then [0, 1] is
        hardly what the model takes.
        """
        graph = next(iter(self.graphs.values()))
        return self.range_of(names_of(graph)[0][0])

    def range_of(self, name: str) -> tuple[float, float]:
        """The range of images for an input of the first graph, as `image_range`, which is that of input 0."""
        if declared := self.ranges.get(name):
            return declared
        if "int" in self._kinds(next(iter(self.graphs))).get(name, ""):
            return 0.0, 255.0
        for layer in _layers_behind(next(iter(self.graphs.values())), name):
            if isinstance(layer, keras.layers.Rescaling) and np.max(np.abs(layer.scale)) <= 0.01:
                raise ExportError(
                    f"{self.name} rescales its input by {np.max(np.abs(layer.scale)):.3g} (layer "
                    f"{layer.name!r}), so it takes 0 to 255, but whole numbers of data= become 0 to 1. "
                    f"Declare its range: ranges={{{name!r}: (0, 255)}} (dimaging export --range {name}=0:255)"
                )
        return 0.0, 1.0

    @property
    def reads_words(self) -> bool:
        """True where an Embedding reads input 0 of the first graph: its numbers are words, not brightness."""
        graph = next(iter(self.graphs.values()))
        behind = _layers_behind(graph, names_of(graph)[0][0])
        return any(isinstance(layer, keras.layers.Embedding) for layer in behind)

    @property
    def example_shape(self) -> tuple[int | None, ...]:
        """Shape of one example of its data, None where free; that of its input for a plain model."""
        if said := getattr(self.model, "example_shape", None):
            return said
        shapes = [tuple(tensor.shape) for graph in self.graphs.values() for tensor in graph.inputs]
        return next((shape for shape in shapes if len(shape) == 4), shapes[0])[1:]

    @property
    def kind(self) -> Kind | None:
        """Kind of data that it works on; None for a plain model whose input is of no such kind."""
        kind = kind_of(1 + len(self.example_shape))
        known = getattr(self.model, "kinds", (kind,))
        if kind not in known:  # a model of images whose graphs take none
            return known[0]
        if self.model is not None or kind != "tokens":
            return kind
        graph = next(iter(self.graphs.values()))
        return kind if "int" in str(graph.inputs[0].dtype) else None

    @property
    def free_size(self) -> bool:
        """True where the model takes images of any height or width."""
        return self.kind == "image" and None in self.example_shape[:2]

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of its images where it takes no others; None for any other model."""
        height, width = (*self.example_shape, None, None)[:2]
        if self.kind != "image" or height is None or width is None:
            return None
        return height, width

    @property
    def model_id(self) -> str:
        """SHA-256 of all weights, the same for every precision and target."""
        digest = hashlib.sha256()
        for name in sorted(self.graphs):
            for weight in self.graphs[name].weights:
                array = np.asarray(weight, order="C")
                digest.update(f"{name} {array.shape} {array.dtype.str}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()

    def examples(self, x: Any, label: np.ndarray | None) -> dict[str, Arrays]:
        """Make the inputs of every graph from examples of the data; returns graph -> input -> values."""
        if self.model is not None:
            found = self.model.examples(x, label)
            return {graph: self._typed(graph, inputs) for graph, inputs in found.items()}
        if len(self.graphs) > 1:  # nobody says which of them reads the data
            return {}
        ((name, graph),) = self.graphs.items()
        if isinstance(x, dict):
            return {name: self._typed(name, x)}
        inputs, _ = names_of(graph)
        return {name: self._typed(name, {inputs[0]: x})} if len(inputs) == 1 else {}

    def _typed(self, graph: str, inputs: Mapping[str, Any]) -> Arrays:
        """Return inputs of a graph in the types that it takes; ExportError for parts instead of wholes."""
        kinds, found = self._kinds(graph), {}
        for name, value in inputs.items():
            kind = kinds.get(name, "float32")
            if "int" in kind:
                value = _whole(value, kind, f"input {name!r} of {self.name}")
            found[name] = np.asarray(value, kind)
        return found

    def _kinds(self, graph: str) -> dict[str, str]:
        """Return input -> type, as Keras has it."""
        model = self.graphs[graph]
        names, _ = names_of(model)
        return dict(zip(names, (tensor.dtype for tensor in model.inputs), strict=True))

    def score(self, run: Run, x: np.ndarray, label: np.ndarray | None) -> float:
        """Return the figure of merit of what `run(graph, **inputs)` computes; ExportError for other data."""
        try:
            return float((self.judge or self.model).score(run, x, label))
        except ValueError as error:
            raise ExportError(f"{self.name} cannot be judged on this data: {error}") from error


def _whole(value: Any, kind: str, at: str) -> np.ndarray:
    """Return whole numbers of a type, which floats are up to their rounding; ExportError for others."""
    whole, (low, high) = np.rint(value), (np.min(value), np.max(value))
    limits = np.iinfo(kind)
    if np.abs(whole - value).max() > 1e-3 or low < limits.min or high > limits.max:
        raise ExportError(
            f"{at} takes {kind}, whole numbers; received {low:g} to {high:g}. Give them as the model will "
            "see them, as bytes 0 to 255 for instance"
        )
    return whole.astype(kind)


def _layers_behind(graph: keras.Model, name: str) -> Iterator[Any]:
    """Yield the layers of a functional model that an input reaches before it meets another input."""
    if len(graph.inputs) == 1:
        yield from graph._flatten_layers()
        return
    walk = trace(graph)
    reached = {id(walk.inputs[names_of(graph)[0].index(name)])}
    for call in walk.calls:
        read = [
            x
            for x in keras.tree.flatten((call.args, call.kwargs))
            if isinstance(x, keras.KerasTensor)
        ]
        if all(id(x) in reached for x in read):
            reached |= {id(x) for x in keras.tree.flatten(call.output)}
            yield from getattr(call.op, "_flatten_layers", lambda: ())()


def load_subject(model_or_path: Any) -> Subject:
    """Load the subject from a Keras model, a .keras file or a run folder; ExportError for anything else."""
    if isinstance(model_or_path, keras.Model):
        return _subject(model_or_path)
    if not isinstance(model_or_path, str | Path):
        raise ExportError(
            f"{type(model_or_path).__name__} is no model; expected a keras.Model, a run folder or a .keras "
            "file. A layer becomes one by x = keras.Input(shape); keras.Model(x, layer(x))"
        )
    path = Path(model_or_path)
    if not path.exists() and path.name in registry.PRETRAINED:
        return _pretrained(path.name)
    if not path.exists():
        raise ExportError(
            f"there is no {path}; expected a run folder, a .keras file, a model, or the name of a "
            f"pretrained one: {', '.join(registry.PRETRAINED)}"
        )
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            raise ExportError(f"{path} {SAVED_MODEL}")
        if not (path / "run.json").exists():
            raise ExportError(
                f"{path} is no run folder, it has no run.json; train one: dimaging train MODEL"
            )
        model, source = runs.load_model(path), portable(path)
        said = runs.read_record(path).get("data", {})
        origin = None
        if "name" in said and "licence" in said:
            origin = (portable(Path(said["name"])), said["licence"])
        if not runs.has_settings(path):  # a fit script's: the model's default data judges it
            return _subject(model, source=source, learned_from=origin)
        settings = runs.read_settings(path)
        data = (settings.data, {"seed": settings.seed, **runs.data_options(settings)})
        return _subject(model, data=data, source=source, learned_from=origin)
    for entry in registry.REGISTRY.values():
        entry.model_class()  # registers the classes that the file may name
    return _subject(_load_file(path), source=portable(path))


def _pretrained(name: str) -> Subject:
    """Load a network that comes trained; photographs of its size calibrate and judge its files."""
    model = registry.load_pretrained(name)
    data = ("photo_crops", {"size": model.config.shape[0]})
    return _subject(model, data=data, source=name, learned_from=model.learned_from)


def _load_file(path: Path) -> Any:
    """Load a Keras file without its losses and metrics, which an export does not need.

    ExportError for a file that is none, and for one that names a class which nobody has imported.
    """
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises TypeError, ValueError, KeyError, OSError and others
        text = str(error)
        if "custom_objects" in text or "Unknown layer" in text or "Could not locate class" in text:
            found = re.search(r"(?:class|layer:?) '([\w>]+)'", text)
            raise ExportError(
                f"{path} holds the class {found.group(1) if found else 'of a module'!r}, which is not Keras' "
                "own: register it with keras.saving.register_keras_serializable and import its module first; "
                "from the shell: dimaging export FILE --import MODULE"
            ) from error
        if path.name.endswith(".weights.h5"):
            raise ExportError(
                f"{path} holds weights without their model: build it, model.load_weights({path.name!r}), and "
                "export it from Python, or model.save('mine.keras')"
            ) from error
        said = first_line(error).partition(" Note that the legacy SavedModel")[0]
        raise ExportError(f"{path} is no Keras model that can be read: {said}") from error


def _subject(model: Any, **more: Any) -> Subject:
    if isinstance(model, DeployableModel):
        name = model.registry_name
        if "data" not in more and name in registry.REGISTRY:
            more["data"] = (registry.REGISTRY[name].data, {})
        return Subject(name, model.graphs(), model.ranges, model.figure_of_merit, model, **more)
    if hasattr(model, "graphs"):
        return Subject(model.name, dict(model.graphs()), getattr(model, "ranges", {}), **more)
    if isinstance(model, keras.Sequential) and not model.built:
        raise ExportError(
            f"Sequential {model.name!r} was never built, so nobody knows what it takes; begin it with "
            "keras.Input(shape), or call it once, and export it then"
        )
    if isinstance(model, keras.Sequential) and is_functional(model):
        model = as_functional.with_free_batch(model)
    elif not is_functional(model):
        model = as_functional.of_subclassed(model)
    return Subject(model.name, {"model": as_functional.in_float32(model)}, **more)


def portable(path: Path) -> str:
    """Return a path that means something on another machine: relative as it was given, or its name."""
    return path.name if path.is_absolute() or path.parts[:1] == ("~",) else path.as_posix()
