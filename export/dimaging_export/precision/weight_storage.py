"""Weights in fewer bytes, where that loses nothing: small in the file, float32 when a runtime loads it.

    store_in_half     float16 and a Cast: half the bytes, for weights that float16 holds exactly
    store_in_bytes    int8 and a scale for each output channel: a quarter, for kernels of convolutions

A runtime computes the added nodes once, when it loads the file; its answers stay the same to the last bit.
`in_bytes` rounds a kernel beforehand to numbers that `store_in_bytes` can keep; `recurrent_in_bytes` rounds
and stores at once, for int8 files.
"""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper

from dimaging_export.graph.check import graphs_of
from dimaging_export.graph.passes import put_first
from dimaging_export.graph.weights import inside, to_array, to_tensor

LEAST_IN_HALF = 256
"""Numbers that a constant must have to be worth one more node."""
LEAST_IN_BYTES = 1024
"""Numbers that a kernel must have to be worth two more nodes and a scale."""

RECURRENT = ("LSTM", "GRU", "RNN")
"""Recurrent operators of ONNX."""

_LARGEST = 127
"""Largest whole number of a kernel in bytes."""
_SCALE_BITS = 8
"""Binary digits of a scale, so few that every product of scale and whole number is exact in float32."""

_Stored = tuple[list[onnx.TensorProto], list[onnx.NodeProto]]
"""The constants that take the place of one, and the nodes that make it again under its name."""


def store_in_half(graph: onnx.GraphProto) -> None:
    """Keep each float32 constant that float16 holds exactly as float16 and a Cast; in place."""
    _store(graph, _half)


def store_in_bytes(graph: onnx.GraphProto) -> None:
    """Keep each float32 kernel [out, in, kh, kw] that int8 with a scale a channel holds exactly as such."""
    _store(graph, _bytes)


def recurrent_in_bytes(graph: onnx.GraphProto) -> None:
    """Round the weights [D, G H, I] of every LSTM, GRU and RNN to int8 with a scale a row; in place.

    The standard has no recurrent operator of whole numbers, so they compute in float32 as before.
    """
    nodes = (node for node in graph.node if node.op_type in RECURRENT)
    weights = {name for node in nodes for name in node.input[1:3]}

    def rounded(name: str, array: np.ndarray) -> _Stored | None:
        if name not in weights or array.size < LEAST_IN_BYTES:
            return None
        rows = in_bytes(array.reshape(-1, array.shape[-1]).T).T.reshape(array.shape)
        return _scaled(name, rows, byte_scale(rows.reshape(-1, array.shape[-1]).T))

    _store(graph, rounded)


def in_bytes(kernel: np.ndarray) -> np.ndarray:
    """Round a kernel [..., out] to whole numbers up to 127 times a scale of 8 binary digits a channel."""
    largest = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(0).astype(np.float64)
    mantissa, exponent = np.frexp(np.maximum(largest, 2.0**-100) / _LARGEST)
    scale = np.ldexp(np.ceil(mantissa * 2**_SCALE_BITS), exponent - _SCALE_BITS)
    return (np.rint(kernel / scale) * scale).astype(np.float32)


def byte_scale(kernel: np.ndarray) -> np.ndarray:
    """Find the scales float32 [out] of a kernel [..., out]; ValueError where int8 cannot hold it."""
    scale = _scale(kernel.reshape(-1, kernel.shape[-1]).T)
    if scale is None:
        raise ValueError(
            f"a channel of the kernel {list(kernel.shape)} is no multiple, from -{_LARGEST} to {_LARGEST} "
            "times, of one scale; round it with in_bytes first"
        )
    return scale


def _store(graph: onnx.GraphProto, smaller: Callable[[str, np.ndarray], _Stored | None]) -> None:
    """Replace each float32 constant for which `smaller(name, array)` knows a form; in place."""
    for part in graphs_of(graph):
        restoring = []
        for tensor in list(part.initializer):
            array = to_array(tensor)
            found = smaller(tensor.name, array) if array.dtype == np.float32 else None
            if found:
                stored, nodes = found
                if part is not graph:  # a loop's body reads no weights beside the file
                    stored = [inside(x) for x in stored]
                first, *others = stored
                tensor.CopyFrom(first)
                part.initializer.extend(others)
                restoring += nodes
        put_first(part, restoring)


def _half(name: str, array: np.ndarray) -> _Stored | None:
    if array.size < LEAST_IN_HALF:
        return None
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.array_equal(half.astype(np.float32), array):
        return None
    stored = to_tensor(half, f"{name}/half")
    return [stored], [helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)]


def _bytes(name: str, array: np.ndarray) -> _Stored | None:
    if array.size < LEAST_IN_BYTES or array.ndim != 4:
        return None
    scale = _scale(array.reshape(len(array), -1))
    return None if scale is None else _scaled(name, array, scale)


def _scaled(name: str, array: np.ndarray, scale: np.ndarray) -> _Stored:
    """Return whole numbers, a scale for each row or channel, and the nodes that multiply the two."""
    ends = array.ndim - (3 if array.ndim == 4 else 1)
    scale = scale.reshape(*array.shape[:ends], *[1] * (array.ndim - ends))
    stored = to_tensor((array / scale).astype(np.int8), f"{name}/bytes")
    scales = to_tensor(scale, f"{name}/scale")
    cast = helper.make_node("Cast", [stored.name], [f"{name}/whole"], to=TensorProto.FLOAT)
    return [stored, scales], [cast, helper.make_node("Mul", [f"{name}/whole", scales.name], [name])]


def _scale(rows: np.ndarray) -> np.ndarray | None:
    """Find float32 [out] whose products with whole numbers up to 127 are exactly `rows` [out, n], or None."""
    rows = rows.astype(np.float64)
    largest = np.abs(rows).max(1)
    largest[largest == 0] = 1
    found = np.zeros(len(rows), np.float32)
    for top in range(_LARGEST, 0, -1):
        scale = (largest / top).astype(np.float32)
        whole = np.rint(rows / scale[:, None]).astype(np.float64)
        # In float64, so that the product is exact and not merely rounded to the same.
        fits = (whole * scale[:, None].astype(np.float64) == rows).all(1) & (found == 0)
        found[fits] = scale[fits]
        if (found > 0).all():
            return found
    return None
