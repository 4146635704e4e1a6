"""The range of float16, which ends at 65504: a walk over every tensor of a float32 file on real inputs.

onnxruntime's CPU removes the casts and computes a float16 file in float32, so running it there shows no
overflow that a GPU would have (microsoft/onnxruntime#15752).
"""

from collections.abc import Sequence

import numpy as np
import onnx

from dimaging_export.errors import PrecisionError
from dimaging_export.graph.weights import to_array
from dimaging_export.prove.runners import Arrays, onnx_graph

LARGEST = float(np.finfo(np.float16).max)
"""The largest finite float16."""


def beyond_half(model: onnx.ModelProto, feeds: Sequence[Arrays]) -> frozenset[str]:
    """Return the names of the nodes that must stay float32: they read or give what no float16 can hold.

    Such are the -1e9 of a mask and the sums that it is added to, before a Softmax makes them small again.

    feeds: the inputs of the proof, whose largest value counts for each tensor. Loops are not looked into.
    Raises PrecisionError that names the first such weight or tensor where an output is one, or where nothing
    would be left for float16.
    """
    beyond = {
        weight.name: _said("weight", weight.name, reached)
        for weight in model.graph.initializer
        if weight.data_type == onnx.TensorProto.FLOAT
        and (reached := _largest(to_array(weight))) > LARGEST
    }
    for name, reached in _reached(model, feeds).items():
        if reached > LARGEST:
            beyond[name] = _said("tensor", name, reached)
    kept = frozenset(
        node.name for node in model.graph.node if beyond.keys() & {*node.input, *node.output}
    )
    ends = any(tensor.name in beyond for tensor in model.graph.output)
    if beyond and (ends or len(kept) == len(model.graph.node)):
        raise PrecisionError(
            f"{next(iter(beyond.values()))}, and float16 ends at {LARGEST:.0f}: a GPU would answer infinity. "
            "Nothing was written; scale it down, or export with precision='fp32'"
        )
    return kept


def _reached(model: onnx.ModelProto, feeds: Sequence[Arrays]) -> dict[str, float]:
    """Return the largest absolute value of every float32 tensor that a node gives."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    known = {output.name for output in watched.graph.output}
    inner = [name for node in watched.graph.node for name in node.output if name]
    watched.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in inner if name not in known
    )
    run = onnx_graph(watched, whole=True)
    alone = watched.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    found: dict[str, float] = {}
    for feed in feeds:
        rows = len(next(iter(feed.values()))) if alone else 1
        for row in range(rows):
            part = {k: v[row : row + 1] for k, v in feed.items()} if alone else feed
            for name, array in run(part).items():
                if array.dtype == np.float32:
                    found[name] = max(found.get(name, 0.0), _largest(array))
    return found


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array).max(initial=0.0))


def _said(kind: str, name: str, reached: float) -> str:
    return f"{kind} {name!r} reaches {reached:.4g}"
