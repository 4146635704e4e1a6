"""What a bundle says about itself: the shape of `bundle.json`, and nothing else.

The dataclasses are the schema. `json_types` turns JSON into them by their type hints and the
`_check_*` functions below add what a type cannot say; every refusal names the place in the file.
"""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from dimaging_edge.bundle.json_types import decode, refuse
from dimaging_edge.bundle.strict_json import read_json
from dimaging_edge.common.errors import BundleError

SCHEMA = 1
"""The version that is written and read here; a bundle with a higher one is refused."""

DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64")
DTYPES += ("uint8", "uint16", "uint32", "uint64", "bool")
"""The types that a tensor may have, by numpy's names."""
MOST_VALUES = 1 << 28
"""The most values of an example."""
QUALITY = ("name", "unit", "keras", "onnx", "loss", "allowed")
"""The keys of `Manifest.quality`."""


@dataclass(frozen=True)
class Tensor:
    """One input or output of a graph."""

    name: str
    dtype: str  # numpy's name, one of DTYPES
    shape: tuple[int | str, ...]  # a text is a free dimension: "batch", "height", "width"
    range: tuple[float, float] | None  # closed interval of legal values; None: any finite value
    layout: str  # "NHWC", "NC", ...: one letter a dimension; "" if it has no usual name
    example: tuple[int, ...]  # a concrete shape with batch 1, for benchmarks and MACs


@dataclass(frozen=True)
class Graph:
    """One ONNX file of a bundle."""

    name: str
    file: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    opset: int
    macs: int | None  # multiply-accumulates of one run at the example shapes; None: unknown
    nodes: dict[str, int]  # op type -> count
    parity: dict[str, dict[str, float]]  # output -> {"max_abs": |onnx - keras|, "allowed": limit}


@dataclass(frozen=True)
class File:
    """Size and SHA-256 (lower-case hexadecimal) that a file of the bundle must have."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """The whole of `bundle.json`."""

    schema: int
    model: str  # registry name, e.g. "vae"
    model_id: str  # SHA-256 of weights and tables
    precision: str
    target: str
    version: str  # of the package that wrote the bundle
    licence: str
    paper: str
    lecture: str
    config: dict[str, Any]
    graphs: dict[str, Graph]
    files: dict[str, File]  # every file of the bundle but bundle.json and CARD.md
    quality: dict[str, str | float | None] | None  # the keys of QUALITY
    tools: dict[str, str]  # tool -> version that made the bundle

    def to_json(self) -> str:
        """Return the text of `bundle.json`; `Manifest.from_json` reads it back equal."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read `bundle.json`.

        Raises BundleError that names the JSON path, what was expected there and what was found.
        """
        try:
            value = read_json(text)
        except ValueError as error:
            raise BundleError(f"bundle.json is not valid JSON: {error}") from None
        found = value.get("schema") if isinstance(value, dict) else None
        if isinstance(found, int) and found > SCHEMA:
            raise BundleError(
                f"bundle.json has schema {found}; this dimaging_edge reads up to {SCHEMA}. "
                "Update it: pip install -U dimaging"
            )
        manifest = decode(cls, value)
        _check_manifest(manifest)
        return manifest


def _check_manifest(manifest: Manifest) -> None:
    if manifest.schema != SCHEMA:
        refuse("schema", f"{SCHEMA}", manifest.schema)
    if not re.fullmatch(r"[0-9a-f]{64}", manifest.model_id):
        refuse("model_id", "64 lower-case hexadecimal digits", manifest.model_id)
    if not manifest.graphs:
        refuse("graphs", "at least one graph", {})
    for name, file in manifest.files.items():
        at = f"files[{name!r}]"
        if not _is_inside(name):
            refuse(at, "a relative path inside the bundle, with '/'", name)
        if not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
            refuse(f"{at}.sha256", "64 lower-case hexadecimal digits", file.sha256)
        if file.bytes < 0:
            refuse(f"{at}.bytes", "a size of 0 or more", file.bytes)
    for name, graph in manifest.graphs.items():
        _check_graph(graph, name, f"graphs[{name!r}]")
        if graph.file not in manifest.files:
            refuse(f"graphs[{name!r}].file", "a file listed under files", graph.file)
        if not graph.file.endswith(".onnx"):
            refuse(f"graphs[{name!r}].file", "a file with the suffix .onnx", graph.file)
    if manifest.quality is not None and set(manifest.quality) != set(QUALITY):
        refuse("quality", f"the keys {', '.join(QUALITY)}", manifest.quality)


def _check_graph(graph: Graph, name: str, at: str) -> None:
    if graph.name != name:
        refuse(f"{at}.name", f"its own key {name!r}", graph.name)
    if not graph.outputs:
        refuse(f"{at}.outputs", "at least one output", [])
    for side, tensors in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        names = [tensor.name for tensor in tensors]
        if len(set(names)) != len(names):
            refuse(f"{at}.{side}", "names that differ", names)
        for index, tensor in enumerate(tensors):
            _check_tensor(tensor, f"{at}.{side}[{index}]")
    for output, figures in graph.parity.items():
        if output not in {tensor.name for tensor in graph.outputs}:
            refuse(f"{at}.parity", "names of outputs", output)
        if set(figures) != {"max_abs", "allowed"}:
            refuse(f"{at}.parity[{output!r}]", "the keys max_abs and allowed", figures)


def _check_tensor(tensor: Tensor, at: str) -> None:
    if not tensor.name:
        refuse(f"{at}.name", "a name", tensor.name)
    if tensor.dtype not in DTYPES:
        refuse(f"{at}.dtype", f"one of {', '.join(DTYPES)}", tensor.dtype)
    if any(size == "" or (isinstance(size, int) and size < 1) for size in tensor.shape):
        refuse(f"{at}.shape", "sizes of 1 or more, or names", tensor.shape)
    if tensor.range is not None and not tensor.range[0] <= tensor.range[1]:
        refuse(f"{at}.range", "low <= high", tensor.range)
    if tensor.layout and len(tensor.layout) != len(tensor.shape):
        refuse(f"{at}.layout", f"{len(tensor.shape)} letters, one a dimension", tensor.layout)
    fits = len(tensor.example) == len(tensor.shape) and all(
        size >= 1 and (isinstance(want, str) or size == want)
        for size, want in zip(tensor.example, tensor.shape, strict=True)
    )
    if not fits:
        refuse(f"{at}.example", f"sizes that fit the shape {tensor.shape}", tensor.example)
    if math.prod(tensor.example) > MOST_VALUES:
        refuse(f"{at}.example", f"at most {MOST_VALUES} values", tensor.example)


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    plain = not path.is_absolute() and "\\" not in name and ":" not in name
    return plain and name == str(path) and ".." not in path.parts and name != "."
