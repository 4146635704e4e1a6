"""Symbols in and out of bytes: one rANS stream a tile, cut into rungs, with tables of the model.

A symbol's scale index k says which of the model's tables it is coded with; k = 0 means that the symbol
is 0 and not coded. Symbols of a rung are coded in raster order (row, column, channel), the i-th in lane
i mod lanes. A symbol outside its table's support is coded as ESCAPE, and stands as one signed byte
behind the words of its rung. Lanes cost 3 bytes each, so there is one for every 1024 bytes.
"""

from functools import lru_cache

import numpy as np

from dimaging_edge.codec import rans, tables
from dimaging_edge.errors import BundleError, CodecError

BITS = 12
MOST_LANES = 1 << 10
_LANE_BYTES = 1024  # of stream for each lane: 0.3 % of overhead


class ScaleTables:
    """The model's `counts`, uint16 [K, S]: frequencies of 2^12 slots, row 0 unused.

    Column j is the symbol j - half with half = (S - 1) // 2; with an even S the last is ESCAPE.
    """

    def __init__(self, counts: np.ndarray):
        """BundleError where a row does not sum to 2^12, or has holes in its support."""
        self.half = (counts.shape[1] - 1) // 2
        self.escapes = counts.shape[1] % 2 == 0
        frequency = counts.astype(np.uint32)
        support = counts[:, : 2 * self.half + 1] > 0
        self.low = support.argmax(axis=1) - self.half
        self.high = self.half - support[:, ::-1].argmax(axis=1)
        holes = support.sum(axis=1) != self.high - self.low + 1
        wrong = (frequency.sum(axis=1) != 1 << BITS) | holes
        if self.half > 127 or wrong[1:].any():
            row = 1 + int(wrong[1:].argmax())
            raise BundleError(
                f"scale_counts: expected rows of at most 256 counts with the sum {1 << BITS} and no "
                f"hole, received {counts.shape} with the sum {frequency[row].sum()} in row {row}; "
                "export the bundle again"
            )
        frequency[0] = 0
        frequency[0, self.half] = 1 << BITS
        self.frequency, self.start = frequency, tables.cumulative(frequency)
        column = np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), frequency.reshape(-1))
        row = np.repeat(np.arange(len(counts)), 1 << BITS)
        offset = np.tile(np.arange(1 << BITS), len(counts)) - self.start[row, column]
        entry = column << 24 | offset << 12 | (frequency[row, column] - 1)
        self.slots = entry.astype(np.uint32)
        with np.errstate(divide="ignore"):
            bits = BITS - np.log2(frequency)
        if self.escapes:  # what a symbol outside the support costs
            bits[:, :-1] = np.minimum(bits[:, :-1], 8 + bits[:, -1:])
        self.cost = np.where(np.isfinite(bits), np.rint(256 * bits), 1 << 20).astype(np.int64)

    def clip(self, symbols: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Return the nearest symbols that can be coded: 0 where the index is 0."""
        self.check(index)
        escape = self.frequency[:, -1] > 0 if self.escapes else np.zeros(len(self.low), bool)
        escape[0] = False
        low = np.where(escape, -self.half, self.low)
        high = np.where(escape, self.half, self.high)
        low[0] = high[0] = 0
        return np.clip(symbols, low[index], high[index]).astype(np.int32)

    def check(self, index: np.ndarray) -> None:
        """BundleError for an index that no table has."""
        if index.size and not 0 <= index.min() <= index.max() < len(self.low):
            raise BundleError(
                f"the model's prior answered scale index {index.min()} to {index.max()}, expected 0 "
                f"to {len(self.low) - 1}; export the bundle again"
            )

    def bits(self, index: np.ndarray, symbols: np.ndarray) -> float:
        """Return the ideal code length of clipped symbols, in bits (rounded to 1/256 each)."""
        cost = self.cost[index, symbols + self.half]
        return float(cost[index > 0].sum()) / 256


@lru_cache(maxsize=4)
def _tables(counts: bytes, columns: int) -> ScaleTables:
    return ScaleTables(np.frombuffer(counts, np.uint16).reshape(-1, columns))


def scale_tables(counts: np.ndarray) -> ScaleTables:
    """Return the tables of a model, uint16 [K, S]; made once."""
    return _tables(np.asarray(counts, np.uint16).tobytes(), counts.shape[1])


Rung = tuple[np.ndarray, np.ndarray]
"""(index, symbols) of a rung, of one shape."""


def encode(scale: ScaleTables, rungs: list[Rung]) -> tuple[int, list[bytes]]:
    """Return (lanes, the bytes of each rung); symbols must be clipped."""
    coded = [(index[index > 0], symbols[index > 0]) for index, symbols in rungs]
    size = sum(scale.bits(*rung) for rung in coded) / 8
    lanes = int(min(max(1, size // _LANE_BYTES), MOST_LANES))
    encoder, extra = rans.Encoder(lanes, BITS, unit=16), []
    for index, symbols in coded[::-1]:
        column = symbols + scale.half
        outside = scale.frequency[index, column] == 0
        column[outside] = scale.frequency.shape[1] - 1
        extra.append(symbols[outside].astype(np.int8).tobytes())
        steps = -(-len(index) // lanes)
        start = np.zeros(steps * lanes, np.uint32)
        frequency = np.full(steps * lanes, 1 << BITS, np.uint32)  # costs nothing
        start[: len(index)] = scale.start[index, column]
        frequency[: len(index)] = scale.frequency[index, column]
        encoder.put(start.reshape(steps, lanes), frequency.reshape(steps, lanes))
    states, *words = encoder.parts()
    words[0] = states + words[0]
    return lanes, [word + more for word, more in zip(words, extra[::-1], strict=True)]


class RungReader:
    """Decodes the rungs of a tile one after the other; the first brings the lanes' states."""

    def __init__(self, scale: ScaleTables, lanes: int):
        self._scale, self._lanes = scale, lanes
        self._decoder: rans.Decoder | None = None

    def read(self, data: bytes, index: np.ndarray) -> np.ndarray:
        """Return the symbols, int32 in the shape of `index`; CodecError for damaged data."""
        scale = self._scale
        scale.check(index)
        if self._decoder is None:
            self._decoder = rans.Decoder(data, self._lanes, BITS, unit=16)
        else:
            self._decoder.feed(data)
        coded = index > 0
        rows = index[coded].astype(np.int64)
        column = (self._decoder.read(scale.slots, rows << BITS) >> 24).astype(np.int32)
        found = column - scale.half
        outside = column > 2 * scale.half
        extra = np.frombuffer(self._decoder.rest(), np.int8)
        if len(extra) != np.count_nonzero(outside):
            raise CodecError(
                f"rANS: the stream is damaged: {len(extra)} bytes are left at its end, expected "
                f"{np.count_nonzero(outside)} of escaped symbols"
            )
        if extra.size and np.abs(extra.astype(np.int32)).max() > scale.half:
            raise CodecError(f"rANS: the stream is damaged: an escaped symbol exceeds {scale.half}")
        found[outside] = extra
        symbols = np.zeros(index.shape, np.int32)
        symbols[coded] = found
        return symbols

    def finish(self) -> None:
        """After the last rung: CodecError unless every lane is back where it began."""
        if self._decoder is not None:
            self._decoder.feed(b"")
            self._decoder.finish()
