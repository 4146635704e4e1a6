"""Convolution kernels in a quarter of the bytes: int8 with a scale for each output channel.

`in_bytes` rounds a kernel so; `store_in_bytes` finds the kernels of a file that were rounded so and keeps
them as bytes. A runtime multiplies once, when it loads the file; what it computes stays float32.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dimaging_export.graph.check import graphs_of
from dimaging_export.graph.passes import put_first

MOST = 127
LEAST = 1024
"""Numbers in a kernel that is worth two nodes."""
_DIGITS = 8


def in_bytes(kernel: np.ndarray) -> np.ndarray:
    """The nearest float32 [..., out] of whole numbers up to 127 times a scale a channel.

    Scales have 8 binary digits, so that the products are exact.
    """
    largest = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(0).astype(np.float64)
    mantissa, exponent = np.frexp(np.maximum(largest, 2.0**-100) / MOST)
    scale = np.ldexp(np.ceil(mantissa * 2**_DIGITS), exponent - _DIGITS)
    return (np.rint(kernel / scale) * scale).astype(np.float32)


def store_in_bytes(graph: onnx.GraphProto) -> None:
    """Keep each float32 kernel [out, ...] that bytes and a scale a channel hold exactly so; in place."""
    for part in graphs_of(graph):
        put_first(part, _multiplied(part))


def _multiplied(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """What makes the graph's kernels out of bytes from now on."""
    nodes = []
    for tensor in list(graph.initializer):
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < LEAST or array.ndim != 4:
            continue
        scale = _scale(array.reshape(len(array), -1))
        if scale is None:
            continue
        name, scale = tensor.name, scale.reshape(-1, 1, 1, 1)
        tensor.CopyFrom(numpy_helper.from_array((array / scale).astype(np.int8), f"{name}/bytes"))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
        cast = helper.make_node("Cast", [tensor.name], [f"{name}/whole"], to=TensorProto.FLOAT)
        nodes += [cast, helper.make_node("Mul", [f"{name}/whole", f"{name}/scale"], [name])]
    return nodes


def byte_scale(kernel: np.ndarray) -> np.ndarray:
    """Float32 [out] of a kernel [..., out] that bytes and a scale a channel hold exactly."""
    scale = _scale(kernel.reshape(-1, kernel.shape[-1]).T)
    if scale is None:
        raise ValueError("a kernel has channels of more than 127 steps")
    return scale


def _scale(rows: np.ndarray) -> np.ndarray | None:
    """Float32 [out] whose products with whole numbers up to 127 are the rows, if there is one."""
    rows = rows.astype(np.float64)
    largest = np.abs(rows).max(1)
    largest[largest == 0] = 1
    found = np.zeros(len(rows), np.float32)
    for top in range(MOST, 0, -1):
        scale = (largest / top).astype(np.float32)
        whole = np.rint(rows / scale[:, None]).astype(np.float64)
        # In float64, so that the product is exact and not merely rounded to the same.
        fits = (whole * scale[:, None].astype(np.float64) == rows).all(1) & (found == 0)
        found[fits] = scale[fits]
        if (found > 0).all():
            return found
    return None
