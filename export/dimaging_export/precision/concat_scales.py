"""Scales of an int8 Concat: an input that only the Concat reads gets its scale, so it is copied.

onnxruntime converts each input of an int8 Concat to the scale of the result, byte by byte through a
table, and copies those that have it already. A tensor that nobody else reads (the up-sampled half of
a U-Net's skip connection) can have it from the start, and is rounded once instead of twice.
"""

import onnx

_VIEWS = {"Reshape", "Transpose", "Squeeze", "Unsqueeze"}
"""Ops that move values and change none, so that a scale holds before and after them."""


def clipped(model: onnx.ModelProto) -> frozenset[str]:
    """Return the tensors of a float graph that a ReLU or a Clip makes.

    Their scale must stay: the quantiser drops these nodes where the range of the tensor does their work.
    """
    nodes = (node for node in model.graph.node if node.op_type in ("Relu", "Clip"))
    return frozenset(name for node in nodes for name in node.output)


def share_scales(model: onnx.ModelProto, keep: frozenset[str]) -> int:
    """Give the QDQ pairs before every Concat the scale of the pair behind it; returns how many nodes.

    keep: tensors whose scale stays as it is (see `clipped`).
    """
    graph = model.graph
    maker = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def alone(name: str, op: str) -> onnx.NodeProto | None:
        node = maker.get(name)
        return node if node is not None and node.op_type == op and len(readers[name]) == 1 else None

    def pairs(name: str) -> list[onnx.NodeProto]:
        """Return the QDQ nodes from this input back to what computes it, or none if another node reads it."""
        back = alone(name, "DequantizeLinear")
        to = alone(back.input[0], "QuantizeLinear") if back else None
        if back is None or to is None or len(readers[to.input[0]]) != 1 or to.input[0] in keep:
            return []
        before = maker.get(to.input[0])
        if before is None or before.op_type not in _VIEWS:
            return [to, back]
        further = pairs(before.input[0])
        return [*further, to, back] if further else []

    changed = 0
    for concat in (node for node in graph.node if node.op_type == "Concat"):
        after = readers.get(concat.output[0], [])
        if len(after) != 1 or after[0].op_type != "QuantizeLinear":
            continue
        for node in (node for name in concat.input for node in pairs(name)):
            node.input[1:3] = after[0].input[1:3]
            changed += 1
    return changed
