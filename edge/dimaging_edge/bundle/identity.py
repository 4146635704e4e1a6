"""The binding of a model id to the weights and tables of a bundle.

`bundle.json` names a model, and compressed files name it too. Each ONNX file says in its own metadata which
model it belongs to (`dimaging.model_id`), and a seal (`dimaging.seal`) binds that id to the bytes of the
graph and of every table beside it. So files of two bundles cannot be mixed, and weights or tables cannot be
changed under an id, without being noticed. It is no signature: somebody who means to can write a new seal.
"""

import hashlib
from collections.abc import Mapping

from dimaging_edge.bundle.protobuf import encode_field, fields
from dimaging_edge.bundle.schema import Manifest
from dimaging_edge.common.errors import BundleError

EXAMPLES = "examples.npz"
"""The file of example inputs and outputs, which no seal covers."""
MODEL_ID, SEAL = "dimaging.model_id", "dimaging.seal"
"""The keys of an ONNX file's metadata."""
_METADATA = 14
"""The number of the field of ModelProto that holds metadata."""


def metadata(data: bytes) -> dict[str, str]:
    """Return the metadata of an ONNX file; ValueError for a key that stands twice or text that is none."""
    found: dict[str, str] = {}
    for field, start, stop in fields(data, 0, len(data)):
        if field != _METADATA:
            continue
        pair = {number: data[a:b] for number, a, b in fields(data, start, stop)}
        key = pair.get(1, b"").decode("utf-8")
        if key in found:
            raise ValueError(f"the metadata have {key!r} twice")
        found[key] = pair.get(2, b"").decode("utf-8")
    return found


def seal(data: bytes, model_id: str, graph: str, tables: Mapping[str, str]) -> str:
    """Return the seal of an ONNX file: a SHA-256 of model id, graph and tables, hexadecimal.

    graph: the name of the graph. tables: the SHA-256 of each file beside the graphs, by name, without the
    examples. What the file says in its metadata does not count.
    """
    digest = hashlib.sha256(f"dimaging seal 1\n{model_id}\n{graph}\n".encode())
    for field, start, stop in fields(data, 0, len(data)):
        if field != _METADATA:
            digest.update(f"{field} {stop - start}\n".encode())
            digest.update(memoryview(data)[start:stop])
    for name in sorted(tables):
        digest.update(f"{name} {tables[name]}\n".encode())
    return digest.hexdigest()


def with_seal(data: bytes, model_id: str, graph: str, tables: Mapping[str, str]) -> bytes:
    """Return an ONNX file with its seal added; arguments as `seal`."""
    found = seal(data, model_id, graph, tables)
    entry = encode_field(1, SEAL.encode()) + encode_field(2, found.encode())
    return data + encode_field(_METADATA, entry)


def tables_of(manifest: Manifest) -> dict[str, str]:
    """Return the SHA-256 of each file that is neither a graph nor the examples, by name."""
    graphs = {graph.file for graph in manifest.graphs.values()}
    return {
        name: file.sha256
        for name, file in manifest.files.items()
        if name not in graphs and name != EXAMPLES
    }


def check_identity(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Raise BundleError where a graph belongs to another model than `bundle.json` names, or breaks its seal.

    A file that says neither, of another writer or an early version, passes: it has nothing to compare with.
    """
    tables = tables_of(manifest)
    for name, graph in manifest.graphs.items():
        data = files[graph.file]
        try:
            said = metadata(data)
        except (ValueError, IndexError) as error:
            raise BundleError(f"{graph.file} is no valid ONNX model ({error})") from None
        belongs = said.get(MODEL_ID, manifest.model_id)
        if belongs != manifest.model_id:
            raise BundleError(
                f"{graph.file} belongs to model {belongs[:12]}..., bundle.json names model "
                f"{manifest.model_id[:12]}...; copy the bundle again, or export it again"
            )
        if SEAL in said and said[SEAL] != seal(data, manifest.model_id, name, tables):
            raise BundleError(
                f"{graph.file} carries the seal of model {manifest.model_id[:12]}..., but its weights or the "
                "tables beside it are others; copy the bundle again, or export it again"
            )
