"""Damage to the bytes of a file, found by chance, of any format."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

Change = Callable[[bytearray], None]


def damaged(rng: np.random.Generator, data: bytes, *others: Change) -> bytearray:
    """Flip a bit, write over 4 bytes, cut the end off, put up to 8 bytes in, or one of `others`."""
    wrong, at = bytearray(data), int(rng.integers(len(data)))
    match kind := int(rng.integers(4 + len(others))):
        case 0:
            wrong[at] ^= 1 << int(rng.integers(8))
        case 1:
            wrong[at : at + 4] = rng.bytes(len(wrong[at : at + 4]))
        case 2:
            del wrong[at:]
        case 3:
            wrong[at:at] = rng.bytes(int(rng.integers(1, 9)))
        case _:
            others[kind - 4](wrong)
    return wrong


def a_byte(rng: np.random.Generator, begin: int, end: int) -> Change:
    """Write another byte between two places."""

    def change(wrong: bytearray) -> None:
        value = int(rng.integers(256))
        wrong[int(rng.integers(begin, end))] = value

    return change


def flip(path: Path) -> None:
    """Change the lowest bit of the byte in the middle of a file."""
    wrong = bytearray(path.read_bytes())
    wrong[len(wrong) // 2] ^= 1
    path.write_bytes(wrong)
