"""The targets of a bundle as rows of data; a new device is a new row."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dimaging_edge.common.errors import near

from dimaging_export.errors import ExportError

if TYPE_CHECKING:
    import onnx

_ALL = ("fp32", "fp16", "int8", "integer")
"""All precisions."""
_RANDOM = frozenset(
    "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli".split()
)
"""Ops that draw random numbers, never the same twice; a model takes its noise as an input."""
_CONTROL = frozenset({"Loop", "If", "Scan", "NonZero"})
"""Ops that an accelerator of a phone cannot compile."""


@dataclass(frozen=True)
class Target:
    """A device, and what it asks of a bundle."""

    name: str
    summary: str
    precisions: tuple[str, ...] = _ALL
    forbidden: frozenset[str] = _RANDOM
    """Types of ops that must not be in a graph."""
    uint8: bool = False
    """True where images go in and out as bytes unless the caller says otherwise."""
    static: bool = False
    """True where a graph has batch 1 and one size: NNAPI and Core ML compile it for fixed shapes."""
    size: int = 256
    """Height and width in pixels, where the model leaves them free and the target does not."""
    max_opset: int = 18
    one_file: bool = False
    """True where a graph has to be one file: nothing there reads weights from a second one."""
    mobile_check: bool = False
    """True where onnxruntime's mobile usability checker is asked; its verdict goes into the card."""


TARGETS = {
    target.name: target
    for target in (
        Target("cpu", "servers, laptops, ARM boards: onnxruntime on a CPU"),
        Target(
            "cuda", "NVIDIA GPUs (int8 would run in float32 there)",
            precisions=("fp32", "fp16", "integer"),
        ),
        Target(
            "phone", "Android and iOS, with NNAPI and Core ML within reach",
            forbidden=_RANDOM | _CONTROL, uint8=True, static=True, one_file=True, mobile_check=True,
        ),
        Target("web", "onnxruntime-web in a browser", uint8=True, one_file=True),
    )
}  # fmt: skip
"""Name -> target."""


def find(name: str, precision: str) -> Target:
    """Return the row of this target; ExportError where the target or the precision does not exist."""
    if name not in TARGETS:
        raise ExportError(f"unknown target {name!r}; {near(name, list(TARGETS))}")
    if precision not in _ALL:
        raise ExportError(f"unknown precision {precision!r}; {near(precision, _ALL)}")
    target = TARGETS[name]
    if precision not in target.precisions:
        known = ", ".join(target.precisions)
        raise ExportError(f"target {name!r} takes {known}, not {precision!r}: {target.summary}")
    return target


def two_files(target: Target, graph: str, size: int, precision: str) -> str:
    """Return the words for a graph with weights of `size` bytes, and a target that reads one file only."""
    from dimaging_export.graph.weights import too_large

    said = too_large(f"graph {graph!r}", size)
    smaller = "" if precision == "int8" else "in a smaller precision (--precision int8), or "
    return (
        f"{said}, and target {target.name!r} reads no other: {target.summary}. "
        f"Export it {smaller}for target 'cpu'"
    )


def check(model: "onnx.ModelProto", target: Target, precision: str = "fp32") -> dict[str, str]:
    """Raise ExportError where the graph breaks a rule of its target; returns the mobile verdicts."""
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    if opset > target.max_opset:
        raise ExportError(
            f"target {target.name!r} knows opsets up to {target.max_opset}; the graph has {opset}"
        )
    from dimaging_export.graph.weights import outside  # importing targets loads no onnx

    if target.one_file and (arrays := outside(model)):
        size = sum(array.nbytes for array in arrays.values())
        raise ExportError(two_files(target, model.graph.name, size, precision))
    for node in model.graph.node:
        if node.op_type in target.forbidden:
            mend = (
                "Use recurrent layers that are one operator in ONNX (LSTM, GRU and SimpleRNN of Keras with "
                "functions such as tanh, sigmoid, relu; see docs/layers.md), or export for target 'cpu'"
                if node.op_type in _CONTROL
                else "Make the noise an input of the graph"
            )
            raise ExportError(
                f"op {node.op_type!r} (node {node.name!r} of graph {model.graph.name!r}) must not "
                f"go to target {target.name!r}. {mend}"
            )
    free = [
        f"{tensor.name}[{dim.dim_param}]"
        for tensor in model.graph.input
        for dim in tensor.type.tensor_type.shape.dim
        if dim.dim_param
    ]
    if target.static and free:
        raise ExportError(
            f"target {target.name!r} needs fixed shapes; free: {', '.join(free)}. Give the model's inputs "
            "fixed shapes, or pass real examples: data= (dimaging export --data NAME_OR_PATH)"
        )
    return mobile_verdict(model) if target.mobile_check else {}


def mobile_verdict(model: "onnx.ModelProto") -> dict[str, str]:
    """Return whether a phone's accelerator may pay: {"NNAPI": "yes" | "maybe" | "no", "Core ML": ...}.

    onnxruntime's own checker judges by its rules, after the optimisation it asks for; no device is asked.
    """
    import onnx
    from onnxruntime.tools.mobile_helpers import usability_checker as checker
    from onnxruntime.tools.onnx_model_utils import ModelProtoWithShapeInfo, optimize_model

    with tempfile.TemporaryDirectory() as folder:
        path, better = Path(folder, "graph.onnx"), Path(folder, "optimised.onnx")
        onnx.save(model, path)
        optimize_model(path, better)
        known = ModelProtoWithShapeInfo(better).model_with_shape_info
    core_ml = "coreml_supported_mlprogram_ops.md"
    found = {
        "NNAPI": checker.check_nnapi_partitions(known, True),
        "Core ML": checker.check_coreml_partitions(known, True, core_ml),
    }
    return {name: info.suitability().name.lower() for name, info in found.items()}
