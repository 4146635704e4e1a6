"""Mutated and cut files: a clear error or a flagged picture; no crash, no hang, no large allocation."""

import time
import tracemalloc

import numpy as np
import pytest
from dimaging_edge.common.errors import CodecError
from dimaging_edge.photo.codec import compress, decompress
from helpers.codec_damage import Damage
from helpers.codec_dct import Dct, picture

MODEL = Dct(channels=1)
MOST = 1 << 14  # pixels
BOUND = 48 << 20  # bytes, for such a picture


def small(*, half: bool) -> bytes:
    photo = picture(33, 34, 1)
    photo.alpha, photo.icc = photo.image[..., 0], b"profile"
    return compress(MODEL, photo, 12, tile=32, half=half)


DAMAGES = [Damage(small(half=False)), Damage(small(half=True))]


def slowest(count: int, seed: int) -> float:
    """Decode `count` damaged files, half of them with --keep-going; seconds of the slowest."""
    rng, seconds = np.random.default_rng(seed), 0.0
    refused, flagged, words = 0, 0, set[str]()
    for number in range(count):
        whole = DAMAGES[number // 2 % 2]
        (data, forged), started = whole.one(rng), time.process_time()
        try:
            found, damage = decompress(MODEL, data, keep_going=number % 2 == 1, most_pixels=MOST)
        except CodecError as error:
            refused += 1
            words.add(str(error))
        else:
            flagged += bool(damage)
            assert found.image.size <= MOST
            assert damage or forged or data == whole.data  # nothing is wrong without a word
        seconds = max(seconds, time.process_time() - started)
    assert all(len(text) > 20 for text in words)
    assert refused > 0.5 * count
    assert flagged > 0.1 * count
    return seconds


def test_2_000_mutations() -> None:
    assert slowest(2_000, 0) < 5


@pytest.mark.slow
def test_100_000_mutations() -> None:
    assert slowest(100_000, 1) < 5


def test_mutations_take_little_memory() -> None:
    slowest_of_few = slowest(20, 3)  # what is loaded and kept on the first calls
    assert slowest_of_few < 5
    tracemalloc.start()
    slowest(60, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < BOUND
