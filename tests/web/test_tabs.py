"""What the tabs show when a worker's answer comes late or is an error, with a worker that is told what to say."""

from typing import Any

import pytest
from helpers.browser import address, serving

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

RACE = """async () => {
  const {openTab} = await import("/ui/open.mjs");
  const calls = [];
  const call = (verb, args, {signal, progress}) => new Promise((resolve) => calls.push({resolve, progress, signal}));
  const place = document.createElement("div");
  place.append(...openTab({client: {call}}));
  const drop = place.querySelector(".drop");
  const wait = () => new Promise((resolve) => setTimeout(resolve, 20));
  for (const name of ["first.dimg", "second.dimg"]) {
    drop.ondrop({preventDefault: () => 0, dataTransfer: {files: [new File(["x"], name)]}});
    await wait();
  }
  const pixel = {rgba: new Uint8ClampedArray(4), width: 1, height: 1};
  calls[0].progress({done: 1, total: 2, more: {...pixel, rungs: 1}});
  calls[0].resolve({...pixel, rungs: 3, damage: [], latents: [], bound: null, png: new Blob()});
  await wait();
  const seen = [calls.length, calls[0].signal.aborted, calls[1].signal.aborted];
  const [result, , picture] = ["Result", "Facts", "Picture"].map((label) => place.querySelector(`[aria-label=${label}]`));
  seen.push(result.querySelector("progress") !== null, picture.childElementCount);
  const bad = {name: "folder", arrayBuffer: () => Promise.reject(new Error("it is a folder"))};
  drop.ondrop({preventDefault: () => 0, dataTransfer: {files: [bad]}});
  await wait();
  return [...seen, result.textContent];
}"""
FREED = """async () => {
  const {outlets, working} = await import("/ui/dom.mjs");
  const place = document.createElement("div");
  place.append(outlets(new Blob(["x"]), "a.dimg"));
  const {href} = place.querySelector("a");
  const [real, freed] = [URL.revokeObjectURL, []];
  URL.revokeObjectURL = (url) => freed.push(url);
  await working(place, "Opening", async () => 1);
  URL.revokeObjectURL = real;
  return freed.length === 1 && freed[0] === href;
}"""
DRAW = """async () => {
  const {drawTab} = await import("/ui/draw.mjs");
  const entry = {name: "digits", folder: "d", bytes: 1};
  const call = async () => { throw new Error("digits is not kept on this device"); };
  const bundles = (graph) => (graph === "density" ? [entry] : []);
  const place = document.createElement("div");
  place.append(...drawTab({listing: {files: {}}, bundles, client: {call}}));
  const button = [...place.querySelectorAll("button")].find((one) => one.textContent === "Draw one");
  button.click();
  await new Promise((resolve) => setTimeout(resolve, 50));
  return [place.querySelector(".error").textContent, button.disabled];
}"""
CLIENT = """async () => {
  const {Client} = await import("/client.mjs");
  const [Real, made] = [globalThis.Worker, []];
  globalThis.Worker = class {
    constructor() { made.push(this); }
    postMessage({id, verb}) {
      if (verb === "start") setTimeout(() => this.onmessage({data: {id, result: 1}}));
      else if (verb === "quick") setTimeout(() => this.onmessage({data: {id, result: 2}}));
    }
    terminate() {}
  };
  try {
    const client = new Client({}, 1);
    const late = new AbortController();
    const cancelled = client.call("slow", {}, {signal: late.signal}).catch((error) => error.message);
    late.abort();
    const seen = [await cancelled];
    for (let i = 0; i < 120; i++) await client.call("quick", {});
    client.worker.onerror({message: "out of memory"});
    seen.push(await client.call("quick", {}));
    for (let i = 0; i < 50; i++) client.worker.onerror({message: "no such file"});
    seen.push(made.length < 10, await client.call("quick", {}).catch((error) => error.message));
    return seen;
  } finally {
    globalThis.Worker = Real;
  }
}"""
METADATA = """async () => {
  const {metadata} = await import("/metadata.mjs");
  const segment = (kind, text) => [255, kind, 0, text.length + 2, ...new TextEncoder().encode(text)];
  const jpeg = [255, 216, ...segment(225, "Exif\\0\\0II*\\0zzzz"), ...segment(226, "ICC_PROFILE\\0\\1\\1profile"), 255, 218];
  const {icc, exif} = await metadata(Uint8Array.from(jpeg));
  const packed = new Blob([new Uint8Array(1 << 25)]).stream().pipeThrough(new CompressionStream("deflate"));
  const body = new Uint8Array(await new Response(packed).arrayBuffer());
  const png = new Uint8Array(8 + 12 + 3 + body.length);
  png.set([137, 80, 78, 71, 13, 10, 26, 10]);
  new DataView(png.buffer).setUint32(8, 3 + body.length);
  png.set([...new TextEncoder().encode("iCCPx"), 0, 0, ...body], 12);
  return [new TextDecoder().decode(icc), exif, (await metadata(png)).icc];
}"""


def test_an_attack_on_a_model_that_is_no_longer_chosen_shows_nothing(kit: Any) -> None:
    assert kit.evaluate(FOOL) == ""


def test_a_face_that_cannot_be_drawn_is_told(kit: Any) -> None:
    assert kit.evaluate(FACES) == "the worker has stopped"


def test_a_second_file_takes_the_place_of_the_first(kit: Any) -> None:
    """The first ends, shows nothing, and leaves the second its bar; a folder is told in a sentence."""
    assert kit.evaluate(RACE) == [2, True, False, True, 0, "it is a folder"]


def test_the_bytes_of_a_file_that_is_replaced_are_freed(kit: Any) -> None:
    assert kit.evaluate(FREED)


def test_a_model_that_is_not_kept_leaves_the_button(kit: Any) -> None:
    assert kit.evaluate(DRAW) == ["digits is not kept on this device", False]


def test_a_worker_is_begun_anew_after_any_number_of_tasks_and_not_for_ever(kit: Any) -> None:
    words = "the worker stopped: no such file; load the page again"
    assert kit.evaluate(CLIENT) == ["cancelled", 2, True, words]


def test_damaged_exif_costs_no_profile_and_a_bomb_of_a_profile_is_left_out(kit: Any) -> None:
    assert kit.evaluate(METADATA) == ["profile", None, None]


def test_an_address_that_is_no_tab_shows_the_first(page: Any) -> None:
    page.evaluate("location.hash = '#/toString'")
    page.wait_for_function("document.title.startsWith('compress')")


@pytest.mark.parametrize(
    ("full", "state"), [("addAll", "ready"), ("put", "ready, also in flight mode")]
)
def test_a_full_storage_costs_flight_mode_and_no_more(browser: Any, full: str, state: str) -> None:
    with serving() as server:
        context = browser.new_context()
        site = server.site
        worker = f"Cache.prototype.{full} = async () => {{ throw new Error('full'); }};\n".encode()
        worker += site.files["sw.js"].read()
        site.files["sw.js"] = type(site.files["sw.js"])(lambda: worker, core=False)
        page = context.new_page()
        page.goto(address(server))
        page.wait_for_selector("html[data-ready=true]", timeout=60_000)
        assert page.inner_text("#state") == state
        card = next(name for name in site.files if "pixelcnn_digits" in name and "CARD" in name)
        assert page.evaluate("async (path) => (await fetch(path)).ok", card)
        context.close()
