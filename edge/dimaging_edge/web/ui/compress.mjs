// @ts-check
/** The tab that turns a photo into a `.dimg` file. */
import { compare } from "./compare.mjs";
import { figureOf, make, outlets, picker, size, table, working } from "./dom.mjs";

/** The usual quality, and that of a photo which is coded at half its width and height. */
const [QUALITY, HALF_QUALITY] = [30, 12];

/** @param {import("../app.mjs").Page} page */
export function compressTab(page) {
  const codecs = page.codecs().filter((one) => one.graphs.includes("encoder") && !one.name.includes("grey16"));
  const quality = make("input", { type: "range", min: 0, max: 63, value: QUALITY, id: "quality" });
  const shown = make("output", { htmlFor: "quality" }, String(QUALITY));
  quality.oninput = () => (shown.textContent = quality.value);
  const half = make("input", { type: "checkbox", id: "half" });
  half.onchange = () => {
    const [was, usual] = half.checked ? [QUALITY, HALF_QUALITY] : [HALF_QUALITY, QUALITY];
    if (Number(quality.value) === was) quality.value = usual; // one that was chosen stays
    quality.oninput();
  };
  const most = make("input", { type: "number", min: 0, step: "any", id: "most", placeholder: "no limit", inputMode: "decimal" });
  const tile = make("select", { id: "tile" }, ...[512, 256].map((edge) => make("option", { value: edge }, `${edge} pixels`)));
  tile.value = page.small ? 256 : 512;
  const model = make("select", { id: "model" }, ...codecs.map((one) => make("option", { value: one.name }, one.name)));
  const result = make("section", { "aria-label": "Result" });
  const take = async (/** @type {File} */ file) => {
    const mostBytes = Number(most.value) * 1000 || 0;
    const args = {
      name: model.value, file, quality: Number(quality.value), half: half.checked, mostBytes, tile: Number(tile.value),
    };
    const done = await working(result, "Compressing", (options) => page.client.call("compress", args, options));
    if (done) result.replaceChildren(...describe(done, file.name));
  };
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file && page.tab === "compress") take(file);
  });
  return [
    make("h1", {}, "Compress a photo"),
    make("p", { className: "soft" }, "A learned codec makes a .dimg file of it. The photo stays on this device."),
    picker({
      label: "Choose a photo", accept: "image/*", camera: true, hint: "or drop or paste one here", take,
    }),
    make(
      "div", { className: "fields" },
      make("div", {}, make("label", { for: "quality" }, "Quality ", shown, make("span", { className: "soft" }, " of 63")), quality),
      make("div", {}, make("label", { for: "most" }, "At most, in kB"), most),
      make("div", {}, make("label", { for: "model" }, "Model"), model),
      make("div", {}, make("label", { for: "tile" }, "Tiles of"), tile),
      make("label", { className: "check" }, half, "Half size, for the smallest files"),
    ),
    result,
    make(
      "details", {}, make("summary", {}, "What is promised, and what is not"),
      make("p", {}, "The file opens to the same latents on every machine, and every file carries a check sum of them; the pixels agree within one level."),
      make("p", {}, "The same photo need not give the same file on another machine: the network that encodes computes in floating point. Both files are right."),
      make("p", {}, "Half size: the photo is coded at half its width and height and opens at its own; very small files show more so. It is tried by itself where a limit in kB leaves a quality below 10; the better picture is taken."),
      make("p", {}, "Pictures have 8 bits here; for 16 bits use dimaging-edge compress. Colours under transparency are rounded by the browser; transparency itself is exact."),
    ),
  ];
}

/**
 * @param {any} done
 * @param {string} source
 */
function describe(done, source) {
  const { data, width, height, rivals } = done;
  const name = `${source.replace(/\.[^.]*$/, "") || "photo"}.dimg`;
  const kinds = /** @type {Record<string, string>} */ ({ "image/jpeg": "JPEG", "image/webp": "WebP" });
  const rows = [
    ["file", "size", "bits a pixel", "PSNR dB"],
    [".dimg", size(data.length), figureOf(done.bpp, 3), figureOf(done.psnr)],
    ...rivals.map((/** @type {any} */ one) => [
      kinds[one.type], size(one.bytes), figureOf((8 * one.bytes) / (width * height), 3), figureOf(one.psnr),
    ]),
  ];
  const picture = done.after && { width, height, before: done.before, after: done.after };
  return [
    make("h2", {}, `${size(data.length)} at quality ${done.quality}${done.half ? ", coded at half size" : ""}`),
    done.note && make("p", { className: "note" }, done.note),
    make("p", { className: "soft" }, `${width} x ${height} pixels, compressed in ${done.seconds.toFixed(1)} s`),
    outlets(new Blob([data], { type: "application/octet-stream" }), name),
    table(rows, rivals.length ? "Sizes beside JPEG and WebP" : "Size"),
    rivals.length > 0 && make("p", { className: "soft" }, "JPEG and WebP are as this browser writes them."),
    picture
      ? compare(picture, ["the photo", "the .dimg file, opened again"])
      : make("p", { className: "soft" }, "Photos above 4 megapixels are not shown beside their file, to spare memory; the tab Open shows the file."),
  ].filter(Boolean);
}
