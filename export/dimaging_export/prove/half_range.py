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


def refuse_overflow(model: onnx.ModelProto, feeds: Sequence[Arrays]) -> None:
    """Raise PrecisionError that names a weight or tensor of a float32 file which no float16 can hold.

    feeds: the inputs of the proof, whose largest value counts for each tensor. Loops are not looked into.
    """
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            _check(f"weight {weight.name!r}", to_array(weight))
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    known = {output.name for output in watched.graph.output}
    inner = [name for node in watched.graph.node for name in node.output if name]
    watched.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in inner if name not in known
    )
    run = onnx_graph(watched, whole=True)
    alone = watched.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    for feed in feeds:
        rows = len(next(iter(feed.values()))) if alone else 1
        for row in range(rows):
            part = {k: v[row : row + 1] for k, v in feed.items()} if alone else feed
            for name, array in run(part).items():
                if array.dtype == np.float32:
                    _check(f"tensor {name!r}", array)


def _check(what: str, array: np.ndarray) -> None:
    reached = float(np.abs(array).max()) if array.size else 0.0
    if reached > LARGEST:
        raise PrecisionError(
            f"{what} reaches {reached:.4g}, and float16 ends at {LARGEST:.0f}: a GPU would answer infinity. "
            "Nothing was written; scale it down, or export with precision='fp32'"
        )
