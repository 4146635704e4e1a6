"""Export turns Keras models into proven ONNX bundles: it converts, compares, and only then writes.

    from dimaging_export import export
    export("runs/vae", "bundles/vae-int8-phone", precision="int8", target="phone")

Names load on first use: importing this package loads neither TensorFlow nor onnx.
"""

from typing import TYPE_CHECKING

from dimaging_edge.common.lazy import lazy_names

from dimaging_export.errors import ExportError, ParityError

if TYPE_CHECKING:
    from dimaging_export.exporting import export

__all__ = ["ExportError", "ParityError", "export"]

__getattr__ = lazy_names(__name__, {"export": "exporting"})
