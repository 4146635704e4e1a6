"""The interface of a graph: names and shapes of its inputs and outputs, as a person chose them in Keras."""

from dataclasses import dataclass
from typing import Any

import keras

from dimaging_export.errors import ExportError
from dimaging_export.graph.trace import Shape, Trace, plain, trace

_PROBES = ((192, 320), (193, 325))
"""Heights and widths at which a walk shows whether an output keeps the input's size.

The first are multiples of 64, which every net takes; the second tell a net that rounds sizes up or down.
"""


@dataclass(frozen=True)
class Interface:
    """Name, and shape as Keras has it, of every input and output, in Keras' order."""

    inputs: list[tuple[str, Shape]]
    outputs: list[tuple[str, Shape]]
    keeps_size: frozenset[str]
    """Names of the tensors that are as high and wide as the one image that came in, it among them."""

    def named(self, tensor: str, shape: Shape) -> list[int | str]:
        """Return the shape with a name for every free dimension."""
        prefix = "" if tensor in self.keeps_size else f"{tensor}_"
        names = {0: "batch"}
        if len(shape) == 4:
            names |= {1: f"{prefix}height", 2: f"{prefix}width"}
        return [
            names.get(axis, f"{tensor}_{axis}") if size is None else size
            for axis, size in enumerate(shape)
        ]


def interface_of(graph: keras.Model, walk: Trace) -> Interface:
    """Read the names of `graph` from the model, and the shapes from a walk of it."""
    inputs, outputs = names_of(graph)
    shapes, found = (
        [tuple(tensor.shape) for tensor in side] for side in (walk.inputs, walk.outputs)
    )
    _refuse_without_batch(graph, shapes, dict(zip(outputs, found, strict=True)))
    free = [len(shape) == 4 and None in shape[1:3] for shape in shapes]
    keeps = set(inputs) | set(outputs) if sum(free) == 1 else set()
    for probe in _PROBES if keeps else ():
        try:
            walked = trace(graph, [_at(shape, probe) for shape in shapes]).outputs
        except ValueError:  # sizes that this net does not take
            continue
        keeps -= {n for n, t in zip(outputs, walked, strict=True) if tuple(t.shape)[1:3] != probe}
    return Interface(
        list(zip(inputs, shapes, strict=True)),
        list(zip(outputs, found, strict=True)),
        frozenset(keeps),
    )


def _refuse_without_batch(graph: Any, shapes: list[Shape], outputs: dict[str, Shape]) -> None:
    """Raise ExportError that names an output which is not one row for each row of the inputs."""
    if any(shape[:1] != (None,) for shape in shapes):
        return
    for name, shape in outputs.items():
        if shape[:1] != (None,):
            raise ExportError(
                f"output {name!r} of graph {graph.name!r} has the shape {list(shape)}, without a batch "
                "axis; expected [batch, ...]. Keep the first axis: keras.ops.mean(x, axis=-1), not mean(x)"
            )


def refuse_kept_states(graph: Any) -> None:
    """Raise ExportError that names a recurrent layer with stateful=True.

    A file computes its outputs from its inputs alone; tf2onnx freezes such a state where it is, and the
    file is wrong from its second call on.
    """
    for layer in getattr(graph, "layers", []):
        parts = [
            getattr(layer, part, None) for part in ("forward_layer", "backward_layer", "layer")
        ]
        if any(getattr(part, "stateful", False) is True for part in (layer, *parts)):
            raise ExportError(
                f"layer {layer.name!r} ({type(layer).__name__}) has stateful=True: it keeps its state "
                "from call to call, and a file keeps nothing. Make the state an input and an output: "
                "y, h, c = LSTM(..., return_sequences=True, return_state=True)(x, initial_state=[h0, c0])"
            )
        refuse_kept_states(layer)
        refuse_kept_states(parts[2])


def _at(shape: Shape, size: tuple[int, int]) -> Shape:
    """Return the shape with this height and width where they are free."""
    if len(shape) != 4:
        return shape
    return (shape[0], shape[1] or size[0], shape[2] or size[1], shape[3])


def names_of(graph: keras.Model) -> tuple[list[str], list[str]]:
    """Return the names of a graph's inputs and of its outputs, in Keras' order.

    They are the keys of the dicts that the model was built with, else the names of its layers. Raises
    ExportError where two tensors have one name.
    """
    # A Sequential hides its input layers; any other model shows them.
    bare: Any = graph if isinstance(graph, keras.Function) else plain(graph)
    layers = {id(x.output): x.name for x in bare.layers if isinstance(x, keras.layers.InputLayer)}
    inputs = _keys(graph, "input") or [layers.get(id(x), x.name) for x in graph.inputs]
    outputs = _keys(graph, "output") or list(bare.output_names)
    for name in outputs:
        if name in inputs or outputs.count(name) > 1:
            raise ExportError(
                f"graph {graph.name!r} calls two tensors {name!r}; name its outputs apart: "
                "keras.Model(inputs, {'some_name': y, ...})"
            )
    return inputs, outputs


def input_shapes(graph: keras.Model) -> list[tuple[str, Shape]]:
    """Return name and shape of every input, as the model was built; None where a dimension is free."""
    names, _ = names_of(graph)
    return [(name, tuple(x.shape)) for name, x in zip(names, graph.inputs, strict=True)]


def _keys(graph: keras.Model, side: str) -> list[str]:
    struct = getattr(graph, side, None)  # a Sequential has neither before its first call
    if not isinstance(struct, dict):
        return []
    return [str(path[0]) for path, _ in keras.tree.flatten_with_path(struct)]
