"""Operations of TensorFlow that tf2onnx leaves in its file without a word, written in those of ONNX.

Erfc is how TensorFlow writes the exact gelu (tensorflow-onnx#2347).
"""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from dimaging_export.graph.check import graphs_of

Nodes = list[onnx.NodeProto]
_ONE = np.array(1, np.float32)


def _erfc(one: str, x: str, y: str) -> Nodes:
    """1 - erf(x)."""
    return [_node("Erf", x, f"{y}/erf"), helper.make_node("Sub", [one, f"{y}/erf"], [y], name=y)]


def _log1p(one: str, x: str, y: str) -> Nodes:
    """log(1 + x), less what the sum was rounded up by: near 0 it has lost most of x."""
    return [
        helper.make_node("Add", [x, one], [f"{y}/sum"]),
        _node("Log", f"{y}/sum", f"{y}/log"),
        # Beyond 1 the rounding does not matter, and infinity minus itself would be no number.
        helper.make_node("Min", [x, one], [f"{y}/small"]),
        helper.make_node("Add", [f"{y}/small", one], [f"{y}/near"]),
        helper.make_node("Sub", [f"{y}/near", one], [f"{y}/seen"]),
        helper.make_node("Sub", [f"{y}/seen", f"{y}/small"], [f"{y}/rounded"]),
        helper.make_node("Sub", [f"{y}/log", f"{y}/rounded"], [y], name=y),
    ]


def _expm1(one: str, x: str, y: str) -> Nodes:
    """exp(x) - 1, as tanh(x / 2) * (exp(x) + 1): the difference would lose what is small near 0."""
    return [
        _node("Exp", x, f"{y}/exp"),
        helper.make_node("Add", [f"{y}/exp", one], [f"{y}/sum"]),
        helper.make_node("Add", [one, one], [f"{y}/two"]),
        helper.make_node("Div", [x, f"{y}/two"], [f"{y}/half"]),
        _node("Tanh", f"{y}/half", f"{y}/tanh"),
        helper.make_node("Mul", [f"{y}/tanh", f"{y}/sum"], [y], name=y),
    ]


_WRITTEN: dict[str, Callable[[str, str, str], Nodes]] = {
    "Erfc": _erfc, "Log1p": _log1p, "Expm1": _expm1,
}  # fmt: skip
"""Op of TensorFlow -> what writes it, from the names of a constant 1, of its input and of its output."""


def write_in_onnx(model: onnx.ModelProto) -> None:
    """Replace these operations, in every graph of a file, in place."""
    for graph in graphs_of(model.graph):
        nodes: Nodes = []
        for node in graph.node:
            write = _WRITTEN.get(node.op_type)
            if write is None:
                nodes.append(node)
                continue
            (x,), (y,) = node.input, node.output
            value = numpy_helper.from_array(_ONE, f"{y}/one")
            nodes.append(helper.make_node("Constant", [], [f"{y}/one32"], value=value))
            nodes.append(helper.make_node("CastLike", [f"{y}/one32", x], [f"{y}/one"]))
            nodes += write(f"{y}/one", x, y)
        del graph.node[:]
        graph.node.extend(nodes)


def _node(op: str, x: str, y: str) -> onnx.NodeProto:
    return helper.make_node(op, [x], [y], name=y)
