"""Random numbers: Random123's known answers, and what a sampler may rely on."""

import numpy as np
import pytest
from dimaging_edge.common.errors import InputError
from dimaging_edge.common.random import bits, gumbel, normal, philox, uniform

# Random123 1.14, tests/kat_vectors, the rows "philox4x32 10": counter, key, answer
KNOWN = """
00000000 00000000 00000000 00000000 00000000 00000000   6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff   408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0   d16cfe09 94fdcceb 5001e420 24126ea1
""".strip().splitlines()

GOLDEN_BITS = ["4c2cbdd0", "a1a91d37", "72e8b5bc", "2e5e714c", "4c2ebe1b", "01d4348e"]


@pytest.mark.parametrize("row", KNOWN)
def test_known_answers(row: str) -> None:
    words = [int(word, 16) for word in row.split()]
    counter = [np.array([word], np.uint64) for word in words[:4]]
    found = philox(counter, (words[4], words[5]))
    assert [int(word[0]) for word in found] == words[6:]


def test_definition() -> None:
    """Block i is number 4i to 4i + 3; seed, stream and i go where the docstring says."""
    seed, stream = 0x0123456789ABCDEF, 7
    counter = [np.array([word], np.uint64) for word in (5, 0, stream, 0)]
    block = philox(counter, (0x89ABCDEF, 0x01234567))
    np.testing.assert_array_equal(bits(seed, 24, stream)[20:], np.concatenate(block))


def test_golden() -> None:
    """Frozen: other languages are tested with the same numbers."""
    assert [f"{word:08x}" for word in bits(2024, 6, 1)] == GOLDEN_BITS
    assert uniform(2024, (3,), 1).tolist() == [
        ((int(w, 16) >> 8) | 1) / 2**24 for w in GOLDEN_BITS[:3]
    ]


def test_first_numbers_do_not_depend_on_the_count() -> None:
    long = bits(3, 1001)
    for count in (0, 1, 2, 3, 4, 5, 999):
        np.testing.assert_array_equal(bits(3, count), long[:count])
    np.testing.assert_array_equal(uniform(3, (5, 2, 3)).reshape(-1), uniform(3, (30,)))
    assert uniform(3, ()).shape == ()
    assert uniform(3, (0, 4)).shape == (0, 4)


def test_uniform_is_exact_and_open() -> None:
    u = uniform(1, (200_000,))
    assert u.dtype == np.float32
    k = u.astype(np.float64) * 2**23 - 0.5
    np.testing.assert_array_equal(k, bits(1, 200_000) >> 9)
    assert np.float32(1) - np.float32((2**24 - 1) / 2**24) > 0  # the largest u


@pytest.mark.parametrize(("seed", "stream"), [(0, 0), (1, 0), (2**64 - 1, 0), (0, 2**32 - 1)])
def test_moments(seed: int, stream: int) -> None:
    n = 100_000
    u = uniform(seed, (n,), stream).astype(np.float64)
    for power in (1, 2, 3, 4):
        deviation = np.sqrt(1 / (2 * power + 1) - 1 / (power + 1) ** 2)
        assert abs((u**power).mean() - 1 / (power + 1)) < 4 * deviation / np.sqrt(n)
    counts = np.bincount((u * 256).astype(int), minlength=256)
    assert 150 < ((counts - n / 256) ** 2 / (n / 256)).sum() < 370  # chi-square, 255 degrees
    for lag in (1, 4, 28):
        assert abs(np.corrcoef(u[lag:], u[:-lag])[0, 1]) < 4 / np.sqrt(n)


def test_normal_is_box_and_mullers() -> None:
    u, v = uniform(5, (3, 2), 1).astype(np.float64).T
    angle, radius = 2 * np.pi * v, np.sqrt(-2 * np.log(u))
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(-1)
    np.testing.assert_array_equal(normal(5, (5,), 1), expected[:5].astype(np.float32))
    np.testing.assert_array_equal(normal(5, (2, 2), 1).reshape(-1), normal(5, (5,), 1)[:4])
    assert normal(5, (0, 3)).shape == (0, 3)
    with pytest.raises(InputError, match="shape: expected sizes of 0 or more"):
        normal(5, (2, -1))


def test_gumbel_noise_draws_from_a_softmax() -> None:
    u = uniform(5, (2, 3), 1).astype(np.float64)
    np.testing.assert_array_equal(gumbel(5, (2, 3), 1), (-np.log(-np.log(u))).astype(np.float32))
    logits, n = np.array([0.0, 1.0, -1.0, 0.5]), 100_000
    drawn = np.bincount((logits + gumbel(0, (n, 4))).argmax(-1), minlength=4) / n
    expected = np.exp(logits) / np.exp(logits).sum()
    assert (abs(drawn - expected) < 4 * np.sqrt(expected * (1 - expected) / n)).all()
    extremes = -np.log(-np.log(np.array([2.0**-24, 1 - 2.0**-24])))
    np.testing.assert_allclose(extremes, [-2.8, 16.6], atol=0.1)


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_normal_has_unit_moments(seed: int) -> None:
    n = 100_000
    x = normal(seed, (n,)).astype(np.float64)
    for power, (moment, variance) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        assert abs((x**power).mean() - moment) < 4 * np.sqrt(variance / n)
    assert abs(np.corrcoef(x[0::2], x[1::2])[0, 1]) < 4 / np.sqrt(n / 2)
    assert np.abs(x).max() < 5.9


@pytest.mark.parametrize("other", [(1, 0), (1 << 32, 0), (0, 1)])
def test_seeds_and_streams_differ(other: tuple[int, int]) -> None:
    a, b = uniform(0, (50_000,)), uniform(other[0], (50_000,), other[1])
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(50_000)


WRONG = [
    (lambda: bits(-1, 4), r"seed: expected an integer from 0 to 2\^64 - 1, received -1"),
    (lambda: bits(1 << 64, 4), r"seed: expected .*received 18446744073709551616"),
    (lambda: bits(1.0, 4), r"seed: expected an integer .*received 1\.0"),  # type: ignore[arg-type]
    (lambda: bits(True, 4), "seed: expected an integer .*received True"),
    (lambda: bits(1, 4, 1 << 32), r"stream: expected an integer from 0 to 2\^32 - 1"),
    (lambda: bits(1, -4), "count: expected an integer from 0 .*received -4"),
    (lambda: uniform(1, (2, -1)), r"shape: expected sizes of 0 or more, received \(2, -1\)"),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_arguments(call, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()


def test_numpy_integers_are_integers() -> None:
    np.testing.assert_array_equal(bits(np.uint64(2**64 - 1), 9), bits(2**64 - 1, 9))  # type: ignore[arg-type]
