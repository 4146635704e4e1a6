"""What must be equal to the last bit in a browser: the prior, random numbers, an image drawn pixel by pixel."""

from typing import Any

import numpy as np
import pytest
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.common.random import normal
from dimaging_edge.generate.density import sample
from dimaging_edge.photo.bundle_model import SHIPPED
from helpers.browser import SMALL, address, visit

from benchmarks.parts import page_exact
from benchmarks.parts.page_kit import load_kit, unpacked


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request: pytest.FixtureRequest, browser: Any, server: Any) -> Any:
    context = browser.new_context()
    page = visit(context.new_page(), f"{address(server)}?threads={request.param}")
    assert page.evaluate("page.client.threads") == request.param
    yield load_kit(page)
    context.close()


def test_a_million_values_of_the_prior(threads: Any) -> None:
    seen, wrong = page_exact.prior(threads)
    assert seen > 1e6
    assert wrong == 0


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3])
def test_random_numbers(kit: Any, seed: int) -> None:
    assert page_exact.generator(kit, seed) == (2 * 333_337, 0)
    found = kit.evaluate("([seed, n]) => kit.text(kit.normal(seed, n).slice())", [seed, 1001])
    expected = normal(seed, (1001,))
    # a logarithm may differ in its last bit
    np.testing.assert_allclose(unpacked(found, "<f4"), expected, atol=1e-6)


@pytest.mark.slow
def test_a_million_values_of_the_sampler(threads: Any) -> None:
    seen, wrong = page_exact.sampler(threads, open_bundle(SMALL[0], "cpu", 1), 1_000_000)
    assert seen >= 1e6
    assert wrong == 0


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
