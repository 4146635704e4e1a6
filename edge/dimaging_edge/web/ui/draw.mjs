// @ts-check
/** The tab that draws: an explicit density row by row, what a finger hides anew; codes; captions. */
import { absent } from "./absent.mjs";
import { captions } from "./captions.mjs";
import { greyToRgba, make, paint, working } from "./dom.mjs";
import { faces } from "./faces.mjs";
import { keepers } from "./keep.mjs";

/** @param {import("../app.mjs").Page} page */
export function drawTab(page) {
  const densities = page.bundles("density");
  const decoders = [...page.bundles("decoder"), ...page.bundles("generator")].filter((one) => !one.codec);
  const writers = page.bundles("text_encoder");
  if (!densities.length && !decoders.length && !writers.length) {
    return absent("Draw", "pixelcnn", "dimaging train pixelcnn");
  }
  return [
    make("h1", {}, "Draw"),
    ...(densities.length ? density(page, densities) : []),
    ...decoders.map((one) => faces(page, one)),
    ...writers.map((one) => captions(page, one)),
    keepers(page, [...densities, ...decoders, ...writers]),
    !decoders.length || !writers.length
      ? make(
          "details", {}, make("summary", {}, "More to draw with models of your own"),
          make("p", {}, "Faces with glasses: train and export vae_faces. Pictures of captions: stackgan. Serve each with the page:"),
          make("pre", { tabIndex: 0 }, make("code", {}, "dimaging train vae_faces\ndimaging export runs/vae_faces --target web\ndimaging-edge app BUNDLE")),
        )
      : "",
  ].filter(Boolean);
}

/**
 * @param {import("../app.mjs").Page} page
 * @param {import("../worker.mjs").Entry[]} found
 */
function density(page, found) {
  const model = make("select", { id: "density" }, ...found.map((one) => make("option", { value: one.name }, one.name)));
  const canvas = make("canvas", { className: "pixels", width: 28, height: 28, role: "img", "aria-label": "nothing drawn yet" });
  const status = make("section", { "aria-label": "Drawing" });
  const [fresh, rest, half] = ["Draw one", "Complete what I hid", "Hide the lower half"].map((words, i) =>
    make("button", { type: "button", className: i ? "" : "main" }, words),
  );
  /** @type {{height: number, width: number, channels: number}} */
  let size = { height: 28, width: 28, channels: 1 };
  /** @type {Float32Array | null} */
  let image = null;
  let mask = new Float32Array(0);
  const show = () => {
    if (!image) return;
    const rgba = greyToRgba(image, size.channels);
    mask.forEach((known, i) => {
      if (!known) rgba.set([(i + Math.floor(i / size.width)) % 2 ? 90 : 120, 100, 160, 255], 4 * i); // a hatched veil
    });
    paint(canvas, rgba);
  };
  const run = async (/** @type {boolean} */ complete) => {
    const known = complete && image ? { canvas: image.slice(), mask: mask.slice() } : null;
    [fresh.disabled, rest.disabled, half.disabled] = [true, true, true];
    const [name, seed] = [model.value, Math.floor(Math.random() * 2 ** 32)];
    const drawn = await working(status, "Drawing", async ({ signal, progress }) => {
      size = await page.client.call("size", { name });
      [canvas.width, canvas.height] = [size.width, size.height];
      return page.client.call("draw", { name, seed, known }, {
        signal,
        progress: (step) => {
          paint(canvas, greyToRgba(step.more, size.channels));
          progress(step);
        },
      });
    });
    if (drawn) {
      image = drawn;
      mask = new Float32Array(size.height * size.width).fill(1);
      show();
      canvas.setAttribute("aria-label", `an image that ${name} drew with seed ${seed}`);
      status.replaceChildren(make("p", { className: "soft" }, `Seed ${seed}. Rub over the picture to hide a part of it.`));
    }
    fresh.disabled = false;
    [rest.disabled, half.disabled] = [!image, !image];
  };
  model.onchange = () => {
    image = null; // the other model may draw another size
    [rest.disabled, half.disabled] = [true, true];
  };
  fresh.onclick = () => run(false);
  rest.onclick = () => run(true);
  half.onclick = () => {
    mask.fill(0, Math.floor(mask.length / 2));
    show();
  };
  [rest.disabled, half.disabled] = [true, true];
  const rub = (/** @type {PointerEvent} */ event) => {
    if (!image || !event.buttons) return;
    const box = canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * size.width);
    const row = Math.floor(((event.clientY - box.top) / box.height) * size.height);
    for (const [a, b] of [[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]]) {
      const [r, c] = [row + a, column + b];
      if (r >= 0 && c >= 0 && r < size.height && c < size.width) mask[r * size.width + c] = 0;
    }
    show();
  };
  canvas.style.touchAction = "none";
  canvas.onpointerdown = rub;
  canvas.onpointermove = rub;
  return [
    make("p", { className: "soft" }, "Pixel by pixel, each from those above it and to its left. Hide a part with a finger, and it is drawn anew."),
    make("div", { className: "fields" }, make("div", {}, make("label", { for: "density" }, "Model"), model)),
    make("div", { className: "row" }, fresh, half, rest),
    canvas,
    status,
  ];
}
