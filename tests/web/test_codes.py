"""Pictures from codes and from captions: those of Python, and what the tab Draw makes of them."""

from typing import Any

import numpy as np
import pytest
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.common.words import encode
from dimaging_edge.generate import captions, latent
from helpers.browser import SMALL
from helpers.page_bundles import CAPTIONS, FACES, WORDS

from benchmarks.parts.page_kit import unpacked


@pytest.mark.parametrize("bundle", [FACES, SMALL[1]], ids=lambda path: path.name)
def test_the_picture_of_a_seed_is_python_s(kit: Any, bundle: Any) -> None:
    script = """async ([name, seed]) => {
      const bundle = await kit.bundle(name);
      return kit.text(await kit.decode(bundle, await kit.codeOf(bundle, seed)));
    }"""
    expected = latent.draw(open_bundle(bundle, "cpu", 1), 1, 3)
    found = unpacked(kit.evaluate(script, [bundle.name, 3]), "<f4").reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1.01 / 255)


def test_the_picture_of_a_caption_is_python_s(kit: Any) -> None:
    script = """async ([name, caption, seed]) => {
      const found = await kit.imagine(await kit.bundle(name), caption, seed);
      return [kit.text(found.image), found.height, found.width, found.channels];
    }"""
    expected = captions.imagine(open_bundle(CAPTIONS, "cpu", 1), "A red, well-known square!", 1, 9)
    text, *shape = kit.evaluate(script, [CAPTIONS.name, "A red, well-known square!", 9])
    assert shape == list(expected.shape[1:])
    found = unpacked(text, "<f4").reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1.01 / 255)


def test_words_become_the_numbers_of_python(kit: Any) -> None:
    caption = "a Red Circle"
    found = kit.evaluate("([a, b, c]) => [...kit.encode(a, b, c)]", [caption, list(WORDS), 5])
    assert found == encode([caption], WORDS, 5)[0].tolist()
    words, said = (
        ["ein", "grüner", "käfer", "犬", "cafe-bar"],
        "Ein GRÜNER ka\u0308fer, 犬: cafe-bar--",
    )
    found = kit.evaluate("([a, b, c]) => [...kit.encode(a, b, c)]", [said, words, 6])
    assert found == encode([said], words, 6)[0].tolist() == [0, 1, 2, 3, 4, 5]
    for text, words in (("a green", "unknown word green; known: a, circle"), ("", "received 0")):
        with pytest.raises(Exception, match=words):
            kit.evaluate("([a, b, c]) => kit.encode(a, b, c)", [text, list(WORDS), 5])


def test_glasses_and_captions_in_the_tab(page: Any) -> None:
    page.evaluate("location.hash = '#/draw'")
    page.click(f"text=Open {FACES.name}")
    canvas = f"document.querySelector('[aria-label=\"what {FACES.name} decodes\"]').toDataURL()"
    slider = page.wait_for_selector(f"[id='{FACES.name}-glasses']", timeout=60_000)
    before = page.evaluate(canvas)
    slider.evaluate("input => { input.value = 2; input.dispatchEvent(new Event('input')); }")
    page.wait_for_function(f"before => {canvas} !== before", arg=before)
    page.fill(f"[id='{CAPTIONS.name}-caption']", "a purple circle")
    page.click("text=Draw this")
    page.wait_for_selector("text=unknown word purple; known: a, circle, red")
    page.fill(f"[id='{CAPTIONS.name}-caption']", "a red circle")
    page.click("text=Draw this")
    page.wait_for_selector("figcaption:has-text('“a red circle”, seed')", timeout=60_000)
