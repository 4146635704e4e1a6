"""A .pth is read without PyTorch, and nothing that it says is run."""

import collections
import io
import os
import pickle
import struct
from typing import Any

import numpy as np
import pytest

from dimaging_tf.data.torch_file import read_tensors
from dimaging_tf.errors import DataError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
NAMED = {
    "tensor": ("torch._utils", "_rebuild_tensor_v2"),
    "FloatStorage": ("torch", "FloatStorage"),
}


class Named:
    """What pickles as a global of this module and name, though neither need exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


PICKLER: Any = pickle.__dict__["_Pickler"]
"""Pickle in Python, whose opcodes can be written one by one."""


class Writer(PICKLER):
    """The pickles that PyTorch would write."""

    def save_named(self, one):
        self.write(pickle.GLOBAL + f"{one.module}\n{one.name}\n".encode())

    dispatch = {**PICKLER.dispatch, Named: save_named}

    def persistent_id(self, obj):
        return obj[1:] if isinstance(obj, tuple) and obj[:1] == ("persist",) else None


class Call:
    """A call of `function(*arguments)`, as a pickle makes it."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def write(path, tensors, memory, magic=MAGIC):
    file = io.BytesIO()
    for part in (magic, VERSION, {}):
        Writer(file, 2).dump(part)
    file.write(placed(tensors))
    Writer(file, 2).dump(list(memory))
    for values in memory.values():
        file.write(struct.pack("<q", len(values)) + values.astype("<f4").tobytes())
    path.write_bytes(file.getvalue())
    return path


def placed(tensors):
    """The pickle of an OrderedDict of tensors: name -> (memory, offset, shape, strides)."""
    out = io.BytesIO()
    writer = Writer(out, 2)
    writer.write(pickle.PROTO + b"\x02")
    writer.save(collections.OrderedDict())
    writer.write(pickle.MARK)
    for name, (memory, offset, shape, strides) in tensors.items():
        writer.save(name)
        writer.save_named(Named(*NAMED["tensor"]))
        writer.write(pickle.MARK)
        writer.write(pickle.MARK)
        writer.save("storage")
        writer.save_named(Named(*NAMED["FloatStorage"]))
        for word in (memory, "cpu", 6):
            writer.save(word)
        writer.write(pickle.TUPLE + pickle.BINPERSID)
        for word in (offset, shape, strides, False, collections.OrderedDict()):
            writer.save(word)
        writer.write(pickle.TUPLE + pickle.REDUCE)
    writer.write(pickle.SETITEMS + pickle.STOP)
    return out.getvalue()


def test_strides_and_offsets_are_honoured(tmp_path):
    memory = {"a": np.arange(7), "b": np.arange(4)}
    tensors = {
        "turned": ("a", 1, (2, 3), (1, 2)),
        "plain": ("b", 0, (4,), (1,)),
        "one": ("b", 3, (), ()),
    }
    found = read_tensors(write(tmp_path / "x.pth", tensors, memory))
    assert list(found) == list(tensors)
    np.testing.assert_array_equal(found["turned"], np.arange(1, 7).reshape(3, 2).T)
    np.testing.assert_array_equal(found["plain"], np.arange(4))
    assert found["one"] == 3
    assert found["one"].dtype == np.float32


BAD = {
    "outside": ({"x": ("a", 0, (3, 3), (3, 1))}, MAGIC, "a tensor lies outside its memory"),
    "before": ({"x": ("a", 5, (2,), (-1,))}, MAGIC, "a tensor lies outside its memory"),
    "magic": ({"x": ("a", 0, (1,), (1,))}, 7, "expected the format"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused(case, tmp_path):
    tensors, magic, words = BAD[case]
    path = write(tmp_path / "x.pth", tensors, {"a": np.arange(6)}, magic)
    with pytest.raises(DataError, match=words):
        read_tensors(path)


@pytest.mark.parametrize("cut", [0, 10, 60, 200, -3])
def test_a_damaged_file_is_refused(tmp_path, cut):
    path = write(tmp_path / "x.pth", {"x": ("a", 0, (6,), (1,))}, {"a": np.arange(6)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"x\.pth is no \.pth file of tensors alone"):
        read_tensors(path)


@pytest.mark.parametrize("function", [os.system, eval, print, pickle.loads, io.open])
def test_nothing_in_it_is_run(tmp_path, function):
    made = tmp_path / "made"
    argument = b"" if function is pickle.loads else f"touch {made}"
    path = tmp_path / "x.pth"
    path.write_bytes(pickle.dumps(Call(function, argument), 2))
    with pytest.raises(DataError, match=r"it names \w+\.\w+\. Nothing of it was run"):
        read_tensors(path)
    assert not made.exists()
