"""Run exported imaging models with numpy and onnxruntime, and nothing else.

    import dimaging_edge as edge
    bundle = edge.open_bundle("bundle/vae-fp32")         # checks every byte before it runs anything
    image = bundle.run("decoder", z=z)["image"]          # checks names, shapes, dtypes and ranges

    model = edge.open_model("unet_codec")                # a learned photo codec that comes with the package
    data = edge.compress(model, edge.Photo(image), quality=30)        # image uint8 [H, W, 3]
    photo, damage = edge.decompress(model, data)

Names load on first use (PEP 562), so `dimaging-edge --help` does not wait for numpy.
"""

from typing import TYPE_CHECKING

from dimaging_edge.common.errors import (
    BundleError,
    CodecError,
    DimagingError,
    InputError,
    ProviderError,
)
from dimaging_edge.common.lazy import lazy_names
from dimaging_edge.common.version import __version__

if TYPE_CHECKING:
    from dimaging_edge.bundle.open import Bundle, open_bundle
    from dimaging_edge.photo.bundle_model import open_model
    from dimaging_edge.photo.codec import compress, decompress
    from dimaging_edge.photo.symbol_model import Photo

__all__ = [
    "Bundle",
    "BundleError",
    "CodecError",
    "DimagingError",
    "InputError",
    "Photo",
    "ProviderError",
    "__version__",
    "compress",
    "decompress",
    "open_bundle",
    "open_model",
]
__getattr__ = lazy_names(
    __name__,
    {
        "Bundle": "bundle.open",
        "Photo": "photo.symbol_model",
        "compress": "photo.codec",
        "decompress": "photo.codec",
        "open_bundle": "bundle.open",
        "open_model": "photo.bundle_model",
    },
)
