"""Weights in half the bytes, where that loses nothing: float16 in the file, float32 when it runs."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dimaging_export.graph.check import graphs_of
from dimaging_export.graph.passes import put_first

LEAST = 256
"""Numbers in a tensor that is worth a node."""


def store_in_half(graph: onnx.GraphProto) -> None:
    """Keep each float32 constant that float16 holds exactly as float16 and a Cast; in place.

    A runtime casts once, when it loads the file; what it computes stays the same to the last bit.
    """
    for part in graphs_of(graph):
        put_first(part, _cast(part))


def _cast(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The casts that the graph's constants need from now on."""
    casts = []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < LEAST:
            continue
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if np.array_equal(half.astype(np.float32), array):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    return casts
