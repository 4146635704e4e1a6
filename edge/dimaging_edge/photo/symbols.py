"""The entropy coding of symbols: one rANS stream a tile, cut into rungs, with tables of the model.

A symbol's scale index k says which of the model's tables it is coded with; k = 0 means that the symbol
is 0 and not coded. Symbols of a rung are coded in raster order (row, column, channel), the i-th in lane
i mod lanes. A symbol outside its table's support is coded as ESCAPE, and stands as one signed byte
behind the words of its rung; -128 there means that the symbol is beyond +-127 and stands, in two bytes,
before those bytes (models of 16-bit pictures). Lanes cost 3 bytes each, see `lanes_for`.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from dimaging_edge.common.errors import BundleError, CodecError
from dimaging_edge.entropy import rans
from dimaging_edge.entropy.frequencies import cumulative

BITS = 12
"""log2 of the sum of a table."""
MOST_LANES = 1 << 10
"""The most lanes of a tile."""
WIDEST = 4095
"""The largest symbol of any model."""
_FAR = -128
"""The escaped byte of a symbol that takes two bytes."""


class ScaleTables:
    """The model's `counts`, uint16 [K, S]: frequencies of 2^12 slots, row 0 unused.

    Column j is the symbol j - half with half = (S - 1) // 2; with an even S the last is ESCAPE.
    `widest`: the largest symbol that is escaped, `half` or up to 4095.
    """

    def __init__(self, counts: np.ndarray, widest: int = 0):
        """Take the counts; BundleError where a row does not sum to 2^12, or has holes in its support."""
        self.half = (counts.shape[1] - 1) // 2
        self.escapes = counts.shape[1] % 2 == 0
        self.widest = max(self.half, min(widest, WIDEST))
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
        self.frequency, self.start = frequency, cumulative(frequency)
        column = np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), frequency.reshape(-1))
        row = np.repeat(np.arange(len(counts)), 1 << BITS)
        offset = np.tile(np.arange(1 << BITS), len(counts)) - self.start[row, column]
        self.symbol = (column - self.half).astype(np.int16)  # of each slot of each table
        self.slots = rans.paired(frequency[row, column], offset)
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
        low = np.where(escape, -self.widest, self.low)
        high = np.where(escape, self.widest, self.high)
        low[0] = high[0] = 0
        return np.clip(symbols, low[index], high[index]).astype(np.int32)

    def check(self, index: np.ndarray) -> None:
        """Raise BundleError for an index that no table has."""
        if index.size and not 0 <= index.min() <= index.max() < len(self.low):
            raise BundleError(
                f"the model's prior answered scale index {index.min()} to {index.max()}, expected 0 "
                f"to {len(self.low) - 1}; export the bundle again"
            )

    def bits(self, index: np.ndarray, symbols: np.ndarray) -> float:
        """Return the ideal code length of clipped symbols, in bits (rounded to 1/256 each)."""
        coded = index > 0
        return self.coded(index[coded], symbols[coded])[2]

    def coded(
        self, index: np.ndarray, symbols: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float, bytes]:
        """Return (start, frequency, ideal bits, escaped bytes) of clipped symbols [n] of index 1 or more."""
        columns = self.frequency.shape[1]
        far = np.abs(symbols) > self.half
        place = index * columns + symbols + self.half
        place[far] = index[far] * columns + columns - 1
        frequency, bits = self.frequency.take(place), float(self.cost.take(place).sum())
        outside = (frequency == 0) | far
        escaped = b""
        if outside.any():
            place[outside] = index[outside] * columns + columns - 1
            frequency[outside] = self.frequency.take(place[outside])
            escaped = np.where(far, _FAR, symbols)[outside].astype(np.int8).tobytes()
            escaped = symbols[far].astype("<i2").tobytes() + escaped
            bits += 256 * 24 * np.count_nonzero(far)
        return self.start.take(place), frequency, bits / 256, escaped


@lru_cache(maxsize=4)
def _tables(counts: bytes, columns: int, widest: int) -> ScaleTables:
    return ScaleTables(np.frombuffer(counts, np.uint16).reshape(-1, columns), widest)


def scale_tables(counts: np.ndarray, widest: int = 0) -> ScaleTables:
    """Return the tables for counts uint16 [K, S]; those of the last models are kept."""
    return _tables(np.asarray(counts, np.uint16).tobytes(), counts.shape[1], widest)


Piece = tuple[np.ndarray, np.ndarray]
"""Scale indices and symbols, of one shape."""


def encode(scale: ScaleTables, rungs: Sequence[Piece | list[Piece]]) -> tuple[int, list[bytes]]:
    """Return (lanes, the bytes of each rung); a rung is a piece or several; symbols must be clipped."""
    pieces = [[rung] if isinstance(rung, tuple) else rung for rung in rungs]
    coded = []
    for index, symbols in (piece for rung in pieces for piece in rung):
        kept = index > 0
        coded.append(scale.coded(index[kept], symbols[kept]))
    lanes = lanes_for(sum(bits for _, _, bits, _ in coded) / 8)
    encoder, extra = rans.Encoder(lanes, BITS, unit=16), [escaped for *_, escaped in coded[::-1]]
    for start, frequency, _, _ in coded[::-1]:
        idle = -len(start) % lanes  # which cost nothing
        start = np.append(start, np.zeros(idle, np.uint32))
        frequency = np.append(frequency, np.full(idle, 1 << BITS, np.uint32))
        encoder.put(start.reshape(-1, lanes), frequency.reshape(-1, lanes))
    states, *words = encoder.parts()
    parts, begin = [], states
    for rung in pieces:  # escaped bytes of its last piece first: a reader takes them from the end
        mine = [words.pop(0) for _ in rung]
        escaped = [extra.pop() for _ in rung]
        parts.append(b"".join([begin, *mine, *escaped[::-1]]))
        begin = b""
    return lanes, parts


def lanes_for(size: float) -> int:
    """Return how many lanes a tile of `size` bytes gets: numpy takes as long for 8 as for 20 of them."""
    return int(min(max(1, min(size // 192, 24 + size // 1024)), MOST_LANES))


class RungReader:
    """A reader of the rungs of a tile, one after the other; the first brings the states of the lanes."""

    def __init__(self, scale: ScaleTables, lanes: int):
        self._scale, self._lanes = scale, lanes
        self._decoder: rans.Decoder | None = None
        self._extra = np.zeros(0, np.int8)
        self._taken = 0

    def read(self, data: bytes, index: np.ndarray) -> np.ndarray:
        """Return a rung of one piece, int32 in the shape of `index`; CodecError for damaged data."""
        self._scale.check(index)
        self.begin(data)
        symbols, coded = np.zeros(index.shape, np.int32), index > 0
        symbols[coded] = self.piece(index[coded])
        self.end()
        return symbols

    def begin(self, data: bytes) -> None:
        """Begin a rung; CodecError for damaged states."""
        if self._decoder is None:
            self._decoder = rans.Decoder(data, self._lanes, BITS, unit=16)
        else:
            self._decoder.feed(data)
        self._extra, self._taken = np.frombuffer(data, np.int8), 0

    def piece(self, index: np.ndarray) -> np.ndarray:
        """Return the next symbols of the rung, int32 [n]; index [n] is 1 or more, and checked."""
        scale = self._scale
        if self._decoder is None or not len(index):
            return np.zeros(len(index), np.int32)
        place = self._decoder.read(scale.slots, index.astype(np.int64) << BITS)
        found = scale.symbol.take(place).astype(np.int32)
        outside = found > scale.half
        found[outside] = self._escaped(int(np.count_nonzero(outside)))
        return found

    def _escaped(self, count: int) -> np.ndarray:
        """Return the escaped symbols of a piece, from the end of the rung."""
        extra = self._last(count).astype(np.int32)
        far = extra == _FAR
        if far.any():
            extra[far] = self._last(2 * int(np.count_nonzero(far))).view("<i2")
        if extra.size and np.abs(extra).max() > self._scale.widest:
            raise CodecError(
                f"rANS: the stream is damaged: an escaped symbol exceeds {self._scale.widest}"
            )
        return extra

    def _last(self, count: int) -> np.ndarray:
        """Return the `count` bytes before those that were taken from the end already."""
        end = len(self._extra) - self._taken
        found = self._extra[max(0, end - count) : end]
        self._taken += count
        if len(found) < count:
            raise CodecError(
                f"rANS: the stream is damaged: {len(found)} bytes are left at its end, expected "
                f"{count} of escaped symbols"
            )
        return found

    def end(self) -> None:
        """Finish a rung after its pieces; CodecError unless all its bytes were used."""
        left = len(self._decoder.rest()) if self._decoder is not None else 0
        if left != self._taken:
            raise CodecError(
                f"rANS: the stream is damaged: {left} bytes are left at its end, expected "
                f"{self._taken} of escaped symbols"
            )

    def finish(self) -> None:
        """Finish the tile after the last rung; CodecError unless every lane is back where it began."""
        if self._decoder is not None:
            self._decoder.feed(b"")
            self._decoder.finish()
