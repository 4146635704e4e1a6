"""The entropy coder: what goes in comes out, at the cost that the tables promise."""

import numpy as np
import pytest
from dimaging_edge.common.errors import CodecError, InputError
from dimaging_edge.entropy.crc32c import crc32c
from dimaging_edge.entropy.frequencies import cumulative, find, normalise, pick
from dimaging_edge.entropy.rans import Decoder, Encoder, encode
from hypothesis import given, settings
from hypothesis import strategies as st


def draw(seed: int, steps: int, lanes: int, levels: int, bits: int, spread: float = 0.5):
    """Tables [steps, lanes, levels] of 50 kinds, and symbols [steps, lanes] drawn from them."""
    rng = np.random.default_rng(seed)
    kinds = normalise(1 + (rng.dirichlet([spread] * levels, 50) * 1e6).astype(np.int64), bits)
    frequency = kinds[rng.integers(0, 50, (steps, lanes))]
    slots = rng.integers(0, 1 << bits, (steps, lanes))
    return frequency, find(cumulative(frequency), slots)


def intervals(frequency: np.ndarray, symbol: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return pick(cumulative(frequency), symbol), pick(frequency, symbol)


def decode(data: bytes, frequency: np.ndarray, bits: int, active=None) -> np.ndarray:
    steps, lanes, _ = frequency.shape
    decoder, start, found = Decoder(data, lanes, bits), cumulative(frequency), []
    for step in range(steps):
        symbol = find(start[step], decoder.peek())
        where = None if active is None else active[step]
        decoder.advance(pick(start[step], symbol), pick(frequency[step], symbol), where)
        found.append(symbol)
    decoder.finish()
    return np.array(found).reshape(steps, lanes)


def ideal_bytes(frequency: np.ndarray, symbol: np.ndarray, bits: int) -> float:
    return float((bits - np.log2(pick(frequency, symbol))).sum() / 8)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 99),
    st.integers(0, 30),
    st.integers(1, 9),
    st.integers(1, 16),
    st.sampled_from([0.02, 0.5, 9]),
    st.booleans(),
)
def test_round_trip(
    seed: int, steps: int, lanes: int, bits: int, spread: float, some: bool
) -> None:
    levels = min(2 + seed % 30, 1 << bits)
    frequency, symbol = draw(seed, steps, lanes, levels, bits, spread)
    active = np.random.default_rng(seed).random((steps, lanes)) < 0.6 if some else None
    data = encode(*intervals(frequency, symbol), bits, active)
    found = decode(data, frequency, bits, active)
    kept = slice(None) if active is None else active
    np.testing.assert_array_equal(found[kept], symbol[kept])


COSTS = [(64, 1.0, 4), (8, 1.0, 8), (2, 0.3, 8), (256, 0.3, 32)]


@pytest.mark.parametrize(("levels", "spread", "lanes"), COSTS)
def test_cost(levels: int, spread: float, lanes: int) -> None:
    """10^5 symbols, 16-bit tables: within 0.1 % of the ideal, and at most 4 bytes a lane."""
    frequency, symbol = draw(0, 100_000 // lanes, lanes, levels, 16, spread)
    ideal = ideal_bytes(frequency, symbol, 16)
    found = len(encode(*intervals(frequency, symbol)))
    assert ideal < found <= ideal * 1.0001 + 4 * lanes
    assert found - 4 * lanes <= 1.001 * ideal


@pytest.mark.parametrize("levels", [2, 40])
def test_cost_is_that_of_constriction(levels: int) -> None:
    """An independent coder on the same tables (Bamler 2022, arXiv:2201.01741): 0.2 % at most."""
    stream = pytest.importorskip("constriction").stream
    frequency, symbol = draw(3, 25_000, 2, levels, 16)
    ours = encode(*intervals(frequency, symbol))
    family = stream.model.Categorical(perfect=False)
    coder = stream.stack.AnsCoder()
    p = (frequency.reshape(-1, levels) / 65536).astype(np.float32)
    coder.encode_reverse(symbol.reshape(-1).astype(np.int32), family, p)
    theirs = 4 * len(coder.get_compressed())
    assert abs(len(ours) - theirs) < 0.002 * theirs
    np.testing.assert_array_equal(decode(ours, frequency, 16).reshape(-1), coder.decode(family, p))


def test_certain_and_inactive_symbols_cost_nothing() -> None:
    certain = np.full((1000, 3), 65536, np.uint32)
    assert len(encode(np.zeros_like(certain), certain)) == 12
    frequency, symbol = draw(0, 1000, 3, 5, 16)
    idle = np.zeros((1000, 3), bool)
    assert len(encode(*intervals(frequency, symbol), active=idle)) == 12


def test_parts_are_put_from_the_last_to_the_first() -> None:
    start, frequency = intervals(*draw(5, 100, 4, 6, 12))
    encoder = Encoder(4, 12)
    for first in (90, 30, 0):
        last = {90: 100, 30: 90, 0: 30}[first]
        encoder.put(start[first:last], frequency[first:last])
    assert encoder.to_bytes() == encode(start, frequency, 12)


GOLDEN = "b0701b0d63711b0da760"


def test_golden() -> None:
    """Frozen: the stream of a small table, so that no change of the format goes unnoticed."""
    frequency, symbol = np.full((6, 2, 3), [1, 5, 10], np.uint32), np.arange(12).reshape(6, 2) % 3
    assert encode(*intervals(frequency, symbol), 4).hex() == GOLDEN


def test_damage_is_noticed() -> None:
    frequency, symbol = draw(1, 200, 2, 6, 16)
    data = encode(*intervals(frequency, symbol))
    for cut, says in [(7, "2 lanes need at least 8 bytes, received 7"), (len(data) - 1, "used up")]:
        with pytest.raises(CodecError, match=says):
            decode(data[:cut], frequency, 16)
    with pytest.raises(CodecError, match="1 bytes are left at its end"):
        decode(data + b"\0", frequency, 16)
    with pytest.raises(
        CodecError, match="lane 1 begins with state 4294967295, expected 8388608 to"
    ):
        decode(data[:4] + b"\xff" * 4 + data[8:], frequency, 16)
    with pytest.raises(CodecError, match="lane 0 begins with state 0"):
        decode(bytes(4) + data[4:], frequency, 16)
    noticed = 0
    for at in range(len(data)):
        wrong = bytearray(data)
        wrong[at] ^= 1 << at % 8
        try:
            decode(bytes(wrong), frequency, 16)
        except CodecError:
            noticed += 1
    assert noticed == len(data)


ONE = np.ones((3, 2), np.uint32)
WRONG = [
    (lambda: encode(ONE, ONE[:2]), r"expected start and frequency of shape \(steps, 2\)"),
    (lambda: encode(ONE, 0 * ONE), "expected 1 or more of the 65536 slots .*frequency 0 in step 0"),
    (lambda: encode(ONE * 65535, ONE + 1), "start 65535, frequency 2 in step 0, lane 0"),
    (lambda: encode(ONE, ONE, 17), "1 or more lanes and 1 to 16 bits, received 2 and 17"),
    (lambda: Decoder(b"", 0), "received 0 and 16"),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_arguments(call, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()


def test_crc32c() -> None:
    """Known answers of RFC 3720, B.4; long data, done in rows, against the plain loop's rule."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    data = np.random.default_rng(0).integers(0, 256, 20_000).astype(np.uint8)
    for size in (4095, 4096, 4097, 5119, 12_288, 19_999):
        assert crc32c(data[:size]) == crc32c(data[:size].tobytes()) == _bit_by_bit(data[:size])


def _bit_by_bit(data: np.ndarray) -> int:
    crc = 0xFFFFFFFF
    for byte in data.tolist():
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
