// @ts-check
/** The tab that shows a `.dimg` file, coarse to fine, or images that were packed, and saves them as PNG. */
import { alarm, figure, make, outlets, picker, size, table, working } from "./dom.mjs";

/** @param {import("../app.mjs").Page} page */
export function openTab(page) {
  const damaged = make("input", { type: "checkbox", id: "damaged" });
  const result = make("section", { "aria-label": "Result" });
  const facts = make("section", { "aria-label": "Facts" });
  const preview = make("section", { "aria-label": "Picture" });
  const take = async (/** @type {File} */ file) => {
    preview.replaceChildren();
    facts.replaceChildren();
    const done = await working(result, "Opening", async ({ signal, progress }) => {
      const data = new Uint8Array(await file.arrayBuffer());
      return page.client.call("open", { data, keepGoing: damaged.checked }, {
        signal,
        progress: (step) => {
          if (step.more?.rgba && !signal.aborted) show(preview, step.more);
          progress(step);
        },
      });
    });
    if (!done) return;
    if (done.packed) preview.replaceChildren(make("div", { className: "pictures one" }, figure(done, `${done.packed.images} images`)));
    else show(preview, done);
    result.replaceChildren(...headed(done, file));
    facts.replaceChildren(...(done.packed ? describePacked(done) : describe(done)));
  };
  return [
    make("h1", {}, "Open a .dimg file"),
    picker({ label: "Choose a file", accept: ".dimg,.dpix,application/octet-stream", hint: "or drop one here", take }),
    make("label", { className: "check" }, damaged, "Show what is left of a damaged file"),
    result,
    preview,
    facts,
  ];
}

/**
 * @param {HTMLElement} place
 * @param {any} picture
 */
function show(place, picture) {
  const stage = ["the coarse latents alone", "half of the fine latents", "the whole picture"][picture.rungs - 1];
  const words = `${stage}${picture.bound === 0 ? " without loss" : ""}, ${picture.width} x ${picture.height}`;
  place.replaceChildren(make("div", { className: "pictures one" }, figure(picture, words)));
}

/**
 * @param {any} done
 * @param {File} file
 */
function headed(done, file) {
  return [
    make("h2", {}, `${file.name}, ${size(file.size)}`),
    ...done.damage.map((/** @type {string} */ words) => alarm(words)),
    outlets(done.png, file.name.replace(/\.(dimg|dpix)$/, ".png")),
  ];
}

/** @param {any} done */
function describe(done) {
  const sums = done.latents.map((/** @type {number} */ sum) => sum.toString(16).padStart(8, "0"));
  const also = [done.alpha && "transparency", done.icc && "colour profile", done.exif && "EXIF"].filter(Boolean);
  return [
    table(
      [
        ["fact", "value"],
        ["picture", `${done.width} x ${done.height}, ${done.channels} channels of ${done.depth} bits${done.half ? ", coded at half size" : ""}`],
        ["quality", done.bound === null ? done.quality : `${done.quality}, of the preview`],
        ["pixels", exactly(done)],
        ["model", done.model],
        ["tiles", `${sums.length} of up to ${done.tile} pixels`],
        ["latents", sums.length > 3 ? `${sums.slice(0, 3).join(" ")} ...` : sums.join(" ")],
        ["also", also.join(", ") || "—"],
      ],
      "What the file says",
    ),
    !done.damage.length && done.bound === null &&
      make("p", { className: "soft" }, "The latents are those that were encoded: their check sums agree."),
  ].filter(Boolean);
}

/** @param {any} done */
function exactly({ bound, depth }) {
  if (bound === null) return "as the model rebuilds them";
  const words = bound ? `each sample at most ${bound} levels off` : "every pixel, without loss";
  return depth > 8 ? `${words}; shown and saved here with 8 bits` : words;
}

/** @param {any} done */
function describePacked({ packed, model }) {
  const { images, width, height, levels, bits } = packed;
  return [
    table(
      [
        ["fact", "value"],
        ["images", `${images} of ${width} x ${height}, ${levels} levels`],
        ["bits a pixel", bits.toFixed(3)],
        ["model", model],
      ],
      "What the file says",
    ),
    make("p", { className: "soft" }, "Unpacked without loss: the check sum of all pixels agrees."),
  ];
}
