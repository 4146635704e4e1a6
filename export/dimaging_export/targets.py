"""Where a bundle goes, as rows of data; a new device is a new row."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dimaging_edge.errors import near
from dimaging_export.errors import ExportError

if TYPE_CHECKING:
    import onnx

_RANDOM = frozenset(
    "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli".split()
)
"""Never the same twice: a model takes its noise as an input."""


@dataclass(frozen=True)
class Target:
    """What a device asks of a bundle."""

    name: str
    summary: str
    precisions: tuple[str, ...]
    forbidden: frozenset[str] = _RANDOM
    """Op types that must not be in a graph."""
    uint8: bool = False
    """Images go in and out as bytes unless the caller says otherwise."""
    static: bool = False
    """Batch 1, fixed height and width: NNAPI and Core ML compile a graph for one shape."""
    size: int = 256
    """Height and width where the model leaves them free and the target does not, in pixels."""
    max_opset: int = 18
    mobile_check: bool = False
    """Ask onnxruntime's mobile usability checker; its verdict goes into the card."""


_CONTROL = frozenset({"Loop", "If", "Scan", "NonZero"})

TARGETS = {
    target.name: target
    for target in (
        Target("cpu", "servers, laptops, ARM boards: onnxruntime on a CPU", ("fp32", "fp16", "int8")),
        Target("cuda", "NVIDIA GPUs: no int8, for onnxruntime runs QDQ in float32 there", ("fp32", "fp16")),
        Target(
            "phone", "onnxruntime on Android and iOS, NNAPI and Core ML within reach", ("fp32", "fp16", "int8"),
            forbidden=_RANDOM | _CONTROL, uint8=True, static=True, mobile_check=True,
        ),
        Target("web", "onnxruntime-web in a browser", ("fp32", "fp16", "int8"), uint8=True),
    )
}  # fmt: skip


def find(name: str, precision: str) -> Target:
    """The row of this target; ExportError where it or its precision does not exist."""
    if name not in TARGETS:
        raise ExportError(f"unknown target {name!r}; {near(name, list(TARGETS))}")
    target = TARGETS[name]
    every = TARGETS["cpu"].precisions
    if precision not in every:
        raise ExportError(f"unknown precision {precision!r}; {near(precision, every)}")
    if precision not in target.precisions:
        raise ExportError(
            f"target {name!r} takes {', '.join(target.precisions)}, not {precision!r} ({target.summary})"
        )
    return target


def check(model: "onnx.ModelProto", target: Target) -> dict[str, str]:
    """Raise ExportError where the graph breaks a rule of its target; returns the checker's verdicts."""
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    if opset > target.max_opset:
        raise ExportError(
            f"target {target.name!r} knows opsets up to {target.max_opset}, the graph needs {opset}"
        )
    for node in model.graph.node:
        if node.op_type in target.forbidden:
            raise ExportError(
                f"op {node.op_type!r} (node {node.name!r} of graph {model.graph.name!r}) must not go to target "
                f"{target.name!r}. Make noise an input of the graph; replace loops by layers"
            )
    free = [
        f"{tensor.name}[{d.dim_param}]"
        for tensor in model.graph.input
        for d in tensor.type.tensor_type.shape.dim
        if d.dim_param
    ]
    if target.static and free:
        raise ExportError(f"target {target.name!r} needs static shapes; free: {', '.join(free)}")
    return mobile_verdict(model) if target.mobile_check else {}


def mobile_verdict(model: "onnx.ModelProto") -> dict[str, str]:
    """{"NNAPI": "yes" | "maybe" | "no", "Core ML": ...}: could the phone's accelerator take the graph?

    The rules of onnxruntime's own checker, after the optimisation it asks for; no device is asked.
    """
    import onnx
    from onnxruntime.tools.mobile_helpers import usability_checker as checker
    from onnxruntime.tools.onnx_model_utils import ModelProtoWithShapeInfo, optimize_model

    coreml = "coreml_supported_mlprogram_ops.md"
    with tempfile.TemporaryDirectory() as folder:
        path, better = Path(folder, "graph.onnx"), Path(folder, "optimised.onnx")
        onnx.save(model, path)
        optimize_model(path, better)
        known = ModelProtoWithShapeInfo(better).model_with_shape_info
        found = {
            "NNAPI": checker.check_nnapi_partitions(known, True),
            "Core ML": checker.check_coreml_partitions(known, True, coreml),
        }
    return {name: info.suitability().name.lower() for name, info in found.items()}
