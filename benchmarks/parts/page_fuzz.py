"""Damaged `.dimg` files in the page: what becomes of each, and how long the slowest takes."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from dimaging_edge.photo.bundle_model import open_model
from dimaging_edge.photo.codec import compress
from dimaging_edge.photo.symbol_model import Photo

from .page_kit import packed

NAME = "unet_codec_grey16"  # small, and with every kind of escape
OUTCOMES = {  # what may become of a file -> goal
    "refused in a sentence": "",
    "shown, damage described": "",
    "shown, undamaged by chance or forged with right check sums": "",
    "another exception, or a word": "<= 0",
    "shown wrong without a word": "<= 0",
}
_DECODE = """async ([name, files, mostPixels]) => {
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
Mutate = Callable[[np.random.Generator], tuple[bytes, bool]]


def a_file(*, exact: bool = False) -> bytes:
    """Return a small file with alpha, a profile and four tiles; `exact`: with its pixels, too."""
    y, x = np.mgrid[:33, :34]
    image = (((x * 9 + y * 5) % 200) * (20 if exact else 257)).astype(np.uint16)[..., None]
    photo = Photo(image, (x % 256).astype(np.uint8), b"profile")
    error = 0 if exact else None
    return compress(open_model(NAME, "cpu", 1), photo, 20, tile=32, max_error=error)


def decode(page: Any, whole: bytes, mutate: Mutate, count: int, seed: int) -> tuple[Counter, float]:
    """Return how many of `count` mutated files had which outcome, and the seconds of the slowest.

    mutate(rng) gives (file, whether its check sums were made right again). Every second one is read with keepGoing.
    """
    rng, found, slowest = np.random.default_rng(seed), Counter(dict.fromkeys(OUTCOMES, 0)), 0.0
    names = list(OUTCOMES)
    for start in range(0, count, 250):
        files = [mutate(rng) for _ in range(min(250, count - start))]
        given = [[packed(data), number % 2 == 1] for number, (data, _) in enumerate(files)]
        answers = page.evaluate(_DECODE, [NAME, given, 1 << 14])
        for (words, faults, ms), (data, forged) in zip(answers, files, strict=True):
            if words:
                sentence = words.startswith("CodecError: ") and len(words) > 30
                found[names[0] if sentence else names[3]] += 1
            elif faults:
                found[names[1]] += 1
            else:
                found[names[2] if forged or data == whole else names[4]] += 1
            slowest = max(slowest, ms / 1000)
    return found, slowest
