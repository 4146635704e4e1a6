"""Symbols in and out of bytes: exact, at the cost that the tables promise, in few lanes."""

import time

import numpy as np
import pytest
from dimaging_edge.common.errors import BundleError, CodecError
from dimaging_edge.photo import symbols
from dimaging_edge.photo.symbols import RungReader, ScaleTables
from helpers.codec_dct import counts
from hypothesis import given, settings
from hypothesis import strategies as st

TABLES = {True: ScaleTables(counts(True)), False: ScaleTables(counts(False))}


def draw(seed: int, shape: tuple[int, ...], coded: float = 0.3, escape: bool = True):
    """(index, symbols) as a model's: symbols drawn from their tables."""
    rng, table = np.random.default_rng(seed), TABLES[escape]
    index = np.where(rng.random(shape) < coded, rng.integers(1, 64, shape), 0)
    symbol = table.symbol[(index << 12) + rng.integers(0, 4096, shape)].astype(np.int32)
    escaped = symbol == 128
    symbol[escaped] = rng.integers(-127, 128, escaped.sum())
    return index.astype(np.int32), table.clip(symbol, index)


def decode(table: ScaleTables, lanes: int, parts: list[bytes], indices) -> list[np.ndarray]:
    reader = RungReader(table, lanes)
    found = [reader.read(part, index) for part, index in zip(parts, indices, strict=True)]
    reader.finish()
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 999),
    st.lists(st.integers(0, 3000), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    st.booleans(),
)
def test_round_trip(seed: int, sizes: list[int], coded: float, escape: bool) -> None:
    rungs = [draw(seed + i, (1, size), coded, escape) for i, size in enumerate(sizes)]
    lanes, parts = symbols.encode(TABLES[escape], rungs)
    found = decode(TABLES[escape], lanes, parts, [index for index, _ in rungs])
    for got, (_, want) in zip(found, rungs, strict=True):
        np.testing.assert_array_equal(got, want)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.sampled_from([128, 300, symbols.WIDEST]))
def test_wide_symbols(seed: int, widest: int) -> None:
    """Two bytes more for those beyond +-127, in rungs of one piece and of several."""
    table, rng = ScaleTables(counts(True), widest), np.random.default_rng(seed)
    pieces = []
    for size in (400, 0, 30):
        index = rng.integers(0, 64, size).astype(np.int32)
        symbol = (rng.standard_cauchy(size) * 90).clip(-1e4, 1e4).astype(np.int32)
        index[:1], symbol[:1] = 9, 5000
        pieces.append((index, table.clip(symbol, index)))
    assert max(np.abs(s).max() for _, s in pieces if s.size) == widest
    lanes, parts = symbols.encode(table, [pieces[0], [pieces[2], pieces[0]]])
    reader = RungReader(table, lanes)
    np.testing.assert_array_equal(reader.read(parts[0], pieces[0][0]), pieces[0][1])
    reader.begin(parts[1])
    for index, symbol in (pieces[2], pieces[0]):
        np.testing.assert_array_equal(reader.piece(index[index > 0]), symbol[index > 0])
    reader.end()
    reader.finish()
    ideal = (2 * table.bits(*pieces[0]) + table.bits(*pieces[2])) / 8
    assert ideal < sum(map(len, parts)) < 1.01 * ideal + 40


def test_a_wide_symbol_in_a_narrow_model_is_damage() -> None:
    index, symbol = np.full(9, 5, np.int32), np.full(9, 900, np.int32)
    lanes, parts = symbols.encode(ScaleTables(counts(True), 1000), [(index, symbol)])
    with pytest.raises(CodecError, match="an escaped symbol exceeds 127"):
        decode(TABLES[True], lanes, parts, [index])


@pytest.mark.parametrize("coded", [0.02, 0.1, 0.35])
def test_cost(coded: float) -> None:
    """Three rungs as of 768x512 pixels: 0.5 % over the ideal, and 3 bytes for each of 24 lanes more."""
    rungs = [draw(1, (16, 24, 48)), draw(2, (64, 96, 48), coded), draw(3, (64, 96, 48), coded)]
    ideal = sum(TABLES[True].bits(*rung) for rung in rungs) / 8
    escapes = 8 * sum(np.count_nonzero(TABLES[True].frequency[i, s + 127] == 0) for i, s in rungs)
    lanes, parts = symbols.encode(TABLES[True], rungs)
    assert lanes == 24 + int(ideal // 1024)
    assert escapes < ideal  # they are in it
    assert ideal < sum(map(len, parts)) < 1.005 * ideal + 8 + 3 * 24


def test_cost_is_that_of_constriction() -> None:
    """An independent coder on the same tables (Bamler 2022, arXiv:2201.01741)."""
    stream = pytest.importorskip("constriction").stream
    table = TABLES[False]
    index, symbol = draw(4, (60_000,), 1.0, False)
    lanes, (ours,) = symbols.encode(table, [(index, symbol)])
    coder = stream.stack.AnsCoder()
    p = (table.frequency[index] / 4096).astype(np.float32)
    family = stream.model.Categorical(perfect=False)
    coder.encode_reverse((symbol + 127).astype(np.int32), family, p)
    theirs = 4 * len(coder.get_compressed())
    assert len(ours) < 1.001 * theirs + 3 * lanes + 4


@pytest.mark.parametrize(
    ("size", "lanes"), [(0, 1), (300, 1), (1_500, 7), (8_000, 31), (1 << 22, 1024)]
)
def test_lanes(size: int, lanes: int) -> None:
    """Enough for numpy to be quick; in a small tile 3 bytes each are at most 1.6 % of it."""
    assert symbols.lanes_for(size) == lanes


def test_nothing_coded_costs_the_state_alone() -> None:
    index = np.zeros((1, 4, 4, 8), np.int32)
    lanes, parts = symbols.encode(TABLES[True], [(index, index), (index, index)])
    assert (lanes, [len(part) for part in parts]) == (1, [4, 0])
    assert not np.any(decode(TABLES[True], lanes, parts, [index, index]))


def test_clip() -> None:
    index = np.array([0, 1, 1, 63])
    assert TABLES[True].clip(np.array([5, 90, -300, 90]), index).tolist() == [0, 90, -127, 90]
    low, high = TABLES[False].low[1], TABLES[False].high[1]
    assert TABLES[False].clip(np.array([5, 90, -300, 90]), index).tolist() == [0, high, low, 90]


BAD = np.copy(counts())
BAD[7, 127] += 1
HOLE = np.copy(counts())
HOLE[7, 127], HOLE[7, 255] = 0, HOLE[7, 255] + HOLE[7, 127]


@pytest.mark.parametrize(
    ("table", "says"), [(BAD, "the sum 4097 in row 7"), (HOLE, "no hole, .* in row 7")]
)
def test_wrong_tables(table: np.ndarray, says: str) -> None:
    with pytest.raises(BundleError, match=says):
        ScaleTables(table)


def test_index_without_a_table() -> None:
    with pytest.raises(BundleError, match="scale index 64 to 64, expected 0 to 63"):
        TABLES[True].clip(np.zeros((1, 3), int), np.full((1, 3), 64))


def test_damage_is_noticed() -> None:
    rungs = [draw(5, (1, 900), 0.5), draw(6, (1, 900), 0.5)]
    indices = [index for index, _ in rungs]
    lanes, parts = symbols.encode(TABLES[True], rungs)
    cases = [
        (parts[0][:3], r"lanes need at least \d+ bytes, received 3"),
        (bytes(4) + parts[0][4:], "lane 0 begins with state 0"),
        (parts[0][:40], "used up"),
        (parts[0] + b"\0", r"\d+ bytes are left at its end, expected \d+ of escaped"),
    ]
    for first, says in cases:
        with pytest.raises(CodecError, match=says):
            decode(TABLES[True], lanes, [first, parts[1]], indices)
    for at in range(0, len(parts[1]), 7):
        wrong = bytearray(parts[1])
        wrong[at] ^= 1 << at % 8
        try:
            found = decode(TABLES[True], lanes, [parts[0], bytes(wrong)], indices)
        except CodecError:
            continue
        assert (
            np.count_nonzero(found[1] != rungs[1][1]) == 1
        )  # an escaped byte, which only a CRC knows


@pytest.mark.slow
def test_speed() -> None:
    """4 M coded or skipped symbols a second, both ways, of this process's time."""
    rungs = [draw(1, (64, 96, 48), 0.35), draw(2, (64, 96, 48), 0.35)]
    number, best = sum(index.size for index, _ in rungs), [9.0, 9.0]
    for _ in range(3):
        t = [time.process_time()]
        lanes, parts = symbols.encode(TABLES[True], rungs)
        t.append(time.process_time())
        decode(TABLES[True], lanes, parts, [index for index, _ in rungs])
        t.append(time.process_time())
        best = [min(best[0], t[1] - t[0]), min(best[1], t[2] - t[1])]
    assert min(number / seconds for seconds in best) > 4e6
