"""What must be equal to the last bit in a browser: the prior, random numbers, an image drawn pixel by pixel."""

from typing import Any

import numpy as np
import pytest
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.common.random import bits, normal, uniform
from dimaging_edge.generate.density import sample
from dimaging_edge.photo.bundle_model import SHIPPED, open_model
from helpers.browser import SMALL, address, visit

from benchmarks.parts.page_kit import load_kit, packed, unpacked

PRIOR = """async ([name, z, y, pass, quality, height, width]) => {
  const ints = (text) => new Int32Array(kit.bytes(text).buffer);
  const {index, mean} = await (await kit.model(name)).prior(ints(z), ints(y), pass, quality, height, width);
  return [kit.text(index), kit.text(mean)];
}"""


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request: pytest.FixtureRequest, browser: Any, server: Any) -> Any:
    context = browser.new_context()
    page = visit(context.new_page(), f"{address(server)}?threads={request.param}")
    assert page.evaluate("page.client.threads") == request.param
    yield load_kit(page)
    context.close()


def test_a_million_values_of_the_prior(threads: Any) -> None:
    model, rng = open_model("unet_codec", "cpu", 1), np.random.default_rng(0)
    height, width, seen = 32, 48, 0
    for quality in (0, 21, 63):
        z = rng.integers(-40, 41, (1, height // 4, width // 4, model.z_channels), np.int32)
        y = rng.integers(-900, 901, (1, height, width, model.y_channels), np.int32)
        for pass_ in (0, 1):
            found = threads.evaluate(
                PRIOR, ["unet_codec", packed(z), packed(y), pass_, quality, height, width]
            )
            for text, expected in zip(found, model.prior(z, y, pass_, quality), strict=True):
                np.testing.assert_array_equal(unpacked(text, "<i4"), expected.ravel())
                seen += expected.size
    assert seen > 1e6


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3])
def test_random_numbers(kit: Any, seed: int) -> None:
    count = 333_337
    script = "([seed, count, stream]) => [kit.text(kit.bits(seed, count, stream)), kit.text(kit.uniform(seed, count, stream))]"
    words, numbers = kit.evaluate(script, [seed, count, 5])
    np.testing.assert_array_equal(unpacked(words, "<u4"), bits(seed, count, 5))
    np.testing.assert_array_equal(unpacked(numbers, "<f4"), uniform(seed, (count,), 5))
    found = unpacked(
        kit.evaluate("([seed, n]) => kit.text(kit.normal(seed, n).slice())", [seed, 1001]), "<f4"
    )
    np.testing.assert_allclose(
        found, normal(seed, (1001,)), atol=1e-6
    )  # a logarithm may differ in its last bit


SAMPLER = """async ([name, seed, count, height, width, depth]) => {
  globalThis.kept ??= await kit.bundle(name);
  const [size, zeros] = [height * width, (n) => new Float32Array(n)];
  const {image} = await kept.run("sampler", {
    noise: {data: kit.uniform(seed, count * size * depth).slice(), dims: [count, height, width, depth]},
    canvas: {data: zeros(count * size), dims: [count, height, width, 1]},
    mask: {data: zeros(count * size), dims: [count, height, width, 1]},
  });
  return kit.text(image.data);
}"""


@pytest.mark.slow
def test_a_million_values_of_the_sampler(threads: Any) -> None:
    bundle, count, seen = open_bundle(SMALL[0], "cpu", 1), 1024, 0
    height, width, depth = bundle.tensor("sampler", "noise", 4).example[1:]
    zeros = np.zeros((count, height, width, 1), np.float32)
    for seed in range(-(-1_000_000 // zeros.size)):
        given = [SMALL[0].name, seed, count, height, width, depth]
        found = unpacked(threads.evaluate(SAMPLER, given), "<f4")
        noise = uniform(seed, (count, height, width, depth), 0)
        expected = bundle.run("sampler", noise=noise, canvas=zeros, mask=zeros)["image"]
        np.testing.assert_array_equal(found, expected.ravel())
        seen += expected.size
    assert seen >= 1e6


def test_the_digits_that_come_along(kit: Any) -> None:
    bundle = open_bundle(SHIPPED / "pixelcnn_digits", "cpu", 1)
    draw = (
        "async (seed) => kit.text(await kit.draw(await kit.bundle('pixelcnn_digits'), seed, null))"
    )
    found = unpacked(kit.evaluate(draw, 4), "<f4").reshape(1, 28, 28, 1)
    np.testing.assert_array_equal(found, sample(bundle, 1, 4))
    assert 0.03 < found.mean() < 0.4  # a digit, and no noise


def test_an_image_drawn_pixel_by_pixel(kit: Any) -> None:
    bundle = open_bundle(SMALL[0], "cpu", 1)
    draw = "async ([seed, known]) => kit.text(await kit.draw(await kit.bundle('pixelcnn-integer'), seed, known))"
    for seed in range(3):
        found = unpacked(kit.evaluate(draw, [seed, None]), "<f4").reshape(8, 8, 1)
        np.testing.assert_array_equal(found, sample(bundle, 1, seed)[0])
    half = """async (seed) => {
      const bundle = await kit.bundle('pixelcnn-integer');
      const canvas = await kit.draw(bundle, 1, null);
      const mask = new Float32Array(64).fill(1, 0, 32);
      return [kit.text(canvas), kit.text(await kit.draw(bundle, 2, {canvas, mask}))];
    }"""
    whole, completed = (unpacked(text, "<f4").reshape(1, 8, 8, 1) for text in kit.evaluate(half, 2))
    mask = (np.arange(64) < 32).reshape(1, 8, 8, 1).astype(np.float32)
    np.testing.assert_array_equal(completed, sample(bundle, 1, 2, canvas=whole, mask=mask))
