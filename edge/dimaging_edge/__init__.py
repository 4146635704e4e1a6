"""Run exported imaging models with numpy and onnxruntime, and nothing else.

    from dimaging_edge import open_bundle
    bundle = open_bundle("bundle/vae-fp32")          # checks every byte before it runs anything
    image = bundle.run("decoder", z=z)["image"]      # checks names, shapes, dtypes and ranges

Names load on first use (PEP 562), so `dimaging-edge --help` does not wait for numpy.
"""

from typing import TYPE_CHECKING, Any

from dimaging_edge.common.errors import BundleError, DimagingError, InputError, ProviderError

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle, open_bundle

__all__ = [
    "Bundle",
    "BundleError",
    "DimagingError",
    "InputError",
    "ProviderError",
    "__version__",
    "open_bundle",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("Bundle", "open_bundle"):
        from dimaging_edge.bundle import open as bundle

        return getattr(bundle, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
