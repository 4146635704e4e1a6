"""Files of the photo codec between Python and the page, both ways: equal latents, pixels within a level."""

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from dimaging_edge.photo.bundle_model import BundleModel, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.reading import read_container
from dimaging_edge.photo.symbol_model import Photo

from .golden_streams import pattern
from .page_kit import packed, unpacked

MODELS = ("unet_codec", "unet_codec_msssim", "unet_codec_grey16")
SIZES = ((1, 1), (31, 33), (512, 512), (769, 513))
KINDS = ("grey", "colour", "alpha", "half")
"""Colour and transparency of a picture; "half" is one of colour that is coded at half its width and height."""
TILES = (32, 256, 768, 1024)
Row = tuple[str, tuple[int, int], str, int]
"""Model, (height, width), kind and edge of a tile."""
ALL: list[Row] = [
    *itertools.product(MODELS, SIZES, KINDS[:3], TILES),
    *itertools.product(MODELS, SIZES[1:], KINDS[3:], (32, 768)),
]
QUALITY = 40

_OPEN = """async ([name, data, pixels, alpha]) => {
  const found = await kit.decompress(await kit.model(name), kit.bytes(data));
  const {photo, damage, latents} = found;
  const apart = (mine, text) => {
    if (!text || !mine) return text || mine ? Infinity : 0;
    const bytes = kit.bytes(text);
    const theirs = mine.BYTES_PER_ELEMENT === 2 ? new Uint16Array(bytes.buffer) : bytes;
    if (theirs.length !== mine.length) return Infinity;
    let most = 0;
    for (let i = 0; i < mine.length; i++) most = Math.max(most, Math.abs(mine[i] - theirs[i]));
    return most;
  };
  return {damage: damage.length, latents, pixels: apart(photo.image, pixels), alpha: apart(photo.alpha, alpha)};
}"""
_WRITE = """async ([name, image, alpha, height, width, channels, quality, tile, half]) => {
  const model = await kit.model(name);
  const bytes = kit.bytes(image);
  const values = model.bitDepth === 16 ? new Uint16Array(bytes.buffer) : bytes;
  const photo = {image: values, height, width, channels, alpha: alpha && kit.bytes(alpha)};
  return kit.text(await kit.compress(model, photo, quality, {tile, half}));
}"""


@dataclass(frozen=True)
class Crossing:
    """What became of one picture; of both files the worse."""

    latents: bool  # the check sums that the page found are those of Python
    pixels: int  # largest difference, in levels
    alpha: int
    damage: int  # sentences about damage
    same_file: bool  # both wrote the same bytes
    tiles: int


@cache
def model(name: str) -> BundleModel:
    """Return a shipped codec, on one thread."""
    return open_model(name, "cpu", 1)


def photo(name: str, size: tuple[int, int], kind: str) -> Photo:
    """Return a pattern for a model; of kind "alpha" it has transparency, too."""
    found, (height, width) = model(name), size
    image = pattern(height, width, 1 if kind == "grey" else found.channels, found.bit_depth)
    y, x = np.ogrid[:height, :width]
    return Photo(image, ((x + 2 * y) % 256).astype(np.uint8) if kind == "alpha" else None)


def cross(page: Any, row: Row) -> Crossing:
    """Compress a picture here and there; each side opens both files. `page` has the kit.

    A file of the page that equals Python's byte for byte is not opened again: it would be the same work.
    """
    name, size, kind, tile = row
    source = photo(name, size, kind)
    half = kind == "half"
    ours = compress(model(name), source, QUALITY, tile=tile, half=half)
    height, width, channels = source.image.shape
    alpha = None if source.alpha is None else packed(source.alpha)
    given = [name, packed(source.image), alpha, height, width, channels, QUALITY, tile, half]
    theirs = unpacked(page.evaluate(_WRITE, given)).tobytes()
    found = [_opened(page, name, source, data) for data in dict.fromkeys((ours, theirs))]
    return Crossing(
        all(one["latents"] for one in found),
        max(one["pixels"] for one in found),
        max(one["alpha"] for one in found),
        sum(one["damage"] for one in found),
        ours == theirs,
        len(read_container(ours).entries),
    )


def _opened(page: Any, name: str, source: Photo, data: bytes) -> dict[str, Any]:
    """What the page makes of a file, beside what Python makes of it."""
    back, damage = decompress(model(name), data)
    alpha = None if back.alpha is None else packed(back.alpha)
    found = page.evaluate(_OPEN, [name, packed(data), packed(back.image), alpha])
    latents = [entry.latents for entry in read_container(data).entries]
    kept = (back.alpha is None) == (source.alpha is None)
    if kept and source.alpha is not None:
        kept = np.array_equal(np.asarray(back.alpha), source.alpha)
    return {
        "latents": found["latents"] == latents,
        "pixels": found["pixels"],
        "alpha": found["alpha"] if kept else 255,
        "damage": found["damage"] + len(damage),
    }
