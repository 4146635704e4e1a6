"""Weights of a model that no single ONNX file holds: kept beside the graph, in memory and in the bundle.

Protobuf ends at 2 GiB, and so do copies of a message in memory. So while a larger model is exported, the
graph has placeholders only, TensorProtos with external data, and their arrays lie in a room that `room`
opens and `export` closes again. The file that is written in the end is

    <graph>.onnx         nodes and small constants
    <graph>.onnx.data    the arrays one after another, each at a multiple of 4096 bytes

unless all of it fits into one file after all, as an int8 model of 6 GB does.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGEST_FILE = 2**31 - 2**20
"""Bytes of weights that one ONNX file can hold: protobuf ends at 2 GiB, and the graph needs some of it."""
LEAST_OUTSIDE = 1024
"""Bytes that a constant must have to be kept outside; shapes and scales stay where onnx can read them."""
SUFFIX = ".data"
"""What the name of the file of weights has behind the name of its graph's file."""
_PAGE = 4096
"""Every array of a file begins at a multiple of this, in bytes, so that it can be mapped into memory."""
_PLACE = "memory/"
"""Beginning of the location of a placeholder, before the number of its array."""


class _Room:
    """The arrays of the placeholders, by location; none is taken in until a large model comes."""

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}
        self.large = False

    def keep(self, array: np.ndarray) -> str:
        location = f"{_PLACE}{len(self.arrays)}"
        self.arrays[location] = array
        return location


_ROOM: ContextVar[_Room | None] = ContextVar("room", default=None)


@contextmanager
def room() -> Iterator[None]:
    """Open a room for the arrays of large models; it and they are gone at the end."""
    token = _ROOM.set(_Room())
    try:
        yield
    finally:
        _ROOM.reset(token)


def size_of(variables: Iterable[Any]) -> int:
    """Return the bytes of Keras variables."""
    return sum(math.prod(w.shape) * np.dtype(w.dtype).itemsize for w in variables)


def too_large(what: str, size: int) -> str:
    """Return the words for weights that one ONNX file does not hold."""
    held = LARGEST_FILE / 2**30
    return f"the weights of {what} take {size / 2**30:.2f} GiB; one ONNX file holds less than {held:.0f} GiB"


def make_room(size: int) -> bool:
    """Return whether `size` bytes of weights have a place, in one file or, from here on, in the open room."""
    held = _ROOM.get()
    if size >= LARGEST_FILE and held is not None:
        held.large = True
    return size < LARGEST_FILE or held is not None


def to_tensor(array: np.ndarray, name: str) -> TensorProto:
    """Return a constant of a graph; its array stays outside where it is long and the model is large."""
    held = _ROOM.get()
    if held is None or not held.large or array.nbytes < LEAST_OUTSIDE:
        return numpy_helper.from_array(array, name)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = TensorProto(name=name, data_type=kind, dims=array.shape)
    _place(tensor, held.keep(np.ascontiguousarray(array)))
    return tensor


def to_array(tensor: TensorProto) -> np.ndarray:
    """Return the array of a constant, wherever it lies."""
    held, location = _ROOM.get(), _location(tensor)
    if held is None or location not in held.arrays:
        return numpy_helper.to_array(tensor)
    return held.arrays[location]


def inside(tensor: TensorProto) -> TensorProto:
    """Return a constant that holds its array itself, wherever it lay."""
    return numpy_helper.from_array(to_array(tensor), tensor.name)


def outside(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return name -> array of the constants of a model that are kept outside."""
    held = _ROOM.get()
    if held is None:
        return {}
    found = ((tensor.name, _location(tensor)) for tensor in model.graph.initializer)
    return {name: held.arrays[at] for name, at in found if at in held.arrays}


def outline(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model, or a copy in which the constants kept outside are inputs, for onnx's own check."""
    arrays = outside(model)
    if not arrays:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for tensor in [t for t in graph.initializer if t.name in arrays]:
        graph.input.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        )
        graph.initializer.remove(tensor)
    return copy


@contextmanager
def emptied(model: onnx.ModelProto, change: Callable[[np.ndarray], np.ndarray]) -> Iterator[None]:
    """Put one number in place of each array outside, for a tool that reads every constant; in place.

    At the end the arrays are back; `change` is applied to those whose type the tool has changed.
    """
    arrays = outside(model)
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    for tensor in model.graph.initializer:
        if tensor.name in arrays:
            one = np.zeros(1, arrays[tensor.name].dtype)
            tensor.CopyFrom(numpy_helper.from_array(one, tensor.name))
    yield
    for tensor in model.graph.initializer:
        if tensor.name in arrays:
            array, same = arrays[tensor.name], tensor.data_type == kinds[tensor.name]
            tensor.CopyFrom(to_tensor(array if same else change(array), tensor.name))


def join(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model, or a copy with all constants inside where one file holds them."""
    arrays = outside(model)
    if not arrays or sum(a.nbytes for a in arrays.values()) >= LARGEST_FILE:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name in arrays:
            tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))
    return copy


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a model, and beside it the file of its weights where those are kept outside."""
    arrays = outside(model)
    if not arrays:
        onnx.save(model, path)
        return
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    beside = path.with_name(path.name + SUFFIX)
    with beside.open("wb") as file:
        for tensor in copy.graph.initializer:
            if tensor.name in arrays:
                array = arrays[tensor.name]
                file.write(bytes(-file.tell() % _PAGE))
                _place(tensor, beside.name, file.tell(), array.nbytes)
                file.write(array.reshape(-1).view(np.uint8).data)
    path.write_bytes(copy.SerializeToString())


def load(path: Path) -> onnx.ModelProto:
    """Read a model; its weights in other files come into the room, and those files may go."""
    model = onnx.load(path, load_external_data=False)
    held = _ROOM.get()
    for tensor in model.graph.initializer:
        said = {entry.key: entry.value for entry in tensor.external_data}
        if held is not None and "location" in said:
            kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            start, count = int(said.get("offset", 0)), math.prod(tensor.dims)
            array = np.fromfile(path.with_name(said["location"]), kind, count, offset=start)
            _place(tensor, held.keep(array.reshape(tensor.dims)))
    return model


def _place(tensor: TensorProto, location: str, offset: int = 0, length: int | None = None) -> None:
    """Make a tensor say where its bytes are; in place."""
    tensor.ClearField("raw_data")
    del tensor.external_data[:]
    tensor.data_location = TensorProto.EXTERNAL
    said = {"location": location} | ({} if length is None else {"offset": offset, "length": length})
    for key, value in said.items():
        tensor.external_data.add(key=key, value=str(value))


def _location(tensor: TensorProto) -> str:
    return next((e.value for e in tensor.external_data if e.key == "location"), "")
