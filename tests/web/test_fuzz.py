"""Damaged files in the page: a sentence for each, and never a hang."""

from typing import Any

import numpy as np
import pytest
from dimaging_edge.photo.bundle_model import open_model
from dimaging_edge.photo.codec import compress
from dimaging_edge.photo.symbol_model import Photo
from helpers.codec_damage import Damage

from benchmarks.parts.page_kit import packed

NAME = "unet_codec_grey16"  # small, and with every kind of escape
DECODE = """async ([name, files, mostPixels]) => {
  const model = await kit.model(name);
  const found = [];
  for (const [data, keepGoing] of files) {
    const begin = performance.now();
    let words = "";
    let damage = [];
    try {
      damage = (await kit.decompress(model, kit.bytes(data), {keepGoing, mostPixels})).damage;
    } catch (error) {
      words = `${error.name}: ${error.message}`;
    }
    found.push([words, damage.length, performance.now() - begin]);
  }
  return found;
}"""


def decode(kit: Any, count: int, seed: int) -> None:
    y, x = np.mgrid[:33, :34]
    image = (((x * 9 + y * 5) % 200) * 257).astype(np.uint16)[..., None]
    alpha = (x % 256).astype(np.uint8)
    damage = Damage(
        compress(open_model(NAME, "cpu", 1), Photo(image, alpha, b"profile"), 20, tile=32)
    )
    rng, refused, flagged, slowest = np.random.default_rng(seed), 0, 0, 0.0
    for start in range(0, count, 250):
        files = [damage.one(rng) for _ in range(min(250, count - start))]
        given = [[packed(data), number % 2 == 1] for number, (data, _) in enumerate(files)]
        found = kit.evaluate(DECODE, [NAME, given, 1 << 14])
        for (words, faults, ms), (data, forged) in zip(found, files, strict=True):
            if words:
                refused += 1
                assert words.startswith("CodecError: "), words
                assert len(words) > 30
            else:
                flagged += bool(faults)
                assert faults or forged or data == damage.data
            slowest = max(slowest, ms)
    assert refused > 0.4 * count
    assert flagged > 0.1 * count
    assert slowest < 20_000


def test_1_000_mutated_files(kit: Any) -> None:
    decode(kit, 1_000, 0)


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
