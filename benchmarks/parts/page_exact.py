"""What must be equal to the last bit in a browser: counted, value by value, against this machine's own answers."""

from typing import Any

import numpy as np
from dimaging_edge.bundle.open import Bundle
from dimaging_edge.common.random import bits, uniform
from dimaging_edge.photo.bundle_model import open_model

from .page_kit import packed, unpacked

Counted = tuple[int, int]
"""Values that were compared, and those of them that differ."""

_PRIOR = """async ([name, z, y, pass, quality, height, width]) => {
  const ints = (text) => new Int32Array(kit.bytes(text).buffer);
  const {index, mean} = await (await kit.model(name)).prior(ints(z), ints(y), pass, quality, height, width);
  return [kit.text(index), kit.text(mean)];
}"""
_RANDOM = """([seed, count, stream]) =>
  [kit.text(kit.bits(seed, count, stream)), kit.text(kit.uniform(seed, count, stream))]"""
_SAMPLER = """async ([name, seed, count, height, width, depth]) => {
  globalThis.kept ??= await kit.bundle(name);
  const [size, zeros] = [height * width, (n) => new Float32Array(n)];
  const {image} = await kept.run("sampler", {
    noise: {data: kit.uniform(seed, count * size * depth).slice(), dims: [count, height, width, depth]},
    canvas: {data: zeros(count * size), dims: [count, height, width, 1]},
    mask: {data: zeros(count * size), dims: [count, height, width, 1]},
  });
  return kit.text(image.data);
}"""


def _apart(found: np.ndarray, expected: np.ndarray) -> Counted:
    """Compare bits; values that are missing differ."""
    mine = np.ascontiguousarray(expected).ravel().view("<u4")
    theirs = found.view("<u4")
    if theirs.size != mine.size:
        return mine.size, mine.size
    return mine.size, int(np.count_nonzero(theirs != mine))


def _sum(parts: list[Counted]) -> Counted:
    return sum(seen for seen, _ in parts), sum(wrong for _, wrong in parts)


def prior(page: Any, name: str = "unet_codec") -> Counted:
    """Compare scale indices and means of a codec's prior, both passes at three qualities; 10^6 and more."""
    model, rng, parts = open_model(name, "cpu", 1), np.random.default_rng(0), []
    height, width = 32, 48
    for quality in (0, 21, 63):
        z = rng.integers(-40, 41, (1, height // 4, width // 4, model.z_channels), np.int32)
        y = rng.integers(-900, 901, (1, height, width, model.y_channels), np.int32)
        for pass_ in (0, 1):
            given = [name, packed(z), packed(y), pass_, quality, height, width]
            found = page.evaluate(_PRIOR, given)
            for text, expected in zip(found, model.prior(z, y, pass_, quality), strict=True):
                parts.append(_apart(unpacked(text, "<i4"), expected.astype("<i4")))
    return _sum(parts)


def generator(page: Any, seed: int, count: int = 333_337) -> Counted:
    """Compare whole numbers and uniform ones of a seed."""
    words, numbers = page.evaluate(_RANDOM, [seed, count, 5])
    return _sum(
        [
            _apart(unpacked(words, "<u4"), bits(seed, count, 5)),
            _apart(unpacked(numbers, "<f4"), uniform(seed, (count,), 5)),
        ]
    )


def sampler(page: Any, bundle: Bundle, values: int) -> Counted:
    """Compare so many pixels, or a few more, that the graph `sampler` of a PixelCNN draws."""
    count, parts = 1024, []
    height, width, depth = bundle.tensor("sampler", "noise", 4).example[1:]
    zeros = np.zeros((count, height, width, 1), np.float32)
    for seed in range(-(-values // zeros.size)):
        given = [bundle.path.name, seed, count, height, width, depth]
        found = unpacked(page.evaluate(_SAMPLER, given), "<f4")
        noise = uniform(seed, (count, height, width, depth), 0)
        expected = bundle.run("sampler", noise=noise, canvas=zeros, mask=zeros)["image"]
        parts.append(_apart(found, expected))
    return _sum(parts)
