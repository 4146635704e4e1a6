// @ts-check
/** The tab that fools a classifier: a picture, or the live camera; before, after, and what was changed. */
import { squareOf } from "../picture.mjs";
import { absent } from "./absent.mjs";
import { liveCamera } from "./camera.mjs";
import { alarm, make, outlets, paint, picker, table, working } from "./dom.mjs";
import { examples } from "./examples.mjs";
import { keepers } from "./keep.mjs";

const STEPS = 20;
const LIVE_STEPS = 6;

/** @param {number} share */
const percent = (share) => (share > 0.999 ? "over 99.9\u00a0%" : `${(100 * share).toFixed(1)}\u00a0%`);

/** @param {import("../app.mjs").Page} page */
export function foolTab(page) {
  const found = page.bundles("gradient");
  if (!found.length) return absent("Fool a classifier", "classifier", "dimaging train classifier", "--gradient ");
  const model = make("select", { id: "fooled" }, ...found.map((one) => make("option", { value: one.name }, one.name)));
  const eps = make("input", { type: "range", min: 0, max: 32, value: 8, id: "eps" });
  const shown = make("output", { htmlFor: "eps" }, "8/255");
  const target = make("select", { id: "target" }, make("option", { value: "" }, "any other"));
  const result = make("section", { "aria-label": "Result" });
  const tries = make("div", {});
  const views = new Views();
  /** @type {{width: number, height: number, names: string[]} | null} */
  let facts = null;
  /** @type {Uint8ClampedArray | null} the picture that was chosen last */
  let chosen = null;

  /** @returns {Promise<{width: number, height: number, names: string[]}>} */
  const know = async () => {
    if (facts) return facts;
    const name = model.value;
    const told = await page.client.call("classifier", { name });
    if (name !== model.value) return know(); // another model was chosen meanwhile
    target.replaceChildren(
      make("option", { value: "" }, "any other"),
      ...told.names.map((/** @type {string} */ name, /** @type {number} */ k) => make("option", { value: k }, name)),
    );
    return (facts = told);
  };
  const settings = () => ({
    name: model.value, levels: Number(eps.value), target: target.value === "" ? null : Number(target.value),
  });
  const attack = async () => {
    if (!chosen) return;
    const [rgba, asked] = [chosen.slice(), settings()];
    const told = await know();
    const done = await working(result, "Looking for a picture", (options) =>
      page.client.call("fool", { ...asked, rgba, steps: STEPS, restarts: 3 }, options),
    );
    if (!done || asked.name !== model.value) return; // it is about a model that is no longer chosen
    result.replaceChildren(...(await describe(views, done, told, asked.levels)));
  };
  const take = async (/** @type {File} */ file) => {
    try {
      await know();
      const name = model.value;
      const { rgba } = await page.client.call("square", { name, file });
      if (name !== model.value) return; // cut for a model that is no longer chosen
      chosen = rgba;
      await attack();
    } catch (error) {
      result.replaceChildren(alarm(/** @type {Error} */ (error).message));
    }
  };
  const each = async (/** @type {HTMLVideoElement} */ video) => {
    const told = await know();
    const asked = settings();
    chosen = squareOf(video, video.videoWidth, video.videoHeight, told.width);
    const done = await page.client.call("fool", { ...asked, rgba: chosen.slice(), steps: LIVE_STEPS, restarts: 1 });
    views.show(done, told, asked.levels);
  };
  const renew = () => {
    facts = null;
    chosen = null;
    result.replaceChildren();
    tries.replaceChildren(examples(page, model.value, take) ?? "");
    know().catch((error) => result.replaceChildren(alarm(error.message)));
  };
  model.onchange = renew;
  eps.oninput = () => (shown.textContent = `${eps.value}/255`);
  eps.onchange = attack;
  target.onchange = attack;
  target.onfocus = () => know().catch(() => undefined);
  tries.replaceChildren(examples(page, model.value, take) ?? "");
  return [
    make("h1", {}, "Fool a classifier"),
    make("p", { className: "soft" }, "A change too small to matter to you, along the gradient of the network, and it sees something else. The middle square of the picture is taken."),
    picker({ label: "Choose a photo", accept: "image/*", camera: true, hint: "or try one of those below", take }),
    tries,
    liveCamera({ each, begin: () => result.replaceChildren(views.place) }),
    make(
      "div", { className: "fields" },
      make("div", {}, make("label", { for: "eps" }, "Largest change of a value, eps: ", shown), eps),
      make("div", {}, make("label", { for: "target" }, "It shall see"), target),
      make("div", {}, make("label", { for: "fooled" }, "Model"), model),
    ),
    result,
    keepers(page, found),
    make(
      "details", {}, make("summary", {}, "What is done, and what it shows"),
      make("p", {}, `Projected gradient ascent (PGD): up to ${STEPS} steps along the sign of the gradient of the margin, each cut back to eps and to legal ` +
        `values, from the picture itself, then from two random starts. Live: ${LIVE_STEPS} steps a frame.`),
      make("p", {}, "“Before” is what the model itself says, right or wrong. What is judged is the picture rounded to 8 bits, as it would be saved. A model " +
        "that is not fooled here is not proven safe: a stronger attack may find what this one does not."),
    ),
  ];
}

/** Three pictures whose pixels and captions change: before, difference, after. */
class Views {
  constructor() {
    this.parts = ["before", "difference", "after"].map((kind) => {
      const canvas = make("canvas", { className: "pixels", width: 1, height: 1, role: "img", "aria-label": kind });
      return { kind, canvas, words: make("figcaption", {}) };
    });
    const figures = this.parts.map(({ canvas, words }) => make("figure", {}, canvas, words));
    this.place = make("div", { className: "pictures three" }, ...figures);
  }

  /**
   * @param {any} done
   * @param {{width: number, height: number}} facts
   * @param {number} levels
   */
  show(done, facts, levels) {
    const captions = [
      `Before: ${done.first.name}, ${percent(done.first.confidence)}`, `The change, ${levels ? (127.5 / levels).toFixed(0) : 1} times as strong`,
      `After: ${done.second.name}, ${percent(done.second.confidence)}`,
    ];
    this.parts.forEach(({ kind, canvas, words }, i) => {
      if (canvas.width !== facts.width) [canvas.width, canvas.height] = [facts.width, facts.height];
      paint(canvas, done[kind]);
      canvas.setAttribute("aria-label", captions[i]);
      words.textContent = captions[i];
    });
  }
}

/**
 * @param {Views} views
 * @param {any} done
 * @param {{width: number, height: number}} facts
 * @param {number} levels
 */
async function describe(views, done, facts, levels) {
  views.show(done, facts, levels);
  const rows = done.first.ranking.map((/** @type {[string, number]} */ [name, share], /** @type {number} */ i) => {
    const [other, now] = done.second.ranking[i];
    return [`${name}, ${percent(share)}`, `${other}, ${percent(now)}`];
  });
  const words = done.fooled ? `“${done.first.name}” became “${done.second.name}”` : `It still says “${done.second.name}”`;
  return [
    make("div", { role: "status" }, make("h2", {}, words)),
    views.place,
    table([["before", "after"], ...rows], "The three likeliest classes"),
    make("p", { className: "soft" }, `${done.asked} questions to the gradient, eps ${levels}/255.`),
    outlets(await pngOf(views.parts[2].canvas), "fooled.png"),
  ];
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
const pngOf = (canvas) => new Promise((resolve) => canvas.toBlob((blob) => resolve(/** @type {Blob} */ (blob))));
