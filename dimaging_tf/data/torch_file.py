"""Tensors of a .pth file, read without PyTorch and without running anything that the file says.

A .pth of the years before zip archives is a row of pickles (a magic number, a version, facts about the
machine, names and shapes of the tensors, names of their memory), and then that memory itself. Pickles may
call any function; the unpickler here knows two names, of which one is a dictionary and the other notes a
tensor's shape, and refuses every other.
"""

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dimaging_tf.errors import DataError

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(NamedTuple):
    """A tensor's place in a memory, in units of its elements."""

    memory: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(memory: str, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(memory, offset, tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    """An unpickler that calls nothing but OrderedDict and `_tensor`."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.types: dict[str, np.dtype] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what the file may name; UnpicklingError for everything else."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _TYPES:
            return name  # a word, which cannot be called
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> str:
        """Note the type of a memory, and return its name."""
        kind, storage, key = pid[:3]
        if kind != "storage" or storage not in _TYPES:
            raise pickle.UnpicklingError(f"it holds {kind!r} of {storage!r}")
        self.types[key] = _TYPES[storage]
        return key


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return every tensor of a .pth file, float32 or int64, by name; DataError for any other file."""
    try:
        return _read(io.BytesIO(path.read_bytes()))
    except Exception as error:  # pickle raises whatever the damage leads to
        raise DataError(
            f"{path.name} is no .pth file of tensors alone: {error}. Nothing of it was run"
        ) from None


def _read(file: io.BytesIO) -> dict[str, np.ndarray]:
    magic, version, _ = (_Unpickler(file).load() for _ in range(3))
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError(f"expected the format {_MAGIC:#x} of version {_VERSION}")
    reader = _Unpickler(file)
    placed = reader.load()
    memory = {key: _memory(file, reader.types[key]) for key in _Unpickler(file).load()}
    return {name: _view(memory[at.memory], at) for name, at in placed.items()}


def _memory(file: io.BytesIO, kind: np.dtype) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    data = file.read(count * kind.itemsize)
    if len(data) != count * kind.itemsize:
        raise ValueError("it ends too early")
    return np.frombuffer(data, kind)


def _view(memory: np.ndarray, at: _Tensor) -> np.ndarray:
    """Return a copy of the tensor, whose strides need not be those of a contiguous one."""
    last = at.offset + sum((n - 1) * step for n, step in zip(at.shape, at.strides, strict=True))
    if min((at.offset, *at.strides)) < 0 or (0 not in at.shape and last >= len(memory)):
        raise ValueError("a tensor lies outside its memory")
    steps = [step * memory.itemsize for step in at.strides]
    return np.lib.stride_tricks.as_strided(memory[at.offset :], at.shape, steps).copy()
