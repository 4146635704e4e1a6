"""Which other files an ONNX file refers to, found without the onnx package.

A tensor may keep its bytes elsewhere (`external_data`, key "location"), and onnxruntime opens whatever path
stands there. So a bundle is only opened once every such path is known. This walks the protobuf wire format
along the few fields that lead to a tensor and steps over all others; field numbers are those of onnx.proto,
and a test compares them with the descriptors of the onnx package.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dimaging_edge.bundle.protobuf import fields
from dimaging_edge.common.errors import BundleError

# message -> {field number -> message held there}. "entry" is a key and value pair of external_data.
TREE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""The fields of each message of onnx.proto that lead to a tensor."""
_OP_TYPE = 4
_READS_FILES = b"EPContext"
"""The operator of onnxruntime that names a file of its own."""
_DEEPEST = 200  # nested messages; real models stay below 20
_FROM_MEMORY = (("model", "graph", "tensor"), ("model", "graph", "node", "attribute", "tensor"))
"""The ways to the tensors whose bytes onnxruntime takes from memory; for others it would open files."""


@dataclass(frozen=True)
class External:
    """What a tensor says of the file that holds its bytes."""

    location: str
    start: int  # in bytes
    stop: int | None  # None: as much as its shape needs
    from_memory: bool  # onnxruntime takes it from memory, if it is given


def external_tensors(data: bytes, name: str) -> list[External]:
    """Return what each tensor of an ONNX file keeps elsewhere, in order; `name` is that of the file.

    BundleError if the file is empty, is no ONNX model, or could reach a file in another way.
    """
    if not data:
        raise BundleError(f"{name} is empty; expected an ONNX model. Export it again.")
    if data[4:8] == b"ORTM":
        raise BundleError(f"{name} is in the format ORT, which is not checked; expected ONNX")
    try:
        return list(_walk(data, 0, len(data), ("model",)))
    except (IndexError, ValueError) as error:
        raise BundleError(f"{name} is no valid ONNX model ({error}). Export it again.") from None


def _walk(data: bytes, at: int, end: int, way: tuple[str, ...]) -> Iterator[External]:
    if len(way) > _DEEPEST:
        raise ValueError(f"messages nested deeper than {_DEEPEST}")
    children, entries = TREE[way[-1]], []
    for field, start, stop in fields(data, at, end):
        child = children.get(field)
        if child == "entry":
            entries.append({number: data[a:b] for number, a, b in fields(data, start, stop)})
        elif child:
            yield from _walk(data, start, stop, (*way, child))
        elif way[-1] == "node" and field == _OP_TYPE and data[start:stop] == _READS_FILES:
            raise ValueError(f"it has the operator {_READS_FILES.decode()}, which reads files")
    if entries:
        yield from _external(entries, way in _FROM_MEMORY)


def _external(entries: list[dict[int, bytes]], from_memory: bool) -> Iterator[External]:
    pairs: dict[bytes, bytes] = {}
    for entry in entries:
        key = entry.get(1, b"")
        if key in pairs:
            raise ValueError(f"external data with two entries {key.decode(errors='replace')!r}")
        pairs[key] = entry.get(2, b"")
    if b"location" not in pairs:
        return
    start, length = (_size(pairs.get(key)) for key in (b"offset", b"length"))
    start = start or 0
    stop = None if length is None else start + length
    location = pairs[b"location"].decode("utf-8")
    if not location.isprintable():
        raise ValueError(f"external data in {location!r}, which is no name of a file")
    yield External(location, start, stop, from_memory)


def _size(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit() or len(value) > 19:
        raise ValueError(f"external data with an offset or length of {value[:30]!r} bytes")
    return int(value)
