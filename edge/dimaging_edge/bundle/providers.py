"""The execution providers of onnxruntime by our short names, and what brings each of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """A provider: its name in onnxruntime, and the words of an error that tell how to get it."""

    execution: str
    brought_by: str


def _extra(name: str) -> str:
    return f"pip install 'dimaging[{name}]' (in place of any other onnxruntime)"


TABLE = {
    "cpu": Provider("CPUExecutionProvider", _extra("cpu")),
    "cuda": Provider("CUDAExecutionProvider", _extra("gpu")),
    "openvino": Provider("OpenVINOExecutionProvider", _extra("openvino")),
    "tensorrt": Provider(
        "TensorrtExecutionProvider", f"{_extra('gpu')}, and pip install tensorrt for its libraries"
    ),
    "directml": Provider(
        "DmlExecutionProvider",
        "on Windows: pip install onnxruntime-directml (in place of any other)",
    ),
    "coreml": Provider(
        "CoreMLExecutionProvider", "onnxruntime's own wheel for macOS: pip install onnxruntime"
    ),
    "qnn": Provider(
        "QNNExecutionProvider",
        "on Windows for ARM: pip install 'onnxruntime-qnn<2' (in place of any other)",
    ),
    "xnnpack": Provider(
        "XnnpackExecutionProvider",
        "no wheel on PyPI has it: build onnxruntime with --use_xnnpack, or use its Android package",
    ),
    "nnapi": Provider(
        "NnapiExecutionProvider",
        "no wheel on PyPI has it: build onnxruntime for Android with --use_nnapi, or use its Android package",
    ),
}
"""Short name -> provider. Whatever else the installed onnxruntime offers is known by `short`."""


def short(execution: str) -> str:
    """Return our name of a provider of onnxruntime: from the table, else its name without the ending."""
    for name, provider in TABLE.items():
        if provider.execution == execution:
            return name
    return execution.removesuffix("ExecutionProvider").lower()


def known(available: list[str]) -> dict[str, str]:
    """Return short name -> onnxruntime's name: those of the table, then others that are `available`."""
    return {name: provider.execution for name, provider in TABLE.items()} | {
        short(execution): execution for execution in available
    }
