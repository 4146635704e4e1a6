"""The exact pixels of a tile, or pixels within a bound: a layer beside the latents, in whole numbers alone.

Pixels are coded between those that are known (`exact_grid`), with linear models that the encoder fits to each
tile (`exact_model`) and tables of probabilities (`exact_tables`), by the same rANS as latents. No network and
no rounding of a float takes part in decoding, so it is the same everywhere. docs/format.md specifies it.

    data = encode_pixels(image, bound=0)                        # image uint8 [h, w, C]; bound 0: without loss
    image = decode_pixels(data, image.shape, image.dtype, 0)
"""

import struct
import zlib

import numpy as np

from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.photo import exact_model, symbols
from dimaging_edge.photo.exact_colour import from_planes, to_planes
from dimaging_edge.photo.exact_grid import LEVELS, steps
from dimaging_edge.photo.exact_model import CONTEXTS, GROUPS, Key, Numbers, sizes
from dimaging_edge.photo.exact_tables import TABLES, exact_tables

MOST_BOUND = 32
"""The largest bound on the error of a pixel, in levels."""
_HEAD = struct.Struct("<HI")  # lanes, length of the numbers
_STEP = 1 << LEVELS


def encode_pixels(image: np.ndarray, bound: int = 0) -> bytes:
    """Return the bytes of a tile [h, w, 1 or 3], uint8 or uint16; pixels are at most `bound` levels off.

    InputError for values of more than 12 bits between the least and the largest.
    """
    from dimaging_edge.photo.exact_fit import fit  # a decoder needs no fitter

    planes = to_planes(image, mixed=not bound)
    ranges = _ranges(planes)
    numbers = fit(planes, ranges, bound)
    pieces: list[symbols.Piece] = []
    wide = 2 * bound + 1

    def code(predicted: np.ndarray, index: np.ndarray, channel: int, where: tuple) -> np.ndarray:
        symbol = exact_model.rounded(planes[channel][where] - predicted, bound)
        pieces.append((index.ravel(), symbol.ravel()))
        return wide * symbol

    _walk(planes, ranges, numbers, code)
    lanes, (words,) = symbols.encode(exact_tables(), [pieces])
    told = zlib.compress(_numbers_to_bytes(planes, ranges, numbers), 9)
    return _HEAD.pack(lanes, len(told)) + told + words


def check_span(image: np.ndarray, bound: int) -> None:
    """Raise InputError, as `encode_pixels` does, for values of a tile that span more than 12 bits."""
    if image.itemsize > 1:  # what 8 bits hold, also as differences of colours, spans less
        _ranges(to_planes(image, mixed=not bound))


def _ranges(planes: list[np.ndarray]) -> list[tuple[int, int]]:
    """Return the least and the largest value of each plane; InputError where they are too far apart."""
    ranges = [(int(plane.min()), int(plane.max())) for plane in planes]
    for low, high in ranges:
        if high - low > symbols.WIDEST:
            raise InputError(
                f"values from {low} to {high}: exact pixels may span {symbols.WIDEST + 1} levels "
                "in each tile; compress without --lossless and --max-error"
            )
    return ranges


def decode_pixels(data: bytes, shape: tuple[int, ...], dtype: np.dtype, bound: int) -> np.ndarray:
    """Return the tile [h, w, C]; CodecError for data that are not of such a tile."""
    if len(data) < _HEAD.size:
        raise CodecError(f"the exact pixels are damaged: {len(data)} bytes of a tile")
    lanes, length = _HEAD.unpack_from(data)
    if not 1 <= lanes <= symbols.MOST_LANES:
        raise CodecError(
            f"the exact pixels are damaged: {lanes} lanes, expected 1 to {symbols.MOST_LANES}"
        )
    height, width, channels = shape
    kind = np.int32 if np.dtype(dtype).itemsize == 1 else np.int64
    planes = [np.zeros((height, width), kind) for _ in range(channels)]
    told = data[_HEAD.size : _HEAD.size + length]
    ranges, numbers = _numbers_from_bytes(told, planes, int(np.iinfo(dtype).max), mixed=not bound)
    reader = symbols.RungReader(exact_tables(), lanes)
    reader.begin(data[_HEAD.size + length :])
    wide = 2 * bound + 1

    def code(predicted: np.ndarray, index: np.ndarray, channel: int, where: tuple) -> np.ndarray:
        return wide * reader.piece(index.ravel()).reshape(index.shape)

    _walk(planes, ranges, numbers, code)
    reader.end()
    reader.finish()
    return from_planes(planes, dtype, mixed=not bound)


def _walk(planes: list[np.ndarray], ranges: list, numbers: dict[Key, Numbers], code) -> None:
    """Code every pixel but the first ones, coarse to fine, and leave in `planes` what a decoder has."""
    for level, kind, where in steps(*planes[0].shape):
        errors: list[np.ndarray] = []
        before: list[exact_model.Place] = []
        for channel, limits in enumerate(ranges):
            mine = numbers[exact_model.group(level), kind, channel]
            here = exact_model.look(planes, channel, level, kind, where, before)
            predicted = exact_model.predict(here, mine.weights, *limits)
            unsure = exact_model.unsureness(here, predicted, errors)
            context = exact_model.contexts(unsure, mine.spread)
            index = 1 + mine.tables[context].astype(np.int32)
            again = (predicted + code(predicted, index, channel, where)).clip(*limits)
            planes[channel][where] = again
            errors.append(again - predicted)
            before.append(here.taps_alone())


def _keys(channels: int) -> list[Key]:
    return [(g, kind, c) for g in range(GROUPS) for kind in range(3) for c in range(channels)]


def _numbers_to_bytes(planes: list, ranges: list, numbers: dict[Key, Numbers]) -> bytes:
    """Return ranges, first pixels and sets; of all int16 the low bytes first, then the high ones."""
    words = [np.array(ranges).ravel()]
    words += [
        plane[::_STEP, ::_STEP].ravel() - low
        for plane, (low, _) in zip(planes, ranges, strict=True)
    ]
    sets = [numbers[key] for key in _keys(len(planes))]
    words += [part for one in sets for part in (one.weights, one.spread)]
    flat = np.concatenate(words).astype("<i4").astype("<u4")
    layers = [(flat >> shift & 255).astype(np.uint8).tobytes() for shift in (0, 8, 16)]
    return b"".join([*layers, *(one.tables.tobytes() for one in sets)])


def _numbers_from_bytes(
    told: bytes, planes: list[np.ndarray], most: int, *, mixed: bool
) -> tuple[list[tuple[int, int]], dict[Key, Numbers]]:
    """Return ranges and sets, and put the first pixels into `planes`; CodecError if they do not fit.

    most: the largest value of a sample. What no encoder writes is refused.
    """
    keys, first = _keys(len(planes)), planes[0][::_STEP, ::_STEP].shape
    lengths = _lengths(keys, len(planes), first[0] * first[1])
    count = sum(lengths)
    size = 3 * count + CONTEXTS * len(keys)
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(told, size + 1)
    except zlib.error as error:
        raise CodecError(f"the exact pixels are damaged: {error}") from None
    if len(body) != size or not inflate.eof:
        raise CodecError(f"the exact pixels are damaged: expected {size} bytes of numbers")
    layers = np.frombuffer(body, np.uint8, 3 * count).reshape(3, count).astype(np.int32)
    flat = layers[0] | layers[1] << 8 | layers[2] << 16
    flat = (flat << 8) >> 8  # 24 bits with their sign
    tables = np.frombuffer(body, np.uint8, offset=3 * count).reshape(len(keys), CONTEXTS)
    if tables.max() >= TABLES:
        raise CodecError(f"the exact pixels are damaged: table {tables.max()} of {TABLES}")
    parts = iter(np.split(flat, np.cumsum(lengths)[:-1]))
    pairs = next(parts).reshape(-1, 2).tolist()
    ranges = [(low, high) for low, high in pairs]
    for channel, (plane, (low, high)) in enumerate(zip(planes, ranges, strict=True)):
        least = -most if mixed and channel else 0  # differences of colours
        if not least <= low <= high <= most or high - low > symbols.WIDEST:
            raise CodecError(
                f"the exact pixels are damaged: a plane has values from {low} to {high}, expected from "
                f"{least} to {most}, and at most {symbols.WIDEST + 1} of them"
            )
        pixels = next(parts).reshape(first)
        if pixels.min() < 0 or pixels.max() > high - low:
            raise CodecError(
                "the exact pixels are damaged: first pixels outside their plane's range"
            )
        plane[::_STEP, ::_STEP] = pixels + low
    sets = flat[sum(lengths[: 1 + len(planes)]) :]
    if np.any(sets != sets.astype(np.int16)):
        raise CodecError("the exact pixels are damaged: weights of more than 16 bits")
    return ranges, {
        key: Numbers(next(parts), next(parts), tables[number]) for number, key in enumerate(keys)
    }


def _lengths(keys: list[Key], channels: int, first: int) -> list[int]:
    """Return the number of words of each part."""
    lengths = [2 * channels] + [first] * channels
    for _, _, channel in keys:
        lengths += sizes(channel)
    return lengths
