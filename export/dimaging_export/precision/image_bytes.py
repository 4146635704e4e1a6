"""Images as bytes: the graph takes and gives uint8 and changes the scale itself.

    uint8 -> Cast, Mul 1/255 -> float graph -> Clip [0, 1], Mul 255, Add 0.5, Floor, Cast -> uint8

So a phone hands its pixels over as they are, in any language, and there is no scale to get wrong. An input
of another range than [0, 1] gets its own scale: bytes 0 to 255 are its black and white (`picture_range`).
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import onnx
from dimaging_edge.common.picture_range import UNIT, Range, picture_range
from onnx import TensorProto, helper, numpy_helper

from dimaging_export.graph.check import verify

# Four dimensions: onnxruntime is far slower at multiplying [N, H, W, 1] by a plain number.
# The bounds of a Clip must be plain ones.
_CONSTANTS = {
    "levels": np.full((1, 1, 1, 1), 255, np.float32),
    "half": np.full((1, 1, 1, 1), 0.5, np.float32),
    "black": np.zeros((), np.float32),
    "white": np.ones((), np.float32),
}
"""Name -> value of a constant in the chains below."""

_Step = tuple[str, list[str], dict]
"""(op, names of its constants, its attributes)."""
_OUT: list[_Step] = [
    ("Clip", ["black", "white"], {}),
    ("Mul", ["levels"], {}),
    ("Add", ["half"], {}),
    ("Floor", [], {}),
    ("Cast", [], {"to": TensorProto.UINT8}),
]
"""Steps from [0, 1] to bytes."""


def is_image(shape: Sequence, legal: tuple[float, float] | None, *, as_input: bool) -> bool:
    """Return whether a tensor is an image [N, H, W, C] in [0, 1].

    legal: its range; that of an input may be wider, and bytes then fill a part of it.
    """
    if len(shape) != 4 or legal is None:
        return False
    low, high = legal
    return (low <= 0 and high >= 1) if as_input else (low == 0 and high == 1)


Bytes = Collection[str] | Mapping[str, Range]
"""The tensors that are bytes: names, or name -> its values of black and white, else 0 and 1."""


def bytes_of(
    inputs: Mapping[str, Range | None], outputs: Collection[str]
) -> dict[str, tuple[float, float]]:
    """Return the tensors that are to be bytes: inputs by their declared ranges, and outputs in [0, 1]."""
    return {name: picture_range(declared) for name, declared in inputs.items()} | dict.fromkeys(
        outputs, UNIT
    )


def limits(names: Bytes, name: str) -> Range:
    """Return a tensor's values of black and white."""
    return names[name] if isinstance(names, Mapping) else UNIT


def to_bytes(image: np.ndarray, limits: Range = UNIT) -> np.ndarray:
    """Convert a range of values to uint8, rounded half up, as the graph does at its output."""
    low, high = limits
    share = (image - np.float32(low)) / np.float32(high - low)
    levels = np.clip(share, 0, 1).astype(np.float32) * np.float32(255)
    return np.floor(levels + np.float32(0.5)).astype(np.uint8)


def from_bytes(image: np.ndarray, limits: Range = UNIT) -> np.ndarray:
    """Convert uint8 to float32 in a range of values, as the graph does at its input."""
    low, high = limits
    return image.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)


def wrap(model: onnx.ModelProto, names: Bytes) -> onnx.ModelProto:
    """Return a new model whose inputs and outputs of these names are uint8."""
    wrapped = onnx.ModelProto()
    wrapped.CopyFrom(model)
    _wrap(wrapped.graph, names)
    verify(wrapped)
    return wrapped


def _wrap(graph: onnx.GraphProto, names: Bytes) -> None:
    inputs = [tensor for tensor in graph.input if tensor.name in names]
    outputs = [tensor for tensor in graph.output if tensor.name in names]
    inner = {tensor.name: f"{tensor.name}/float" for tensor in (*inputs, *outputs)}
    for node in graph.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
    known: dict[str, np.ndarray] = {}
    before: list[onnx.NodeProto] = []
    for tensor in inputs:
        steps = _steps_in(known, *limits(names, tensor.name))
        before += _chain(tensor.name, inner[tensor.name], tensor.name, steps)
    known |= _CONSTANTS
    after = [node for t in outputs for node in _chain(inner[t.name], t.name, t.name, _OUT)]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in (*before, *after) for name in node.input}
    for name, value in known.items():
        if f"uint8/{name}" in used:
            graph.initializer.append(numpy_helper.from_array(value, f"uint8/{name}"))
    for tensor in (*inputs, *outputs):
        tensor.type.tensor_type.elem_type = TensorProto.UINT8


def _steps_in(known: dict[str, np.ndarray], low: float, high: float) -> list[_Step]:
    """Return the steps from bytes to a range of values; their constants join the `known` ones."""
    steps: list[_Step] = [("Cast", [], {"to": TensorProto.FLOAT})]
    for op, name, value, nothing in (
        ("Mul", "scale", (high - low) / 255, 1),
        ("Add", "low", low, 0),
    ):
        if value == nothing:
            continue
        name = name if (low, high) == UNIT else f"{name}_{low:g}_{high:g}"
        known[name] = np.full((1, 1, 1, 1), value, np.float32)
        steps.append((op, [name], {}))
    return steps


def _chain(source: str, target: str, tensor: str, steps: list[_Step]) -> list[onnx.NodeProto]:
    nodes = []
    for op, constants, attributes in steps:
        name = f"{tensor}/uint8/{op}"
        inputs = [source, *(f"uint8/{constant}" for constant in constants)]
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        source = name
    nodes[-1].output[0] = target
    return nodes
