// @ts-check
/** The tab that takes noise out of a photo. */
import { compare } from "./compare.mjs";
import { figureOf, make, outlets, picker, working } from "./dom.mjs";
import { absent } from "./absent.mjs";

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
  return [
    make("h1", {}, "Clean a photo"),
    make("p", { className: "soft" }, "A denoising network takes out what the sensor added. Photos above 2 megapixels are scaled down first."),
    picker({ label: "Choose a photo", accept: "image/*", camera: true, hint: "dark, noisy ones show most", take }),
    make(
      "div", { className: "fields" },
      make("div", {}, make("label", { for: "sigma" }, "Add noise first, in levels of 255: ", shown), sigma),
      make("div", {}, make("label", { for: "cleaner" }, "Model"), model),
    ),
    result,
  ];
}
