"""Learned compression of photographs: the `.dimg` file, its tiles and its symbols.

`codec` compresses and decompresses a photograph, `tiles` is the geometry, `tile_codec` one tile, `symbols`
its entropy coding, `container` and `reading` the file, `plane` the alpha channel, `picture` other formats,
`symbol_model` the protocol of a model that the codec can use, `bundle_model` a bundle as such a model.
"""
