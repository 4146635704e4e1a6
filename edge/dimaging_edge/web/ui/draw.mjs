// @ts-check
/** The tab that draws: an explicit density row by row, what a finger hides anew; a decoder by its sliders. */
import { absent } from "./absent.mjs";
import { alarm, greyToRgba, make, paint, working } from "./dom.mjs";

/** @param {import("../app.mjs").Page} page */
export function drawTab(page) {
  const densities = page.bundles("density");
  const decoders = page.bundles("decoder").filter((one) => !one.codec);
  if (!densities.length && !decoders.length) return absent("Draw", "pixelcnn", "dimaging train pixelcnn");
  return [
    make("h1", {}, "Draw"),
    ...densities.slice(0, 1).flatMap((one) => density(page, densities)),
    ...decoders.map((one) => sliders(page, one)),
  ];
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
    size = await page.client.call("size", { name: model.value });
    [canvas.width, canvas.height] = [size.width, size.height];
    const seed = Math.floor(Math.random() * 2 ** 32);
    const drawn = await working(status, "Drawing", ({ signal, progress }) =>
      page.client.call("draw", { name: model.value, seed, known }, {
        signal,
        progress: (step) => {
          paint(canvas, greyToRgba(step.more, size.channels));
          progress(step);
        },
      }),
    );
    if (drawn) {
      image = drawn;
      mask = new Float32Array(size.height * size.width).fill(1);
      show();
      canvas.setAttribute("aria-label", `an image that ${model.value} drew with seed ${seed}`);
      status.replaceChildren(make("p", { className: "soft" }, `Seed ${seed}. Rub over the picture to hide a part of it.`));
    }
    fresh.disabled = false;
    [rest.disabled, half.disabled] = [!image, !image];
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

/**
 * @param {import("../app.mjs").Page} page
 * @param {import("../worker.mjs").Entry} entry
 */
function sliders(page, entry) {
  const place = make("section", { "aria-label": entry.name });
  const begin = make("button", { type: "button" }, `Open ${entry.name}`);
  begin.onclick = async () => {
    try {
      place.replaceChildren(...(await controls(page, entry)));
    } catch (error) {
      place.replaceChildren(alarm(/** @type {Error} */ (error).message));
    }
  };
  place.append(make("h2", {}, `${entry.name}: sliders of a latent space`), begin);
  return place;
}

/**
 * @param {import("../app.mjs").Page} page
 * @param {import("../worker.mjs").Entry} entry
 */
async function controls(page, entry) {
  const graph = await page.client.call("graph", { name: entry.name, graph: "decoder" });
  const [z] = graph.inputs;
  const [image] = graph.outputs;
  const [, height, width, channels] = image.example;
  const canvas = make("canvas", { className: "pixels", width, height, role: "img", "aria-label": `what ${entry.name} decodes` });
  const code = new Float32Array(z.example.at(-1));
  const update = async () => {
    const found = await page.client.call("run", {
      name: entry.name, graph: "decoder", inputs: { [z.name]: { data: code, dims: [1, code.length] } },
    });
    const values = found[image.name].data;
    paint(canvas, greyToRgba(values instanceof Uint8Array ? Float32Array.from(values, (x) => x / 255) : values, channels));
  };
  const inputs = Array.from({ length: Math.min(8, code.length) }, (_, i) => {
    const input = make("input", { type: "range", min: -3, max: 3, step: 0.1, value: 0, id: `${entry.name}-${i}` });
    input.oninput = () => {
      code[i] = Number(input.value);
      update();
    };
    return make("div", {}, make("label", { for: input.id }, `z ${i + 1}`), input);
  });
  await update();
  return [make("h2", {}, entry.name), canvas, make("div", { className: "fields" }, ...inputs)];
}
