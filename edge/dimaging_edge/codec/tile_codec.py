"""One tile: its latents into three rungs of bytes, and back.

The entropy path sees the core of the tile alone, so a tile is decoded without its neighbours:

    z         symbols with the model's table of scale indices
    pass 0    (row + column of y even) scale index and mean from z
    pass 1    (odd) scale index and mean from z and the decoded pass 0

A symbol is s = round(y - mean), 0 where the index is 0; decoded is s + mean, in eighths of a step.
"""

from dataclasses import dataclass

import numpy as np

from dimaging_edge.codec import symbols
from dimaging_edge.codec.container import RUNGS, Entry
from dimaging_edge.codec.crc32c import crc32c
from dimaging_edge.codec.symbol_model import SymbolModel
from dimaging_edge.errors import CodecError


@dataclass
class Coded:
    """The bytes of a tile: its entry in the directory and its rungs."""

    entry: Entry
    rungs: list[bytes]


@dataclass
class Latents:
    """Z [h/4, w/4, Cz] int8 symbols, y [h, w, Cy] int16 in eighths; what was wrong, if anything."""

    z: np.ndarray
    y: np.ndarray
    fault: str = ""


def encode_tile(
    model: SymbolModel,
    scale: symbols.ScaleTables,
    z: np.ndarray,
    y: np.ndarray,
    quality: int,
) -> Coded:
    """Code z [1, h/4, w/4, Cz] symbols and y [1, h, w, Cy] in 1/256 of a step."""
    index = z_index(model, quality, z.shape)
    z = scale.clip(z, index)
    rungs = [(index, z)]
    known = np.zeros(y.shape, np.int32)
    for pass_ in (0, 1):
        mask = checkerboard(y.shape, pass_)
        index, mean = model.prior(z, known, pass_, quality)
        index = np.where(mask, index, 0)
        symbol = scale.clip((y - 32 * mean + 128) >> 8, index)
        known = known + np.where(mask, 8 * symbol + mean, 0)
        rungs.append((index, symbol))
    lanes, parts = symbols.encode(scale, rungs)
    lengths, sums = [len(part) for part in parts], [crc32c(part) for part in parts]
    entry = Entry(lanes, latents_crc(z, known), tuple(lengths), tuple(sums))
    return Coded(entry, parts)


def decode_tile(
    model: SymbolModel,
    scale: symbols.ScaleTables,
    entry: Entry,
    rungs: list[bytes | None],
    quality: int,
    size: tuple[int, int],
) -> Latents:
    """Decode the rungs that are there, coarse to fine up to the first None; `size` is (h, w) of y.

    What was not sent counts as its predicted mean. Damage that no check sum of the rungs has found is
    described in `fault`, and what comes back is decoded from the rungs before it.
    """
    there = rungs.index(None) if None in rungs else len(rungs)
    fault = ""
    while True:
        try:
            z, y, done = _decode(model, scale, entry, rungs[:there], quality, size)
        except _RungError as error:
            fault, there = fault or str(error), error.rung
            continue
        if done and latents_crc(z, y) != entry.latents:
            fault, there = "its latents have another CRC32C than those encoded", 1
            continue
        return Latents(z[0].astype(np.int8), y[0].astype(np.int16), fault)


class _RungError(Exception):
    def __init__(self, rung: int, why: CodecError):
        super().__init__(f"rung {RUNGS[rung]}: {why}")
        self.rung = rung


def _decode(
    model: SymbolModel,
    scale: symbols.ScaleTables,
    entry: Entry,
    rungs: list[bytes | None],
    quality: int,
    size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, bool]:
    reader = symbols.RungReader(scale, entry.lanes)

    def read(rung: int, index: np.ndarray) -> np.ndarray | int:
        part = rungs[rung] if rung < len(rungs) else None
        if part is None:
            return 0
        try:
            found = reader.read(part, index)
            if rung == len(RUNGS) - 1:
                reader.finish()
        except CodecError as error:
            raise _RungError(rung, error) from None
        return found

    height, width = size
    z = np.zeros((1, height // 4, width // 4, model.z_channels), np.int32)
    y = np.zeros((1, height, width, model.y_channels), np.int32)
    if not rungs:
        return z, y, False
    z = z + read(0, z_index(model, quality, z.shape))
    for pass_ in (0, 1):
        mask = checkerboard(y.shape, pass_)
        index, mean = model.prior(z, y, pass_, quality)
        symbol = read(1 + pass_, np.where(mask, index, 0))
        y = y + np.where(mask, 8 * symbol + mean, 0)
    return z, y, len(rungs) == len(RUNGS)


def z_index(model: SymbolModel, quality: int, shape: tuple[int, ...]) -> np.ndarray:
    """Scale index of every symbol of z."""
    return np.broadcast_to(model.z_index(quality).astype(np.int32), shape)


def checkerboard(shape: tuple[int, ...], pass_: int) -> np.ndarray:
    """Where y [1, h, w, C] belongs to a pass: bool [1, h, w, 1]."""
    _, height, width, _ = shape
    odd = (np.arange(height)[:, None] + np.arange(width)) % 2
    return (odd == pass_)[None, :, :, None]


def latents_crc(z: np.ndarray, y: np.ndarray) -> int:
    """CRC32C of z, a signed byte each, then y in eighths, two bytes each, in raster order."""
    return crc32c(z.astype(np.int8).tobytes() + y.astype("<i2").tobytes())
