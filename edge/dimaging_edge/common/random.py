"""Random numbers that are the same on every machine and in every language: Philox4x32-10.

Source: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011), whose
library Random123 publishes the known answers. There is no state: block i of four 32-bit words is a
function of the seed, the stream and i alone.

    key     k0, k1          = low, high 32 bits of the seed
    counter c0, c1, c2, c3  = low, high 32 bits of i; stream; 0
    ten times:  a = 0xD2511F53 * c0,  b = 0xCD9E8D57 * c2        (64 bits: high and low half)
                c = high(b) ^ c1 ^ k0,  low(b),  high(a) ^ c3 ^ k1,  low(a)
                k0 = k0 + 0x9E3779B9,  k1 = k1 + 0xBB67AE85       (modulo 2^32)

Number 4i + j is word c_j of block i. An image or any other array takes the numbers in C order.
"""

import math
from collections.abc import Sequence

import numpy as np

from dimaging_edge.common.errors import InputError

_MULTIPLY = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counter: Sequence[np.ndarray], key: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Return the four words of each block, by the function that the module shows.

    `counter` is four uint64 arrays of one shape with values below 2^32, `key` two integers below
    2^32; so are the words returned.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        a, b = _MULTIPLY[0] * c0, _MULTIPLY[1] * c2
        c0, c2 = (b >> _HALF) ^ c1 ^ np.uint64(k0), (a >> _HALF) ^ c3 ^ np.uint64(k1)
        c1, c3 = b & _LOW, a & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def bits(seed: int, count: int, stream: int = 0) -> np.ndarray:
    """Return the first `count` 32-bit numbers of a stream, uint32 [count].

    `seed` is 0 to 2^64 - 1, `stream` 0 to 2^32 - 1: streams of one seed are independent. Asking
    for more numbers does not change the first. InputError if one is out of its range.
    """
    _check("seed", seed, 64)
    _check("stream", stream, 32)
    _check("count", count, 40)
    seed = int(seed)  # numpy 1 mixes its own whole numbers with Python's in floats
    block = np.arange(-(-count // 4), dtype=np.uint64)
    fixed = np.full_like(block, stream), np.zeros_like(block)
    words = philox((block & _LOW, block >> _HALF, *fixed), (seed & 0xFFFFFFFF, seed >> 32))
    return np.stack(words, axis=-1).astype(np.uint32).reshape(-1)[:count]


def uniform(seed: int, shape: Sequence[int], stream: int = 0) -> np.ndarray:
    """Return float32 numbers strictly between 0 and 1, evenly spread, of the given shape.

    u = (k + 1/2) / 2^23 with k the upper 23 of the 32 bits, and that is ((bits >> 8) | 1) / 2^24:
    an odd 24-bit integer, so u and 1 - u are exact in float32 and never 0 or 1. (With 24 bits for
    k the largest u would round to 1.) Arguments and errors as for `bits`.
    """
    if any(not _is_integer(size) or size < 0 for size in shape):
        raise InputError(f"shape: expected sizes of 0 or more, received {tuple(shape)}")
    odd = (bits(seed, math.prod(shape), stream) >> 8) | 1
    return (odd.astype(np.float32) * np.float32(2**-24)).reshape(tuple(shape))


def normal(seed: int, shape: Sequence[int], stream: int = 0) -> np.ndarray:
    """Return unit Gaussian float32 numbers of the given shape, by Box and Muller.

    A pair of uniform numbers u, v (number 2i and 2i + 1 of the stream) makes the pair
    sqrt(-2 log u) (cos 2 pi v, sin 2 pi v), computed in float64 and rounded once: libraries differ in
    the last bit of a logarithm or cosine at most, which hardly ever reaches the float32. None is
    beyond 5.8. Arguments and errors as for `uniform`.
    """
    if any(not _is_integer(size) or size < 0 for size in shape):
        raise InputError(f"shape: expected sizes of 0 or more, received {tuple(shape)}")
    count = math.prod(shape)
    u, v = uniform(seed, (-(-count // 2), 2), stream).astype(np.float64).T
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * v
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    return pairs.reshape(-1)[:count].astype(np.float32).reshape(tuple(shape))


def gumbel(seed: int, shape: Sequence[int], stream: int = 0) -> np.ndarray:
    """Return unit Gumbel float32 numbers of the given shape: -log(-log u), of one uniform number each.

    The index of the largest of logits + noise is a draw from their softmax. Computed in float64 and rounded
    once, as `normal`; all lie between -2.9 and 16.7. Arguments and errors as for `uniform`.
    """
    u = uniform(seed, shape, stream).astype(np.float64)
    return (-np.log(-np.log(u))).astype(np.float32)


LOGIT_STEPS = 4096
"""Steps in a logit of 1 of an integer-valued language model, and in the noise that is added to it."""


def whole_noise(noise: np.ndarray, temperature: float) -> np.ndarray:
    """Return noise times temperature as float32 multiples of 1 / LOGIT_STEPS, for integer-valued logits.

    Their sum is then exact, so the largest is the same token on every device.
    """
    scaled = noise.astype(np.float32) * np.float32(temperature)
    steps = np.floor(scaled * np.float32(LOGIT_STEPS) + np.float32(0.5))
    return steps / np.float32(LOGIT_STEPS)


def _check(name: str, value: object, width: int) -> None:
    if not _is_integer(value) or not 0 <= int(value) < 1 << width:  # type: ignore[call-overload]
        raise InputError(f"{name}: expected an integer from 0 to 2^{width} - 1, received {value!r}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
