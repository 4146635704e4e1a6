"""Lossless packing of images with an explicit density, exactly the same pixels on every device.

`stream` packs and unpacks, `header` holds the bytes before the payload, `predictor` is the protocol of a
model that the codec can use, `bundle_predictor` a bundle as such a model.
"""

from dimaging_edge.lossless.stream import Predictor, info, pack, unpack

__all__ = ["Predictor", "info", "pack", "unpack"]
