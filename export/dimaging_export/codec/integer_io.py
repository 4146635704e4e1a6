"""Integer inputs and outputs of a codec's graphs, so that bytes go in and bytes come out."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {
    "quality": TensorProto.INT64, "pass": TensorProto.INT64, "z": TensorProto.INT32,
    "y": TensorProto.INT32, "index": TensorProto.INT32, "mean": TensorProto.INT32,
}  # fmt: skip
"""Name of a tensor -> its type in the file; the image, uint8 or uint16 by its bits, is not among them."""


def whole_ends(
    model: onnx.ModelProto, bits: int, scalar: int = TensorProto.INT64
) -> onnx.ModelProto:
    """Give the graph integer inputs and outputs, batch 1, and each free size a name of its own; in place.

    bits: those of a pixel; an image of more than 8 is uint16. scalar: the type of quality; a browser takes
    int64 as BigInt only.
    """
    graph, levels = model.graph, float(2**bits - 1)
    types = {**TYPES, "quality": scalar}
    image = TensorProto.UINT16 if bits > 8 else TensorProto.UINT8
    before, after = [], []
    constants = {"levels": levels, "scale": 1 / levels, "half": 0.5}
    for side, nodes in ((graph.input, before), (graph.output, after)):
        for tensor in side:
            name, kind = tensor.name, types.get(tensor.name, image)
            inner = f"{name}/float"
            for node in graph.node:
                node.input[:] = [inner if x == name else x for x in node.input]
                node.output[:] = [inner if x == name else x for x in node.output]
            node = helper.make_node
            if side is graph.input:
                cast = inner if name != "image" else "image/cast"
                nodes.append(node("Cast", [name], [cast], to=TensorProto.FLOAT))
                if name == "image":
                    nodes.append(node("Mul", [cast, "image/scale"], [inner]))
            elif name == "image":
                nodes += [
                    node("Mul", [inner, "image/levels"], ["image/scaled"]),
                    node("Add", ["image/scaled", "image/half"], ["image/up"]),
                    node("Floor", ["image/up"], ["image/whole"]),
                    node("Cast", ["image/whole"], [name], to=kind),
                ]
            else:
                nodes.append(node("Cast", [inner], [name], to=kind))
            shape = tensor.type.tensor_type
            shape.elem_type = kind
            shape.shape.dim[0].dim_value = 1
            if name in ("z", "y") and not shape.shape.dim[1].HasField("dim_value"):
                for axis, size in ((1, "height"), (2, "width")):
                    shape.shape.dim[axis].dim_param = f"{name}_{size}"
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {x for node in nodes for x in node.input}
    for key, value in constants.items():
        if f"image/{key}" in used:
            array = np.full((1, 1, 1, 1), value, np.float32)
            graph.initializer.append(numpy_helper.from_array(array, f"image/{key}"))
    return model
