"""Keras models as proven ONNX bundles: convert, compare, and only then write.

    from dimaging_export import export
    export("runs/vae", "bundles/vae-int8-phone", precision="int8", target="phone")

Names load on first use: importing this package loads neither TensorFlow nor onnx.
"""

from typing import TYPE_CHECKING, Any

from dimaging_export.errors import ExportError, ParityError

if TYPE_CHECKING:
    from dimaging_export.exporting import export

__all__ = ["ExportError", "ParityError", "export"]


def __getattr__(name: str) -> Any:
    if name == "export":
        from dimaging_export.exporting import export

        return export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
