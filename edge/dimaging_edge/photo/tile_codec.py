"""The coding of one tile: its latents become three rungs of bytes, and come back.

The entropy path sees the core of the tile alone, so a tile is decoded without its neighbours:

    z         symbols with the model's table of scale indices
    pass 0    (row + column of y even) scale index and mean from z
    pass 1    (odd) scale index and mean from z and the decoded pass 0

A symbol is s = round(y - mean), 0 where the index is 0; decoded is s + mean, in eighths of a step. A model
with tables of `neighbours` corrects scale index and mean of every symbol by those around it.
"""

from dataclasses import dataclass

import numpy as np

from dimaging_edge.common.errors import CodecError
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.photo import symbols
from dimaging_edge.photo.container import RUNGS, Entry
from dimaging_edge.photo.neighbours import Field
from dimaging_edge.photo.optimise import Choice, nearest
from dimaging_edge.photo.symbol_model import SymbolModel

LARGEST = 127
"""The largest symbol of z."""


@dataclass
class Coded:
    """The bytes of a tile: its entry in the directory and its rungs."""

    entry: Entry
    rungs: list[bytes]


@dataclass
class Latents:
    """The decoded latents, z int8 [h/4, w/4, Cz] and y int16 [h, w, Cy] in eighths, and what was wrong."""

    z: np.ndarray
    y: np.ndarray
    fault: str = ""


def encode_tile(
    model: SymbolModel,
    scale: symbols.ScaleTables,
    z: np.ndarray,
    y: np.ndarray,
    quality: int,
    choose: Choice = nearest,
) -> Coded:
    """Code z [1, h/4, w/4, Cz] symbols and y [1, h, w, Cy] in 1/256 of a step, as `choose` rounds it."""
    rungs: list[list[symbols.Piece]] = []

    def coder(exact: np.ndarray, choose: Choice):
        """Return the coder of a rung; `exact` is what symbols stand for beyond the prior's mean, in 1/256."""
        pieces: list[symbols.Piece] = []
        rungs.append(pieces)

        flat = exact.reshape(-1)

        def code(index: np.ndarray, shift: np.ndarray, where: np.ndarray) -> np.ndarray:
            symbol = scale.clip(choose(scale, flat[where] - 32 * shift, index), index)
            pieces.append((index, symbol))
            return symbol

        return code

    field_z, field_y = _fields(model, z.shape, y.shape)
    index = z_index(model, quality, z.shape)
    scale.check(index)
    z = _whole(field_z.walk(0, index[0], coder(256 * z[0], nearest)))
    known = np.zeros(y.shape, np.int32)
    for pass_ in (0, 1):
        mask = checkerboard(y.shape, pass_)
        index, mean = model.prior(z, known, pass_, quality)
        scale.check(index)
        found = field_y.walk(1 + pass_, index[0], coder((y - 32 * mean)[0], choose))
        known = known + np.where(mask, mean + found, 0)
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
    height, width = size
    z = np.zeros((1, height // 4, width // 4, model.z_channels), np.int32)
    y = np.zeros((1, height, width, model.y_channels), np.int32)
    field_z, field_y = _fields(model, z.shape, y.shape)

    def read(rung: int, field: Field, index: np.ndarray) -> np.ndarray | int:
        """Return the deviations of a rung; 0 where it was not sent."""
        scale.check(index)
        part = rungs[rung] if rung < len(rungs) else None
        if part is None:
            return 0
        try:
            reader.begin(part)
            found = field.walk(rung, index[0], lambda index, shift, where: reader.piece(index))
            reader.end()
            if rung == len(RUNGS) - 1:
                reader.finish()
        except CodecError as error:
            raise _RungError(rung, error) from None
        return found

    if not rungs:
        return z, y, False
    z = z + _whole(read(0, field_z, z_index(model, quality, z.shape)))
    for pass_ in (0, 1):
        mask = checkerboard(y.shape, pass_)
        index, mean = model.prior(z, y, pass_, quality)
        y = y + np.where(mask, mean + read(1 + pass_, field_y, index), 0)
    return z, y, len(rungs) == len(RUNGS)


def _fields(model: SymbolModel, *shapes: tuple[int, ...]) -> list[Field]:
    """Return the fields of z and y."""
    tables = getattr(model, "neighbours", None) or (None, None)
    return [
        Field(table, shape[1:], whole=not number)
        for number, (table, shape) in enumerate(zip(tables, shapes, strict=True))
    ]


def _whole(deviation: np.ndarray | int) -> np.ndarray:
    """Return z [1, h, w, C] for its deviations [h, w, C], which may be any number in a forged file."""
    return (np.asarray(deviation)[None] >> 3).clip(-LARGEST, LARGEST)


def z_index(model: SymbolModel, quality: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the scale index of every symbol of z."""
    return np.broadcast_to(model.z_index(quality).astype(np.int32), shape)


def checkerboard(shape: tuple[int, ...], pass_: int) -> np.ndarray:
    """Return where y [1, h, w, C] belongs to a pass, bool [1, h, w, 1]."""
    _, height, width, _ = shape
    odd = (np.arange(height)[:, None] + np.arange(width)) % 2
    return (odd == pass_)[None, :, :, None]


def latents_crc(z: np.ndarray, y: np.ndarray) -> int:
    """Return the CRC32C of z, a signed byte each, then y in eighths, two bytes each, in raster order."""
    return crc32c(z.astype(np.int8).tobytes() + y.astype("<i2").tobytes())
