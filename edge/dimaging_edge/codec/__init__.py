"""Lossless coding of images with a model: `pack` and `unpack`, and the parts they are made of.

`predictor` is the model as the codec sees it, `pixels` the order of things, `header` the bytes before
the payload, `rans` the entropy coder, `tables` its frequencies, `crc32c` the check sums.
"""

from dimaging_edge.codec.pixels import Predictor, info, pack, unpack

__all__ = ["Predictor", "info", "pack", "unpack"]
