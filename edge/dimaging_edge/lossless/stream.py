"""Lossless coding of a batch of images with a model that predicts each pixel from those before it.

A stream is a header and a payload; all numbers are unsigned and little-endian:

    byte  size  field
       0     4  magic "DPIX"
       4     2  version, 1
       6     2  levels of the alphabet, 2 to 256; symbol s means the value s / (levels - 1)
       8     4  height of an image
      12     4  width of an image
      16     4  number of images, 1 or more; at most 2^28 pixels in all
      20     4  lanes, 1 to 1024 and no more than images
      24    16  model id: the first 16 bytes of the bundle's model_id
      40     4  CRC32C of the symbols, a byte each: image by image, row by row
      44     4  CRC32C of the payload
      48     4  payload length in bytes
      52     4  CRC32C of bytes 0 to 51
      56        payload: one rANS stream (`rans`), 16-bit tables (`frequencies.normalise` of weights)

Lane k codes images k, k + lanes, k + 2 lanes, ... one after the other, each in raster order. So a
decoder works on `lanes` images at a time, and on the last round idle lanes stay where they are.

How many lanes: one for each 2^15 pixels, at most 128. A lane costs 3.5 bytes. Binary digits code to
about 0.15 bits a pixel, so to 600 bytes a lane: the lanes cost 0.6 %, and less once there are 128.
More save little time: by then the model computes for longer than numpy takes to start a step.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np

from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.entropy import rans
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.entropy.frequencies import cumulative, find, normalise, pick
from dimaging_edge.lossless.header import (
    BITS,
    MOST_LANES,
    MOST_SYMBOLS,
    SIZE,
    VERSION,
    Header,
    read_header,
    short_id,
)
from dimaging_edge.lossless.predictor import Predictor

__all__ = ["Predictor", "info", "pack", "unpack"]

Progress = Callable[[int, int], object]
_AT_ONCE = 1 << 15
"""The most weights that the encoder asks for at a time: as many as a cache holds with a network's maps."""


def pack(
    predictor: Predictor,
    symbols: np.ndarray,
    model_id: str,
    *,
    lanes: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Return the stream of images, uint8 [N, H, W] with values below `levels`.

    `model_id` is the hexadecimal id of the model; progress(done, total) is called with numbers of images.
    InputError says which argument does not fit.
    """
    model_id, images = short_id(model_id), _check_symbols(predictor, symbols)
    lanes = _lanes(symbols) if lanes is None else lanes
    if not 1 <= lanes <= min(images, MOST_LANES):
        raise InputError(f"lanes: expected 1 to {min(images, MOST_LANES)}, received {lanes}")
    encoder, done = rans.Encoder(lanes, BITS), 0
    for first in range(0, images, lanes)[::-1]:  # rANS codes the last symbol first
        part = symbols[first : first + lanes]
        encoder.put(*_intervals(predictor, part, lanes))
        done += len(part)
        if progress:
            progress(done, images)
    payload = encoder.to_bytes()
    header = Header(
        levels=predictor.levels,
        height=symbols.shape[1],
        width=symbols.shape[2],
        images=images,
        lanes=lanes,
        model_id=model_id,
        symbols_crc=crc32c(symbols),
        payload_crc=crc32c(payload),
        payload_bytes=len(payload),
    )
    return header.to_bytes() + payload


def unpack(
    predictor: Predictor, data: bytes, model_id: str, *, progress: Progress | None = None
) -> np.ndarray:
    """Return the images of a stream, uint8 [N, H, W]: exactly those that were packed.

    CodecError if the stream is damaged, cut, newer, of another model or of other images.
    """
    header, payload = read_header(data), data[SIZE:]
    _check_model(predictor, header, short_id(model_id))
    found = crc32c(payload)
    if found != header.payload_crc:
        raise CodecError(
            f"the payload is damaged: expected CRC32C {header.payload_crc:08x}, received "
            f"{found:08x}; get the file again"
        )
    try:
        return _decode(predictor, header, payload, progress)
    except CodecError as error:
        raise CodecError(
            f"the file is whole, but this model decodes it to something else ({error}); it was "
            "packed on a machine that computes the model differently: unpack with the provider cpu"
        ) from None


def info(data: bytes) -> dict[str, Any]:
    """Return what the header of a stream says, by name, and bits_per_pixel; errors as `unpack`."""
    header = read_header(data)
    return {
        "version": VERSION,
        **asdict(header),
        "bytes": len(data),
        "bits_per_pixel": 8 * len(data) / header.symbols,
    }


def _decode(
    predictor: Predictor, header: Header, payload: bytes, progress: Progress | None
) -> np.ndarray:
    lanes, images, pixels = header.lanes, header.images, header.height * header.width
    decoder = rans.Decoder(payload, lanes, BITS)
    symbols = np.empty((images, pixels), np.uint8)
    for first in range(0, images, lanes):
        part = symbols[first : first + lanes]
        active = np.arange(lanes) < len(part)
        with closing(predictor.sequential(lanes)) as steps:
            weights = next(steps)
            for pixel in range(pixels):
                frequency, start = _tables(weights, (lanes, predictor.levels))
                symbol = find(start, decoder.peek())  # an idle lane: any, never kept
                decoder.advance(pick(start, symbol), pick(frequency, symbol), active)
                symbol = symbol.astype(np.uint8)
                part[:, pixel] = symbol[: len(part)]
                if pixel + 1 < pixels:
                    weights = steps.send(symbol)
        if progress:
            progress(first + len(part), images)
    decoder.finish()
    if crc32c(symbols) != header.symbols_crc:
        raise CodecError("the images have another CRC32C than those packed")
    return symbols.reshape(images, header.height, header.width)


def _intervals(
    predictor: Predictor, symbols: np.ndarray, lanes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (start, frequency), uint32 [H W, lanes]; lanes without an image own all slots."""
    pixels = symbols[0].size
    starts = np.zeros((lanes, pixels), np.uint32)
    frequencies = np.full((lanes, pixels), 1 << BITS, np.uint32)
    some = max(1, _AT_ONCE // (pixels * predictor.levels))
    for first in range(0, len(symbols), some):
        part = symbols[first : first + some]
        frequency, start = _tables(predictor.parallel(part), (*part.shape, predictor.levels))
        rows = slice(first, first + len(part))
        starts[rows] = pick(start, part).reshape(len(part), pixels)
        frequencies[rows] = pick(frequency, part).reshape(len(part), pixels)
    return starts.T, frequencies.T


def _tables(weights: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    if weights.shape != shape:
        raise InputError(f"predictor: expected weights {shape}, received {weights.shape}")
    frequency = normalise(weights, BITS)
    return frequency, cumulative(frequency)


def _lanes(symbols: np.ndarray) -> int:
    return min(max(1, symbols.size >> 15), 128, len(symbols))


def _check_symbols(predictor: Predictor, symbols: np.ndarray) -> int:
    height, width, _ = predictor.shape
    if symbols.dtype != np.uint8 or symbols.ndim != 3 or symbols.shape[1:] != (height, width):
        raise InputError(
            f"symbols: expected uint8 (images, {height}, {width}), the size of the model's images, "
            f"received {symbols.dtype} {symbols.shape}"
        )
    if not 0 < symbols.size <= MOST_SYMBOLS:
        raise InputError(
            f"symbols: expected 1 to {MOST_SYMBOLS} pixels in one stream, received {symbols.size}; "
            "pack the images in parts"
        )
    highest = int(symbols.max())
    if highest >= predictor.levels:
        raise InputError(
            f"symbols: expected 0 to {predictor.levels - 1}, the model's alphabet, "
            f"received {highest}"
        )
    return len(symbols)


def _check_model(predictor: Predictor, header: Header, model_id: str) -> None:
    if header.model_id != model_id:
        raise CodecError(
            f"the stream was packed with model {header.model_id}, this is model {model_id}; "
            "unpack it with the bundle that packed it"
        )
    stream = header.height, header.width, header.levels
    model = *predictor.shape[:2], predictor.levels
    if stream != model:
        raise CodecError(
            f"the stream holds images of {stream[0]} x {stream[1]} with {stream[2]} levels, "
            f"the model knows {model[0]} x {model[1]} with {model[2]}"
        )
