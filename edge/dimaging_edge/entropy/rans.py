"""The entropy coder: interleaved rANS in 32-bit integers, all lanes at once.

Source: Duda, Asymmetric numeral systems (2013, arXiv:1311.2540); Giesen, Interleaved entropy coders
(2014, arXiv:1402.3392). A symbol owns `frequency` of the 2^bits slots, from `start` on, and costs
bits - log2(frequency) bits. Every lane has a state x, 2^23 <= x < 2^31. To decode a step:

    slot = x mod 2^bits                                 which symbol owns it is the caller's matter
    x = frequency * (x >> bits) + slot - start
    twice: if x < 2^23, x = x << 8 | next byte          lanes that need one take it in lane order

The encoder is the inverse and runs from the last symbol to the first, beginning with x = 2^23 in
every lane; so a decoder that does not end there has read a damaged stream. A stream is the states
(lanes x uint32, little-endian), then the bytes. A symbol that owns all slots leaves the state as it
is and costs nothing; a lane costs 3.5 bytes on average.

Bytes and not 16-bit words: with words the lowest state is 2^16, so few states remain above 16-bit
tables that the rounding cost 0.2 % (measured at 0.1 to 0.4 bits a symbol); so it cannot be measured.
For 12-bit tables (`unit=16`, photographs) words are as good, and faster: 2^16 <= x < 2^32, and once
a step: if x < 2^16, x = x << 16 | next word. Then a lane costs 3 bytes.
"""

import numpy as np

from dimaging_edge.common.errors import CodecError, InputError

# unit in bits -> the smallest state, the bits of the largest, how many units a step may take
_UNITS = {8: (1 << 23, 31, 2), 16: (1 << 16, 32, 1)}


class Encoder:
    """Codes symbols from the last to the first; `put` what comes BEFORE all that was put so far."""

    def __init__(self, lanes: int, bits: int = 16, unit: int = 8):
        self._bits, self._unit = _checked(lanes, bits), unit
        self._lowest, self._width, self._times = _UNITS[unit]
        self._state = np.full(lanes, self._lowest, np.uint32)
        self._bytes: list[bytes] = []  # of each put, the last of the stream first

    def put(
        self, start: np.ndarray, frequency: np.ndarray, active: np.ndarray | None = None
    ) -> None:
        """Code T steps: integers [T, lanes], with 1 <= frequency and start + frequency <= 2^bits.

        `active` (bool [T, lanes]) leaves out symbols, which then cost nothing. InputError if the
        shapes differ or an interval is empty or leaves the slots.
        """
        start, frequency = self._intervals(start, frequency, active)
        unit, x = np.uint32(self._unit), self._state.copy()
        rooms = [self._width - self._bits + self._unit * k for k in range(self._times)][::-1]
        rooms = [np.uint32(room) for room in rooms]
        data = np.empty(self._times * start.size, f"<u{self._unit // 8}")  # filled from the end
        at, part, full = len(data), np.empty_like(x), np.empty(len(x), bool)
        rest = np.uint32(1 << self._bits) - frequency
        for low, wide, more in zip(start[::-1], frequency[::-1], rest[::-1], strict=True):
            for room in rooms:  # lanes with two units too many; one
                np.greater_equal(np.right_shift(x, room, part), wide, full)
                lanes = full.nonzero()[0]
                if lanes.size:
                    over = x.take(lanes)
                    data[at - lanes.size : at] = over  # its lowest bits
                    at -= lanes.size
                    x[lanes] = over >> unit
            np.floor_divide(x, wide, part)
            np.multiply(part, more, part)
            np.add(part, low, part)
            np.add(x, part, x)  # (x div wide) << bits + x mod wide + low
        self._state = x
        self._bytes.append(data[at:].tobytes())

    def to_bytes(self) -> bytes:
        """Return the stream of everything put so far."""
        return b"".join(self.parts())

    def parts(self) -> list[bytes]:
        """Return the states and then the bytes of each `put`, in the order of the stream."""
        return [self._state.astype("<u4").tobytes(), *self._bytes[::-1]]

    def _intervals(
        self, start: np.ndarray, frequency: np.ndarray, active: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        lanes, slots = len(self._state), 1 << self._bits
        if start.ndim != 2 or start.shape != frequency.shape or start.shape[1] != lanes:
            raise InputError(
                f"rANS: expected start and frequency of shape (steps, {lanes}), "
                f"received {start.shape} and {frequency.shape}"
            )
        if active is not None:
            start, frequency = np.where(active, start, 0), np.where(active, frequency, slots)
        start, frequency = start.astype(np.int64), frequency.astype(np.int64)
        wrong = (start < 0) | (frequency < 1) | (start + frequency > slots)
        if wrong.any():
            step, lane = (int(index) for index in np.argwhere(wrong)[0])
            raise InputError(
                f"rANS: expected 1 or more of the {slots} slots for each symbol, received start "
                f"{start[step, lane]}, frequency {frequency[step, lane]} in step {step}, "
                f"lane {lane}"
            )
        return start.astype(np.uint32), frequency.astype(np.uint32)


def encode(
    start: np.ndarray,
    frequency: np.ndarray,
    bits: int = 16,
    active: np.ndarray | None = None,
) -> bytes:
    """Return the stream of T x lanes symbols; arguments and errors as for `Encoder.put`."""
    encoder = Encoder(start.shape[-1] if start.ndim else 0, bits)
    encoder.put(start, frequency, active)
    return encoder.to_bytes()


class Decoder:
    """Reads a stream step by step: `peek`, find the symbols, `advance`; at the end `finish`.

    It never reads outside the data. CodecError if the data cannot be a stream of these lanes.
    """

    def __init__(self, data: bytes, lanes: int, bits: int = 16, unit: int = 8):
        self._bits, self._unit = _checked(lanes, bits), unit
        self._lowest, width, self._times = _UNITS[unit]
        if len(data) < 4 * lanes:
            raise CodecError(
                f"rANS: the stream is truncated: {lanes} lanes need at least {4 * lanes} bytes, "
                f"received {len(data)}"
            )
        self._state = np.frombuffer(data, "<u4", lanes).astype(np.uint32)
        wrong = (self._state < self._lowest) | (self._state > (1 << width) - 1)
        if wrong.any():
            lane = int(wrong.argmax())
            raise CodecError(
                f"rANS: the stream is damaged: lane {lane} begins with state "
                f"{self._state[lane]}, expected {self._lowest} to 2^{width} - 1"
            )
        self.feed(data[4 * lanes :])

    def feed(self, data: bytes) -> None:
        """Read on from the start of `data`: what the encoder's next `put` wrote."""
        self._data, self._at = data, 0
        units = np.frombuffer(data, f"<u{self._unit // 8}", 8 * len(data) // self._unit)
        self._units = units.astype(np.uint32)

    def rest(self) -> bytes:
        """Return what was fed last and has not been read."""
        return self._data[self._at * self._unit // 8 :]

    def peek(self) -> np.ndarray:
        """Return the slot of each lane's next symbol, uint32 [lanes] below 2^bits."""
        return self._state & ((1 << self._bits) - 1)

    def advance(
        self, start: np.ndarray, frequency: np.ndarray, active: np.ndarray | None = None
    ) -> None:
        """Step over the symbols: uint32 [lanes], start <= slot < start + frequency.

        Lanes that are not `active` (bool [lanes]) stay. CodecError if the data ends here.
        """
        x = frequency * (self._state >> self._bits) + self.peek() - start
        if active is not None:
            x = np.where(active, x, self._state)
        for _ in range(self._times):
            empty = np.flatnonzero(x < self._lowest)
            if len(empty):
                x[empty] = x[empty] << self._unit | self._take(len(empty))
        self._state = x

    def read(self, slots: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Step over T symbols of known tables (`unit=16`); return which entry each found, int64 [T].

        Symbol t lies in lane t mod lanes; its table are the 2^bits entries from first[t] (int64 [T]) on.
        slots: uint64 [N], of `paired`: for each entry the frequency of the symbol that owns the slot, and
        slot - start. CodecError as `advance`.
        """
        lanes, units, at, x = len(self._state), self._units, self._at, self._state.copy()
        low, bits = np.uint32((1 << self._bits) - 1), np.uint32(self._bits)
        lowest, unit = np.uint32(self._lowest), np.uint32(self._unit)
        part, little = np.empty(lanes, np.uint32), np.empty(lanes, bool)
        pair = np.empty((lanes, 2), np.uint32)
        entry, frequency, offset = pair.view(np.uint64)[:, 0], pair[:, 0], pair[:, 1]
        found, idle = np.empty(len(first), np.int64), x[:0]
        # Few calls and no new arrays: most of the time is calls.
        cut, add, times, less = np.bitwise_and, np.add, np.multiply, np.less
        shift, take, most = np.right_shift, slots.take, len(units)
        for begin in range(0, len(first), lanes):
            place = found[begin : begin + lanes]
            if len(place) < lanes:  # the last step; the other lanes stay
                lanes = len(place)
                x, idle, part, little = x[:lanes], x[lanes:], part[:lanes], little[:lanes]
                entry, frequency, offset = entry[:lanes], frequency[:lanes], offset[:lanes]
            cut(x, low, part)
            add(first[begin : begin + lanes], part, place)
            shift(x, bits, x)
            take(place, None, entry, "wrap")
            times(x, frequency, x)
            add(x, offset, x)
            empty = less(x, lowest, little).nonzero()[0]
            if empty.size:
                end = at + empty.size
                if end > most:
                    self._take(most + 1)  # says so
                full = x.take(empty)
                full <<= unit
                full |= units[at:end]
                x[empty], at = full, end
        self._state = np.concatenate([x, idle])
        self._at = at
        return found

    def finish(self) -> None:
        """Raise CodecError unless everything was read and each lane is back where it began."""
        left = len(self.rest())
        if left:
            raise CodecError(f"rANS: the stream is damaged: {left} bytes are left at its end")
        if (self._state != self._lowest).any():
            lane = int(np.argmax(self._state != self._lowest))
            raise CodecError(
                f"rANS: the stream is damaged: lane {lane} ends with state {self._state[lane]}, "
                f"expected {self._lowest}"
            )

    def _take(self, count: int) -> np.ndarray:
        taken = self._units[self._at : self._at + count]
        if len(taken) < count:
            raise CodecError(
                f"rANS: the stream is truncated or damaged: its {len(self._data)} bytes are used "
                "up, and more are needed"
            )
        self._at += count
        return taken


def paired(frequency: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the slots of `Decoder.read`, uint64 [N], of frequencies and offsets [N]."""
    return np.stack([frequency, offset], axis=-1).astype(np.uint32).view(np.uint64)[:, 0]


def _checked(lanes: int, bits: int) -> int:
    if lanes < 1 or not 1 <= bits <= 16:
        raise InputError(
            f"rANS: expected 1 or more lanes and 1 to 16 bits, received {lanes} and {bits}"
        )
    return bits
