"""Names and shapes of a graph's inputs and outputs, as a person chose them in Keras."""

from dataclasses import dataclass
from typing import Any

import keras

from dimaging_export.emit.values import Shape
from dimaging_export.errors import ExportError
from dimaging_export.walk import trace

_PROBE = (192, 320)
"""A height and width that nets of stride 64 divide: does an output keep the input's size?"""


@dataclass(frozen=True)
class Interface:
    """(name, shape as Keras has it) of every input and output, in Keras' order."""

    inputs: list[tuple[str, Shape]]
    outputs: list[tuple[str, Shape]]
    keeps_size: frozenset[str]
    """Outputs as high and wide as the image that came in."""

    def named(self, tensor: str, shape: Shape) -> list[int | str]:
        """The shape with a name for every free dimension."""
        same = tensor in self.keeps_size or any(tensor == name for name, _ in self.inputs)
        prefix = "" if same else f"{tensor}_"
        spatial = {1: f"{prefix}height", 2: f"{prefix}width"} if len(shape) == 4 else {}
        return [
            ("batch" if axis == 0 else spatial.get(axis, f"{tensor}_{axis}"))
            if size is None
            else size
            for axis, size in enumerate(shape)
        ]


def interface(graph: keras.Model, shapes: list[Shape] | None = None) -> Interface:
    """Read names from the dicts (or layers) that the model was built with, sizes from a walk."""
    inputs, outputs = _layer_names(graph)
    inputs, outputs = _names(graph.input, inputs), _names(graph.output, outputs)
    for name in outputs:
        if name in inputs or outputs.count(name) > 1:
            raise ExportError(
                f"graph {graph.name!r} calls two tensors {name!r}; name its outputs apart: "
                f"keras.Model(inputs, {{'some_name': y, ...}})"
            )
    shapes = shapes or [tuple(tensor.shape) for tensor in graph.inputs]
    walked = [tuple(tensor.shape) for tensor in trace(graph, shapes).outputs]
    keeps = frozenset()
    if any(None in shape[1:3] for shape in shapes if len(shape) == 4):
        probe = [_fill(shape) for shape in shapes]
        sizes = [tuple(t.shape)[1:3] for t in trace(graph, probe).outputs]
        keeps = frozenset(n for n, size in zip(outputs, sizes, strict=True) if size == _PROBE)
    return Interface(
        list(zip(inputs, shapes, strict=True)), list(zip(outputs, walked, strict=True)), keeps
    )


def _fill(shape: Shape) -> Shape:
    if len(shape) != 4:
        return shape
    sizes = (p if s is None else s for s, p in zip(shape[1:3], _PROBE, strict=True))
    return (shape[0], *sizes, shape[3])


def _names(struct: Any, layers: list[str]) -> list[str]:
    """Keys of a flat dict, in the order in which Keras flattens it; else the names of the layers."""
    if isinstance(struct, dict):
        return [str(path[0]) for path, _ in keras.tree.flatten_with_path(struct)]
    return layers


def _layer_names(graph: keras.Model) -> tuple[list[str], list[str]]:
    plain = keras.Model(list(graph.inputs), list(graph.outputs))
    layers = {id(x.output): x.name for x in plain.layers if isinstance(x, keras.layers.InputLayer)}
    return [layers.get(id(tensor), tensor.name) for tensor in graph.inputs], list(
        plain.output_names
    )
