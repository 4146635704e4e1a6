"""Images as bytes: the graph takes and gives uint8 and changes the scale itself.

    uint8 -> Cast, Mul 1/255 -> float graph -> Clip [0, 1], Mul 255, Add 0.5, Floor, Cast -> uint8

So a phone hands its pixels over as they are, in any language, and there is no scale to get wrong.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dimaging_export.graph.check import verify

# Four dimensions: onnxruntime is far slower at multiplying [N, H, W, 1] by a plain number.
# The bounds of a Clip must be plain ones.
_CONSTANTS = {
    "scale": np.full((1, 1, 1, 1), 1 / 255, np.float32),
    "levels": np.full((1, 1, 1, 1), 255, np.float32),
    "half": np.full((1, 1, 1, 1), 0.5, np.float32),
    "black": np.zeros((), np.float32),
    "white": np.ones((), np.float32),
}
"""Name -> value of a constant in the chains below."""

_Step = tuple[str, list[str], dict]
"""(op, names of its constants, its attributes)."""
_IN: list[_Step] = [("Cast", [], {"to": TensorProto.FLOAT}), ("Mul", ["scale"], {})]
"""Steps from bytes to [0, 1]."""
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


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Convert [0, 1] to uint8, rounded half up, as the graph does at its output."""
    levels = np.clip(image, 0, 1).astype(np.float32) * np.float32(255)
    return np.floor(levels + np.float32(0.5)).astype(np.uint8)


def from_bytes(image: np.ndarray) -> np.ndarray:
    """Convert uint8 to float32 in [0, 1], as the graph does at its input."""
    return image.astype(np.float32) * np.float32(1 / 255)


def wrap(model: onnx.ModelProto, names: frozenset[str]) -> onnx.ModelProto:
    """Return a new model whose inputs and outputs of these names are uint8."""
    wrapped = onnx.ModelProto()
    wrapped.CopyFrom(model)
    _wrap(wrapped.graph, names)
    verify(wrapped)
    return wrapped


def _wrap(graph: onnx.GraphProto, names: frozenset[str]) -> None:
    inputs = [tensor for tensor in graph.input if tensor.name in names]
    outputs = [tensor for tensor in graph.output if tensor.name in names]
    inner = {tensor.name: f"{tensor.name}/float" for tensor in (*inputs, *outputs)}
    for node in graph.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
    before = [node for t in inputs for node in _chain(t.name, inner[t.name], t.name, _IN)]
    after = [node for t in outputs for node in _chain(inner[t.name], t.name, t.name, _OUT)]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in (*before, *after) for name in node.input}
    for name, value in _CONSTANTS.items():
        if f"uint8/{name}" in used:
            graph.initializer.append(numpy_helper.from_array(value, f"uint8/{name}"))
    for tensor in (*inputs, *outputs):
        tensor.type.tensor_type.elem_type = TensorProto.UINT8


def _chain(source: str, target: str, tensor: str, steps: list[_Step]) -> list[onnx.NodeProto]:
    nodes = []
    for op, constants, attributes in steps:
        name = f"{tensor}/uint8/{op}"
        inputs = [source, *(f"uint8/{constant}" for constant in constants)]
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        source = name
    nodes[-1].output[0] = target
    return nodes
