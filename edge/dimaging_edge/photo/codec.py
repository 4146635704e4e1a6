"""Photographs into `.dimg` files and back, with a learned transform; the format is in docs/format.md.

    data = compress(model, Photo(image), quality=30)      # image uint8 [H, W, 3]
    data = compress(model, Photo(image), quality=0, max_error=0)      # every pixel comes back as it is
    data = compress(model, Photo(image), quality=12, half=True)       # less than .1 bits a pixel
    photo, damage = decompress(model, data)               # damage: [] unless keep_going

`symbol_model` is the model as the codec sees it, `tiles` the geometry, `tile_codec` one tile, `symbols` the
entropy coder, `container` the bytes around, `half` what reduces a picture before and enlarges it after. The
memory needed is that of the picture and of the tiles being worked on.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.photo import exact_chunk, tile_codec
from dimaging_edge.photo.arguments import check_arguments, check_data
from dimaging_edge.photo.container import (
    EXACT,
    FULL,
    HALF,
    MOST_PIXELS,
    RUNGS,
    Container,
    Header,
)
from dimaging_edge.photo.half import enlarged, reduced
from dimaging_edge.photo.optimise import choice
from dimaging_edge.photo.plane import pack_plane, unpack_plane
from dimaging_edge.photo.reading import read_container
from dimaging_edge.photo.symbol_model import Photo, SymbolModel, widest
from dimaging_edge.photo.symbols import scale_tables
from dimaging_edge.photo.tiles import Tile, blocks, cut, tiles

TILE = 768
"""The usual edge of a tile, in pixels: a Kodak picture is one tile."""
AT_ONCE = 1 << 20
"""The most pixels of a window that the decoder works on, unless a single tile has more.

Three times as many save 7 % of the time of 12 megapixels, and take 200 MB more."""
Progress = Callable[[int, int], object]


def compress(
    model: SymbolModel,
    photo: Photo,
    quality: int,
    *,
    tile: int = TILE,
    effort: int = 0,
    max_error: int | None = None,
    half: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> bytes:
    """Return the bytes of the `.dimg` file of a picture.

    quality: 0 (smallest) to 63. tile: edge in pixels, a multiple of 32. effort: 1 sends a symbol that costs
    less than it loses in place of the nearest, see `optimise`. max_error: also store pixels that are at most
    so many levels off, 0 for none, see `exact`; the rest of the file is their preview. half: code the
    picture at half its width and height, for files of .03 to .1 bits a pixel; above that the same bytes show
    more without. workers: tiles at a time, each with memory of its own. progress(done, total) is called with
    numbers of tiles, those of exact pixels counted too. InputError says which argument does not fit.
    """
    check_arguments(model, photo, quality=quality, tile=tile, max_error=max_error, half=half)
    choose = choice(effort)
    source = reduced(photo.image) if half else photo.image
    height, width, channels = source.shape
    scale = scale_tables(model.counts, widest(model))
    grid = _grid(model, height, width, tile)
    if max_error is not None:
        exact_chunk.check_image(source, grid, max_error)
    total = len(grid) * (1 if max_error is None else 2)

    def one(part: Tile) -> tile_codec.Coded:
        image = cut(source, part.window)
        if channels < model.channels:
            image = np.repeat(image, model.channels, axis=3)
        z, y = model.encode(image, quality)
        rows, columns = part.inside(32)
        z = z[:, rows, columns]
        rows, columns = part.inside(8)
        return tile_codec.encode_tile(model, scale, z, y[:, rows, columns], quality, choose)

    with _workers(workers) as each:
        coded = list(_heard(each(one, grid), total, progress))
        exact = b""
        if max_error is not None:
            told = _telling(each, total, progress, len(grid))
            exact = exact_chunk.pack_exact(source, grid, max_error, told)
    header = Header(channels, model.bit_depth, width, height, tile, quality, model.model_id)
    rungs: list[list[bytes | None]] = [[one.rungs[r] for one in coded] for r in range(len(RUNGS))]
    found = Container(header, [one.entry for one in coded], rungs)
    if half:
        found.chunks[HALF] = FULL.pack(photo.image.shape[1], photo.image.shape[0])
    if photo.icc:
        found.chunks[b"iccp"] = photo.icc
    if photo.exif:
        found.chunks[b"exif"] = photo.exif
    if photo.alpha is not None:
        found.chunks[b"alph"] = pack_plane(photo.alpha)
    if exact:
        found.chunks[EXACT] = exact
    return found.to_bytes()


def decompress(
    model: SymbolModel,
    data: bytes,
    *,
    keep_going: bool = False,
    rungs: int = len(RUNGS),
    workers: int = 1,
    most_pixels: int = MOST_PIXELS,
    progress: Progress | None = None,
) -> tuple[Photo, list[str]]:
    """Return (picture, what is wrong with it) of a file or, with `keep_going`, of what is left of one.

    keep_going: show what can be shown of a damaged or cut file and describe the rest, which has less detail
    or is blank; without it any damage is a CodecError that says where. rungs: 2 for a preview without pass 1,
    1 for one without y; exact pixels, where the file has them, are shown with all three. workers: tiles
    at a time. CodecError also for a file of another model or version, and for a picture of more than
    `most_pixels`.
    """
    if not 1 <= rungs <= len(RUNGS):
        raise InputError(f"rungs: expected 1 to {len(RUNGS)}, received {rungs}")
    check_data(model, data)
    found = read_container(data, most_pixels, keep_going=keep_going)
    header = found.header
    _check_model(model, header)
    grid = _grid(model, header.height, header.width, header.tile)
    alpha = _alpha(found, keep_going)
    icc, exif = found.chunks.get(b"iccp"), found.chunks.get(b"exif")
    with _workers(workers) as each:
        told = _telling(each, len(grid), progress)
        exact = _exact(found, grid, told, keep_going) if rungs == len(RUNGS) else None
        if exact is not None:
            return Photo(exact, alpha, icc, exif), found.damage
        image = np.zeros((header.height, header.width, header.channels), f"u{header.depth // 8}")
        shown = _decode(model, found, grid, rungs, keep_going, each)
        for part, pixels in _heard(shown, len(grid), progress):
            place = image[part.top : part.bottom, part.left : part.right]
            place[...] = _as_channels(pixels, header.channels)[: len(place), : place.shape[1]]
    if found.half:
        width, height = found.shown
        image = enlarged(image, height, width)
    return Photo(image, alpha, icc, exif), found.damage


def _decode(
    model: SymbolModel,
    found: Container,
    grid: list[Tile],
    rungs: int,
    keep_going: bool,
    each: Callable[..., Iterable[Any]],
) -> Iterator[tuple[Tile, np.ndarray]]:
    """Yield the pixels of each tile. Latents are kept for the rows of tiles that a row of blocks sees."""
    header, scale = found.header, scale_tables(model.counts, widest(model))

    def latents(part: Tile) -> tile_codec.Latents:
        mine: list[bytes | None] = [rung[part.number] for rung in found.rungs[:rungs]]
        size = (part.bottom - part.top) // 8, (part.right - part.left) // 8
        entry = found.entries[part.number]
        one = tile_codec.decode_tile(model, scale, entry, mine, header.quality, size)
        if one.fault:
            words = f"tile {part.number}, {one.fault}"
            if not keep_going:
                raise CodecError(
                    f"{words}; all check sums of the file are right, so it was made by a machine "
                    "that computes the model differently, or forged: try --provider cpu"
                )
            found.damage.append(words)
        return one

    kept: dict[int, list[np.ndarray]] = {}  # by row of tiles
    for line in blocks(grid, header.columns, AT_ONCE):
        top, bottom = line[0][0].window[:2]
        seen = range(top // header.tile, -(-bottom // header.tile))
        for number in [number for number in kept if number not in seen]:
            del kept[number]
        for number in seen:
            if number not in kept:
                parts = list(each(latents, grid[number * header.columns :][: header.columns]))
                kept[number] = [
                    np.concatenate([getattr(one, name) for one in parts], axis=1) for name in "zy"
                ]

        def show(
            block: tuple[Tile, list[Tile]], seen: range = seen
        ) -> list[tuple[Tile, np.ndarray]]:
            whole, parts = block
            z, y = (_within(whole, [kept[row][i] for row in seen], seen[0] * header.tile, step)
                    for i, step in enumerate((32, 8)))  # fmt: skip
            pixels = model.decode(z, y, header.quality)[0]
            at, left = whole.window[0], whole.window[2]
            return [
                (
                    part,
                    pixels[part.top - at : part.bottom - at, part.left - left : part.right - left],
                )
                for part in parts
            ]

        for shown in each(show, line):
            yield from shown


def _within(block: Tile, rows: list[np.ndarray], top: int, step: int) -> np.ndarray:
    """Return the window of a block, int32 [1, h, w, C] in 1/step, from rows that begin at `top` pixels."""
    low, high, left, right = (side // step for side in block.window)
    seen = np.concatenate([row[:, left:right] for row in rows])
    return seen[None, low - top // step : high - top // step].astype(np.int32)


def _grid(model: SymbolModel, height: int, width: int, tile: int) -> list[Tile]:
    return tiles(height, width, tile, min(model.halo, tile), getattr(model, "least", 0))


@contextmanager
def _workers(count: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Yield a `map` that works on `count` items at a time and leaves no thread behind."""
    if count < 2:
        yield map
        return
    with ThreadPoolExecutor(count) as pool:
        try:
            yield pool.map
        finally:
            pool.shutdown(cancel_futures=True)


def _telling(
    each: Callable[..., Iterable[Any]], total: int, progress: Progress | None, done: int = 0
) -> Callable[..., Iterable[Any]]:
    """Return a `map` that tells of each item after `done`."""
    return lambda work, items: _heard(each(work, items), total, progress, done)


def _heard(
    items: Iterable[Any], total: int, progress: Progress | None, before: int = 0
) -> Iterator[Any]:
    for done, item in enumerate(items, before + 1):
        yield item
        if progress:
            progress(done, total)


def _as_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return pixels [H, W, C] with so many channels: grey is the mean of a model's colours."""
    if pixels.shape[-1] == channels:
        return pixels
    grey = pixels.astype(np.uint32).sum(axis=-1, keepdims=True) + pixels.shape[-1] // 2
    return grey // pixels.shape[-1]


def _exact(
    found: Container, grid: list[Tile], each: Callable[..., Iterable[Any]], keep_going: bool
) -> np.ndarray | None:
    """Return the exact pixels; None where the file has none, or with `keep_going` where they are damaged."""
    data = found.chunks.get(EXACT)
    if data is None:
        return None
    try:
        return exact_chunk.unpack_exact(data, found.header, grid, each)
    except CodecError as error:
        if not keep_going:
            raise
        found.damage.append(str(error))
        return None


def _alpha(found: Container, keep_going: bool) -> np.ndarray | None:
    data = found.chunks.get(b"alph")
    if data is None:
        return None
    try:
        width, height = found.shown
        return unpack_plane(data, height, width)
    except CodecError as error:
        if not keep_going:
            raise
        found.damage.append(str(error))
        return None


def _check_model(model: SymbolModel, header: Header) -> None:
    if header.model_id != model.model_id:
        raise CodecError(
            f"the file was compressed with model {header.model_id.hex()}, this is model "
            f"{model.model_id.hex()}; give the bundle that compressed it: --model BUNDLE"
        )
    if header.depth != model.bit_depth or header.channels > model.channels:
        raise CodecError(
            f"the header is damaged or forged: it says {header.channels} channels of {header.depth} "
            f"bits, its model has {model.channels} of {model.bit_depth}"
        )
