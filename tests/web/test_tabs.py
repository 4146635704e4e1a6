"""What the tabs show when a worker's answer comes late or is an error, with a worker that is told what to say."""

from typing import Any

FOOL = """async () => {
  const {foolTab} = await import("/ui/fool.mjs");
  const facts = {width: 1, height: 1, names: ["cat", "dog"]};
  let answer, asked, told;
  const answered = new Promise((resolve) => (answer = resolve));
  const reached = new Promise((resolve) => (asked = resolve));
  const known = new Promise((resolve) => (told = resolve));
  const call = async (verb, {name}) => {
    if (verb === "classifier") return name !== "b" ? facts : (await known, facts);
    if (verb === "square") return {rgba: new Uint8ClampedArray(4)};
    asked();
    return answered;
  };
  const files = {"examples/classifier_signs-0.webp": true};
  const entries = ["classifier_signs", "b"].map((name) => ({name, folder: name}));
  const page = {listing: {files}, bundles: () => entries, client: {call}};
  const place = document.createElement("div");
  place.append(...foolTab(page));
  place.querySelector("button.example").click();
  await reached;
  const model = place.querySelector("#fooled");
  model.value = "b";
  model.onchange();
  answer({});
  await new Promise((resolve) => setTimeout(resolve, 50));
  return place.querySelector("section[aria-label=Result]").textContent;
}"""
FACES = """async () => {
  const {faces} = await import("/ui/faces.mjs");
  const facts = {width: 1, height: 1, channels: 1, codes: 1, classes: 0, directions: {}};
  const call = async (verb) => {
    if (verb === "latent") return facts;
    if (verb === "decode") return {image: new Float32Array(1)};
    throw new Error("the worker has stopped");
  };
  const place = faces({client: {call}}, {name: "digits"});
  const click = async (words) => {
    [...place.querySelectorAll("button")].find((one) => one.textContent === words).click();
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await click("Open digits");
  await click("Another");
  return place.querySelector("p[role=status]").textContent;
}"""


def test_an_attack_on_a_model_that_is_no_longer_chosen_shows_nothing(kit: Any) -> None:
    assert kit.evaluate(FOOL) == ""


def test_a_face_that_cannot_be_drawn_is_told(kit: Any) -> None:
    assert kit.evaluate(FACES) == "the worker has stopped"
