"""Which other files an ONNX file refers to, found without the onnx package.

A tensor may keep its bytes elsewhere (`external_data`, key "location"), and onnxruntime opens
whatever path stands there. So a bundle is only opened once every such path is known. This walks
the protobuf wire format along the few fields that lead to a tensor and steps over all others;
field numbers are those of onnx.proto.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from dimaging_edge.common.errors import BundleError

# message -> {field number -> message held there}. "entry" is a key and value pair of external_data.
_TREE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEEPEST = 200  # nested messages; real models stay below 20
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def external_locations(path: Path) -> list[str]:
    """Return the external-data locations in an ONNX file, in order, each once.

    Raises BundleError if the file is empty or is no protobuf.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise BundleError(f"{path.name} is empty; expected an ONNX model. Export it again.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return list(dict.fromkeys(_walk(data, 0, len(data), "model", 0)))
            except (IndexError, ValueError) as error:
                raise BundleError(
                    f"{path.name} is no valid ONNX model ({error}). Export it again."
                ) from None


def _walk(data: mmap.mmap, at: int, end: int, message: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError(f"messages nested deeper than {_DEEPEST}")
    for field, start, stop in _fields(data, at, end):
        child = _TREE[message].get(field)
        if child == "entry":
            pair = {number: data[a:b] for number, a, b in _fields(data, start, stop)}
            if pair.get(1) == b"location":
                yield pair.get(2, b"").decode("utf-8")
        elif child:
            yield from _walk(data, start, stop, child, depth + 1)


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, start, stop) of each length-delimited field of one message."""
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _BYTES:
            size, at = _varint(data, at)
            if at + size > end:
                raise ValueError("a field runs past the end: the file is cut off")
            yield tag >> 3, at, at + size
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
    if at != end:
        raise ValueError("a field runs past the end: the file is cut off")


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
