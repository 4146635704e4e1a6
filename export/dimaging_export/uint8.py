"""Images as bytes: a graph that takes and gives uint8, the change of scale inside it.

    uint8 [0, 255] -> Cast, Mul 1/255 -> float graph -> Clip [0, 1], Mul 255, Add 0.5, Floor, Cast -> uint8

So a phone hands its pixels over as they are, in any language, and there is no scale to get wrong.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dimaging_export.verify import verify

Range = tuple[float, float] | None


def is_image(shape: tuple, legal: Range, *, as_input: bool) -> bool:
    """A [N, H, W, C] tensor in [0, 1]; an input may be wider, for bytes fill a part of its range."""
    if len(shape) != 4 or legal is None:
        return False
    return (legal[0] <= 0 and legal[1] >= 1) if as_input else tuple(legal) == (0, 1)


def to_bytes(image: np.ndarray) -> np.ndarray:
    """[0, 1] -> uint8, rounded half up: what the graph does at its output."""
    return np.floor(
        np.clip(image, 0, 1).astype(np.float32) * np.float32(255) + np.float32(0.5)
    ).astype(np.uint8)


def from_bytes(image: np.ndarray) -> np.ndarray:
    """uint8 -> float32 in [0, 1]: what the graph does at its input."""
    return image.astype(np.float32) * np.float32(1 / 255)


def wrap(model: onnx.ModelProto, names: frozenset[str]) -> onnx.ModelProto:
    """A new model whose inputs and outputs of these names are uint8."""
    wrapped = onnx.ModelProto()
    wrapped.CopyFrom(model)
    if names:
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
    graph.initializer.extend(
        numpy_helper.from_array(np.float32(value), f"uint8/{name}")
        for name, value in {"scale": 1 / 255, "255": 255, "half": 0.5, "0": 0, "1": 1}.items()
    )
    before = [node for tensor in inputs for node in _input_nodes(tensor.name, inner[tensor.name])]
    after = [node for tensor in outputs for node in _output_nodes(tensor.name, inner[tensor.name])]
    nodes = [*before, *graph.node, *after]
    graph.ClearField("node")
    graph.node.extend(nodes)
    for tensor in (*inputs, *outputs):
        tensor.type.tensor_type.elem_type = TensorProto.UINT8


def _input_nodes(name: str, inner: str) -> list[onnx.NodeProto]:
    return _chain(
        name, inner, [("Cast", [], {"to": TensorProto.FLOAT}), ("Mul", ["uint8/scale"], {})]
    )


def _output_nodes(name: str, inner: str) -> list[onnx.NodeProto]:
    steps = [
        ("Clip", ["uint8/0", "uint8/1"], {}),
        ("Mul", ["uint8/255"], {}),
        ("Add", ["uint8/half"], {}),
        ("Floor", [], {}),
        ("Cast", [], {"to": TensorProto.UINT8}),
    ]
    return _chain(inner, name, steps)


def _chain(
    source: str, target: str, steps: list[tuple[str, list[str], dict]]
) -> list[onnx.NodeProto]:
    nodes = []
    for i, (op, constants, attributes) in enumerate(steps):
        output = target if i == len(steps) - 1 else f"{target}/uint8/{op}"
        name = f"{target}/uint8/{op}"
        nodes.append(helper.make_node(op, [source, *constants], [output], name=name, **attributes))
        source = output
    return nodes
