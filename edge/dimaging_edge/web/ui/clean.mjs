// @ts-check
/** The tab that takes noise out of a photo. */
import { compare } from "./compare.mjs";
import { absent } from "./absent.mjs";
import { liveCamera } from "./camera.mjs";
import { figure, figureOf, make, outlets, paint, picker, working } from "./dom.mjs";
import { examples } from "./examples.mjs";
import { keepers } from "./keep.mjs";

/** Width of the frames of the live camera, pixels. */
const LIVE = 320;

/** @param {import("../app.mjs").Page} page */
export function cleanTab(page) {
  const found = page.listing.bundles.filter((/** @type {any} */ one) => one.model === "denoiser");
  if (!found.length) return absent("Clean a photo", "denoiser", "dimaging train denoiser");
  const model = make("select", { id: "cleaner" }, ...found.map((/** @type {any} */ one) => make("option", { value: one.name }, one.name)));
  const sigma = make("input", { type: "range", min: 0, max: 50, value: 0, id: "sigma" });
  const shown = make("output", { htmlFor: "sigma" }, "none");
  sigma.oninput = () => (shown.textContent = Number(sigma.value) ? sigma.value : "none");
  const result = make("section", { "aria-label": "Result" });
  const take = async (/** @type {File} */ file) => {
    const args = { name: model.value, file, sigma: Number(sigma.value), seed: 0 };
    const done = await working(result, "Cleaning", (options) => page.client.call("clean", args, options));
    if (!done) return;
    const gain = done.psnr && `${figureOf(done.psnr[0])} dB with noise, ${figureOf(done.psnr[1])} dB cleaned`;
    result.replaceChildren(
      ...[
        make("h2", {}, gain || "Cleaned"),
        done.note && make("p", { className: "note" }, done.note),
        outlets(done.png, `${file.name.replace(/\.[^.]*$/, "")}-clean.png`),
        compare(done, ["with noise", "cleaned"]),
      ].filter(Boolean),
    );
  };
  const tries = make("div", {});
  const example = (/** @type {File} */ file) => {
    if (!Number(sigma.value)) {
      sigma.value = 25; // the examples have little noise of their own
      sigma.oninput();
    }
    take(file);
  };
  model.onchange = () => tries.replaceChildren(examples(page, model.value, example) ?? "");
  model.onchange();
  const frame = new OffscreenCanvas(LIVE, LIVE);
  /** @type {any[]} */
  let seen = [];
  const each = async (/** @type {HTMLVideoElement} */ video) => {
    const [width, height] = [LIVE, Math.round((LIVE * video.videoHeight) / video.videoWidth)];
    if (frame.height !== height || !seen.length) {
      frame.height = height;
      seen = ["the camera", "cleaned"].map((words) => figure({ rgba: new Uint8ClampedArray(4 * width * height), width, height }, words));
      result.replaceChildren(make("div", { className: "pictures" }, ...seen));
    }
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (frame.getContext("2d", { willReadFrequently: true }));
    context.drawImage(video, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const { rgba } = await page.client.call("cleanFrame", { name: model.value, rgba: data, width, height });
    [data, rgba].forEach((pixels, i) => paint(seen[i].firstChild, pixels));
  };
  return [
    make("h1", {}, "Clean a photo"),
    make("p", { className: "soft" }, "A denoising network takes out what the sensor added. Photos above 2 megapixels are scaled down first."),
    picker({ label: "Choose a photo", accept: "image/*", camera: true, hint: "dark, noisy ones show most", take }),
    tries,
    liveCamera({ each, begin: () => (seen = []) }),
    make(
      "div", { className: "fields" },
      make("div", {}, make("label", { for: "sigma" }, "Add noise first, in levels of 255: ", shown), sigma),
      make("div", {}, make("label", { for: "cleaner" }, "Model"), model),
    ),
    result,
    keepers(page, found),
  ];
}
