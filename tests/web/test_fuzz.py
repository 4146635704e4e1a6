"""Damaged files in the page: a sentence for each, and never a hang."""

from typing import Any

import pytest
from helpers.codec_damage import Damage

from benchmarks.parts import page_fuzz


def decode(kit: Any, count: int, seed: int, *, exact: bool = False) -> None:
    whole = page_fuzz.a_file(exact=exact)
    found, slowest = page_fuzz.decode(kit, whole, Damage(whole).one, count, seed)
    assert sum(found.values()) == count
    assert found["another exception, or a word"] == 0
    assert found["shown wrong without a word"] == 0
    assert found["refused in a sentence"] > 0.4 * count
    assert found["shown, damage described"] > 0.1 * count
    assert slowest < 20


def test_1_000_mutated_files(kit: Any) -> None:
    decode(kit, 1_000, 0)


def test_500_mutated_files_with_exact_pixels(kit: Any) -> None:
    decode(kit, 500, 2, exact=True)


@pytest.mark.slow
def test_10_000_mutated_files(kit: Any) -> None:
    decode(kit, 10_000, 1)


def test_a_stuck_worker_is_ended_and_the_next_task_runs(page: Any) -> None:
    found = page.evaluate(
        """async () => {
          const begun = page.client.call('size', {name: 'pixelcnn-integer'}).catch((error) => error.message);
          await page.client.ready;
          await Promise.resolve();
          page.client.restart('nothing was heard for three minutes');
          const words = await begun;
          return [words, await page.client.call('size', {name: 'pixelcnn-integer'})];
        }"""
    )
    assert "nothing was heard for three minutes; the page began anew" in found[0]
    assert found[1] == {"height": 8, "width": 8, "channels": 1}
