"""The check of inputs against what a graph accepts, before onnxruntime sees them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dimaging_edge.bundle.schema import DTYPES, Graph, Tensor
from dimaging_edge.common.errors import BundleError, InputError, near

_SHORT = {"float32": "float", "float64": "double"}
_ORT_TYPES = {name: f"tensor({_SHORT.get(name, name)})" for name in DTYPES}
"""What onnxruntime calls each type."""


def check_inputs(graph: Graph, arrays: Mapping[str, object]) -> dict[str, np.ndarray]:
    """Return the arrays if the graph accepts them all; InputError says which one does not fit.

    Names, dtypes (nothing is cast), ranks, sizes (free dimensions of one name must agree), finite
    values and ranges are checked. Cost: two passes over the values, no copy.
    """
    known = tuple(tensor.name for tensor in graph.inputs)
    for name in arrays:
        if name not in known:
            raise InputError(f"{graph.name}: no input {name!r}; {near(name, known)}")
    for name in known:
        if name not in arrays:
            raise InputError(
                f"{graph.name}: input {name!r} is missing; expected {', '.join(known)}, "
                f"received {', '.join(arrays) or 'none'}"
            )
    free: dict[str, tuple[str, int]] = {}
    checked = {}
    for tensor in graph.inputs:
        array = _check_kind(graph, tensor, arrays[tensor.name])
        _check_shape(graph, tensor, array, free)
        _check_values(graph, tensor, array)
        checked[tensor.name] = array
    return checked


def check_session(graph: Graph, session: Any) -> None:
    """Raise BundleError where a session has other inputs or outputs than the manifest declares."""
    for side, declared, found in (
        ("inputs", graph.inputs, session.get_inputs()),
        ("outputs", graph.outputs, session.get_outputs()),
    ):
        wanted = {tensor.name: _ORT_TYPES[tensor.dtype] for tensor in declared}
        there = {one.name: one.type for one in found}
        if side == "outputs":  # a graph may answer more than it declares
            there = {name: kind for name, kind in there.items() if name in wanted}
        if wanted != there:
            raise BundleError(
                f"{graph.file}: bundle.json declares the {side} {_pairs(wanted)}, the file has "
                f"{_pairs(there)}; export the bundle again"
            )


def check_outputs(graph: Graph, found: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return the outputs by name; BundleError for another type, rank or size than the manifest declares."""
    for tensor, array in zip(graph.outputs, found, strict=True):
        at = f"{graph.name}: output {tensor.name!r}: bundle.json declares {tensor.dtype}"
        if not isinstance(array, np.ndarray):
            raise BundleError(f"{at}, the graph answered a {type(array).__name__}; export it again")
        fits = array.ndim == len(tensor.shape) and all(
            isinstance(want, str) or want == size
            for want, size in zip(tensor.shape, array.shape, strict=True)
        )
        if array.dtype != tensor.dtype or not fits:
            raise BundleError(
                f"{at} of shape {shape_text(tensor.shape)}, the graph answered {array.dtype} of shape "
                f"{array.shape}; export it again"
            )
    return dict(zip((tensor.name for tensor in graph.outputs), found, strict=True))


def _pairs(kinds: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in kinds.items()) or "none"


def shape_text(shape: tuple[int | str, ...]) -> str:
    """Return a shape as people write it: (batch, 28, 28, 1)."""
    return f"({', '.join(map(str, shape))})"


def _check_kind(graph: Graph, tensor: Tensor, array: object) -> np.ndarray:
    at = f"{graph.name}: input {tensor.name!r}: expected a numpy array of {tensor.dtype}"
    if not isinstance(array, np.ndarray):
        kind = type(array).__name__
        mend = f"numpy.asarray(x, numpy.{tensor.dtype})"
        raise InputError(f"{at}, received a {kind}; convert it: {mend}")
    array = np.asarray(array)  # a masked array would hide what it masks from the checks below
    if array.dtype != np.dtype(tensor.dtype):
        raise InputError(
            f"{at}, received {array.dtype.str if array.dtype.byteorder == '>' else array.dtype}; "
            f"nothing is cast silently: use .astype(numpy.{tensor.dtype}) if the values mean the "
            f"same{_range_hint(tensor)}"
        )
    return array


def _check_shape(
    graph: Graph, tensor: Tensor, array: np.ndarray, free: dict[str, tuple[str, int]]
) -> None:
    at = f"{graph.name}: input {tensor.name!r}: expected shape {shape_text(tensor.shape)}"
    if array.ndim != len(tensor.shape):
        raise InputError(
            f"{at} with {len(tensor.shape)} dimensions, received {array.shape} with {array.ndim}"
        )
    for index, (want, size) in enumerate(zip(tensor.shape, array.shape, strict=True)):
        if size == 0 or (isinstance(want, int) and size != want):
            wanted = "at least 1" if isinstance(want, str) else want
            raise InputError(
                f"{at}, received {array.shape}: dimension {index} is {size}, not {wanted}"
            )
        if isinstance(want, str):
            other, agreed = free.setdefault(want, (tensor.name, size))
            if size != agreed:
                raise InputError(
                    f"{at}, received {array.shape}: {want} is {size} here and {agreed} in {other!r}"
                )


def _check_values(graph: Graph, tensor: Tensor, array: np.ndarray) -> None:
    floating = array.dtype.kind == "f"
    if not floating and tensor.range is None:
        return
    # One NaN makes both of these NaN, so finite ends mean finite values.
    with np.errstate(invalid="ignore"):
        low, high = float(array.min()), float(array.max())
    at = f"{graph.name}: input {tensor.name!r}"
    if floating and not (np.isfinite(low) and np.isfinite(high)):
        count = int(np.size(array) - np.count_nonzero(np.isfinite(array)))
        raise InputError(f"{at}: expected finite values, received {count} that are NaN or infinite")
    if tensor.range is not None and not tensor.range[0] <= low <= high <= tensor.range[1]:
        raise InputError(
            f"{at}: expected values in [{tensor.range[0]:g}, {tensor.range[1]:g}], "
            f"received [{low:g}, {high:g}]"
        )


def _range_hint(tensor: Tensor) -> str:
    if tensor.range is None:
        return ""
    return f" (legal values: [{tensor.range[0]:g}, {tensor.range[1]:g}])"
