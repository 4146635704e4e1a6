"""The attack of the page takes Python's steps; what the tab Fool shows, without and with a camera."""

import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from dimaging_edge import attacks
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.common.random import uniform
from dimaging_edge.photo.bundle_model import SHIPPED
from helpers.browser import address, serving, visit

from benchmarks.parts.page_kit import packed, unpacked

NAME = "classifier_signs"
ATTACK = """async ([name, x, y, eps, target, options]) => {
  const [{Oracle}, {pgd}, {Threat}] = await Promise.all(
    ["oracle", "pgd", "threat"].map((file) => import(`/attacks/${file}.mjs`)));
  const oracle = new Oracle(await kit.bundle(name));
  const asked = [];
  const noted = {ask: async (image, label) => {
    const answer = await oracle.ask(image, label);
    asked.push([kit.text(image), label, kit.text(answer.gradient), answer.margin, kit.text(answer.logits)]);
    return answer;
  }};
  const image = new Float32Array(kit.bytes(x).buffer);
  const found = await pgd(noted, image, y, new Threat(eps, oracle.bounds, target), options);
  return [kit.text(found.x), found.done, asked];
}"""
DETECTOR = """async (names) => {
  const {Oracle} = await import("/attacks/oracle.mjs");
  const outputs = names.map((name) => ({name, shape: name === "boxes" ? [1, 4, 4] : [1, 2], example: [1, 2]}));
  const graph = {name: "f", inputs: [{name: "image", example: [1, 1, 1, 1], dtype: "float32"}], outputs};
  const answers = {boxes: {data: [9]}, logits: {data: [1, 2]}};
  const bundle = {name: "b", manifest: {graphs: {f: graph}}, graph: () => graph, run: async () => answers};
  try {
    return await new Oracle(bundle).score(new Float32Array(1));
  } catch (error) {
    return error.message;
  }
}"""
BOX = """async ([x, eps, bounds]) => {
  const {Threat} = await import("/attacks/threat.mjs");
  return new Threat(eps, bounds).box(new Float32Array(kit.bytes(x).buffer)).map(kit.text);
}"""


@pytest.fixture(scope="module")
def signs() -> tuple[Any, np.ndarray, int]:
    """The oracle in Python, a sign as the bundle stores it, and what it is taken for."""
    bundle = open_bundle(SHIPPED / NAME, "cpu", 1)
    oracle = attacks.of_bundle(bundle)
    with np.load(SHIPPED / NAME / "examples.npz") as arrays:
        x = arrays["gradient/image"].astype(np.float32)
    return oracle, x, int(oracle.score(x).argmax())


@pytest.mark.parametrize(
    ("outputs", "answer"),
    [
        (["boxes", "logits"], [1, 2]),
        (["logits"], [1, 2]),
        (["boxes"], "b is no classifier, whose one graph takes an image and gives logits"),
        (
            ["scores", "boxes"],
            "b is no classifier, whose one graph takes an image and gives logits",
        ),
    ],
)
def test_the_output_called_logits_answers_as_in_python(
    kit: Any, outputs: list, answer: Any
) -> None:
    assert kit.evaluate(DETECTOR, outputs) == answer


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.0, 255.0), (-1.0, 2.0)])
@pytest.mark.parametrize("eps", [0.0, 8 / 255, 0.1, 1.0])
def test_the_box_is_python_s_to_the_last_bit(
    kit: Any, eps: float, bounds: tuple[float, float]
) -> None:
    x = np.random.default_rng(0).uniform(bounds[0], bounds[1], 4000).astype(np.float32)
    x[:3] = bounds[0], bounds[1], 0.0
    found = [unpacked(part, "<f4") for part in kit.evaluate(BOX, [packed(x), eps, bounds])]
    for part, expected in zip(found, attacks.Threat("linf", eps, bounds).box(x), strict=True):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize(
    ("eps", "target", "restarts", "random"),
    [(8, None, 1, False), (8, None, 2, True), (12, 3, 1, True), (0.5, 2, 2, True)],
)
def test_the_steps_are_python_s(
    kit: Any, signs: tuple, eps: float, target: int | None, restarts: int, random: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The browser's answers are given to Python's attack, which must ask the same questions, to the last bit.

    With answers of its own it would go another way: a gradient that is almost 0 has another sign there.
    """
    oracle, x, y = signs
    threat, streams = attacks.Threat("linf", eps, (0.0, 255.0), target), iter(range(9))
    options = {"steps": 12, "restarts": restarts, "seed": 5 if random else None}
    text, done, asked = kit.evaluate(ATTACK, [NAME, packed(x), y, eps, target, options])
    left = iter(asked)

    def answer(image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, ...]:
        question, number, gradient, margin, logits = next(left)
        np.testing.assert_array_equal(unpacked(question, "<f4"), image.ravel())
        assert number == label[0]
        told = unpacked(gradient, "<f4").reshape(x.shape)
        own = oracle(image, label)
        np.testing.assert_allclose(told, own[0], atol=1e-3 * np.abs(own[0]).max())
        np.testing.assert_allclose(unpacked(logits, "<f4"), own[2][0], atol=1e-3, rtol=1e-4)
        return told, np.array([margin], np.float32), unpacked(logits, "<f4")[None]

    def start(image: np.ndarray, part: Any, rng: Any) -> np.ndarray:
        noise = uniform(5, image.shape, next(streams)).astype(np.float64)
        return part.project((image + eps * (2 * noise - 1)).astype(np.float32), image)

    class Replay(attacks.Scores):
        has_gradient = True

        def __call__(self, image: np.ndarray, label: np.ndarray) -> Any:
            return answer(image, label)

    run, settings = (attacks.pgd, {"restarts": restarts}) if random else (attacks.bim, {})
    module = import_module("dimaging_edge.attacks.pgd")  # the package has a function of that name
    monkeypatch.setattr(module, "random_start", start)
    result = run(Replay(oracle.score), x, np.array([y]), threat, steps=12, **settings)
    np.testing.assert_array_equal(unpacked(text, "<f4"), result.x.ravel())
    assert next(left, None) is None
    assert done == bool(result.success[0])


def test_pictures_that_come_along_are_fooled(page: Any) -> None:
    page.evaluate("location.hash = '#/fool'")
    for number in range(1, 5):
        page.click(f"[aria-label='Try example {number}']")
        page.wait_for_selector("section[aria-label=Result] h2, .error", timeout=60_000)
        words = page.inner_text("section[aria-label=Result]")
        assert re.search(r"“(.+)” became “(?!\1)", words), words
        page.evaluate("document.querySelector('section[aria-label=Result]').replaceChildren()")
    page.select_option("#target", label="priority")
    page.evaluate("document.querySelector('#eps').value = 0")
    page.click("[aria-label='Try example 1']")
    page.wait_for_selector("text=It still says")
    page.evaluate("document.querySelector('#eps').value = 8")
    page.select_option("#target", value="")


def test_the_live_camera_is_named_and_cleaned(page: Any) -> None:
    for tab, canvas in (("fool", "[aria-label^='Before: ']"), ("clean", "[aria-label=cleaned]")):
        page.evaluate("tab => location.hash = `#/${tab}`", tab)
        page.click("text=Live camera")
        page.wait_for_selector(canvas, timeout=60_000)
        seen = page.evaluate("words => document.querySelector(words).toDataURL()", canvas)
        page.wait_for_function(
            "([words, seen]) => document.querySelector(words).toDataURL() !== seen",
            arg=[canvas, seen],
        )
        page.click("text=Stop the camera")


def test_no_camera_is_told_in_a_sentence(browser: Any) -> None:
    with serving(names=("phone.test",)) as server:
        page = visit(browser.new_context().new_page(), f"{address(server, 'phone.test')}#/clean")
        page.click("text=Live camera")
        words = page.inner_text(".live")
        assert "The live camera needs a secure address (https, or localhost" in words
        page.context.close()
