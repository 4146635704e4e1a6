"""Coding of images with a model, and the parts it is made of.

Lossless: `pack` and `unpack`. `predictor` is the model as the codec sees it, `pixels` the order of
things, `header` the bytes before the payload, `tables` the frequencies.

Photographs: `photo.compress` and `photo.decompress`. `symbol_model` is the model as the codec sees it,
`network` a bundle as such a model (`prior`: in numpy), `tiles` the geometry, `tile_codec` one tile,
`symbols` its entropy coding, `container` and `reading` the file, `plane` alpha, `picture` other files.

Both: `rans` the entropy coder, `crc32c` the check sums.
"""

from dimaging_edge.codec.pixels import Predictor, info, pack, unpack

__all__ = ["Predictor", "info", "pack", "unpack"]
