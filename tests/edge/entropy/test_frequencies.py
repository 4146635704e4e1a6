"""Frequencies: exact, complete, close to the weights; the same numbers on every machine."""

from fractions import Fraction

import numpy as np
import pytest
from dimaging_edge.common.errors import InputError
from dimaging_edge.entropy.frequencies import LARGEST, cumulative, find, normalise, pick
from hypothesis import given, settings
from hypothesis import strategies as st

weights = st.integers(1, 6) | st.integers(1, 1 << 22) | st.integers(1, LARGEST)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(8, 16))
def test_properties(data: st.DataObject, bits: int) -> None:
    levels = data.draw(
        st.integers(1, min(40, 1 << bits)) | st.just(1 << bits if bits < 10 else 256)
    )
    rows = data.draw(
        st.lists(st.lists(weights, min_size=levels, max_size=levels), min_size=1, max_size=3)
    )
    found = normalise(np.array(rows, np.int64), bits)
    assert found.dtype == np.uint32
    for row, table in zip(rows, found.tolist(), strict=True):
        assert sum(table) == 1 << bits
        assert min(table) >= 1
        assert table == _by_hand(row, bits)
        order = sorted(zip(row, table, strict=True))
        assert [entry for _, entry in order] == sorted(table)  # a larger weight never gets less
        share = Fraction((1 << bits) - levels, sum(row))
        assert all(-levels < entry - weight * share <= 1 + levels for weight, entry in order)


def _by_hand(row: list[int], bits: int) -> list[int]:
    """The definition, in Python's integers."""
    table = [1 + weight * ((1 << bits) - len(row)) // sum(row) for weight in row]
    table[row.index(max(row))] += (1 << bits) - sum(table)
    return table


EXAMPLES = [
    ([1, 1], 16, [32768, 32768]),
    ([5, 11], 4, [5, 11]),
    ([LARGEST, LARGEST], 16, [32768, 32768]),
    ([1, 1, 1], 16, [21846, 21845, 21845]),
    ([1, 4_194_302], 16, [1, 65535]),
    ([LARGEST] * 3 + [1], 16, [21847, 21844, 21844, 1]),
    ([9, 9, 1, 1], 2, [1, 1, 1, 1]),
    ([5], 16, [65536]),
    ([1, 7, 7], 4, [1, 8, 7]),
]


@pytest.mark.parametrize(("row", "bits", "table"), EXAMPLES)
def test_examples(row: list[int], bits: int, table: list[int]) -> None:
    assert normalise(np.array(row), bits).tolist() == table


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint64])
def test_any_integers(dtype: type) -> None:
    rows = np.arange(1, 121).reshape(2, 3, 20)
    np.testing.assert_array_equal(normalise(rows.astype(dtype)), normalise(rows))


def test_costs_little() -> None:
    """256 levels, the worst alphabet: at most 0.4 % of the slots go to what has no weight."""
    rng = np.random.default_rng(0)
    rows = 1 + (rng.dirichlet([0.3] * 256, 200) * 2**21).astype(np.int64)
    p = rows / rows.sum(-1, keepdims=True)
    loss = (p * np.log2(p / (normalise(rows) / 65536))).sum(-1)
    assert 0 <= loss.mean() < 0.004  # bits a symbol


def test_every_slot_has_its_owner() -> None:
    rng = np.random.default_rng(1)
    frequency = normalise(rng.integers(1, 1000, (64, 7)), 8)
    start = cumulative(frequency)
    assert start.dtype == np.uint32
    for slot in range(256):
        symbol = find(start, np.full(64, slot, np.uint32))
        first = pick(start, symbol)
        assert (first <= slot).all()
        assert (slot < first + pick(frequency, symbol)).all()


WRONG = [
    (np.array([1, 0, 3]), 16, "weights: expected 1 to 4294967296, received 0 to 3"),
    (np.array([1, LARGEST + 1]), 16, "expected 1 to 4294967296, received 1 to 4294967297"),
    (np.ones((2, 5), np.int64), 2, "at most 4 levels, the slots of 2 bits, received 5"),
    (np.ones(4, np.float32), 16, r"expected integers \[..., levels\], .*received float32 \(4,\)"),
    (np.ones((3, 0), np.int64), 16, r"at least one, received int64 \(3, 0\)"),
    (np.array(3), 16, r"received int64 \(\)"),
]


@pytest.mark.parametrize(("rows", "bits", "says"), WRONG)
def test_wrong_weights(rows: np.ndarray, bits: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        normalise(rows, bits)
