// @ts-check
/**
 * Draw pixel after pixel with the graphs `row` and `pixel` of a bundle; the host keeps rows and pixels that they need.
 *
 *     row      row [1], above_K_D [W, B, C]...                        -> context, row_K...
 *     pixel    context [B, S], left_K [B, .]..., noise, canvas, mask  -> image, parameters, own_K...
 *
 * One image at a time (B = 1), so that the picture grows before the eyes.
 */
import { uniform } from "../random.mjs";

/** @typedef {import("../bundle/open.mjs").Bundle} Bundle */
/** @typedef {import("../bundle/open.mjs").Values} Values */

/**
 * Return height, width and channels of what a bundle draws.
 * @param {Bundle} bundle
 */
export function sizeOf(bundle) {
  const found = bundle.graph("density").inputs.find((tensor) => tensor.name === "image");
  const [, height, width, channels] = found?.example ?? [1, 1, 1, 1];
  return { height, width, channels };
}

/** @param {Bundle} bundle */
export const canStep = (bundle) => "row" in bundle.manifest.graphs && "pixel" in bundle.manifest.graphs;

/**
 * Draw an image, float32 [H * W * C] in [0, 1]; the same seed gives the same image as in Python.
 * @param {Bundle} bundle
 * @param {number} seed
 * @param {{canvas: Float32Array, mask: Float32Array} | null} known canvas [H, W, C] is kept where mask [H, W] is 1
 * @param {(rows: number, image: Float32Array) => void | Promise<void>} progress after each row
 */
export async function draw(bundle, seed, known, progress = () => undefined) {
  const { height, width, channels } = sizeOf(bundle);
  const { canvas, mask } = known ?? {
    canvas: new Float32Array(height * width * channels), mask: new Float32Array(height * width),
  };
  const noiseOf = bundle.graph(canStep(bundle) ? "pixel" : "sampler").inputs.find((t) => t.name === "noise");
  const depth = noiseOf?.example.at(-1) ?? channels;
  const noise = uniform(seed, height * width * depth);
  if (!canStep(bundle)) return atOnce(bundle, { height, width, channels, depth }, noise, canvas, mask, progress);
  const stepper = new Stepper(bundle);
  const image = new Float32Array(height * width * channels);
  for (let row = 0; row < height; row++) {
    await stepper.row(row);
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      const found = await stepper.pixel(column, {
        noise: noise.slice(at * depth, (at + 1) * depth),
        canvas: canvas.slice(at * channels, (at + 1) * channels),
        mask: mask.slice(at, at + 1),
      });
      stepper.put(found.image.data);
      image.set(found.image.data, at * channels);
    }
    await progress(row + 1, image);
  }
  return image;
}

/**
 * @param {Bundle} bundle
 * @param {{height: number, width: number, channels: number, depth: number}} size
 * @param {Float32Array} noise
 * @param {Float32Array} canvas
 * @param {Float32Array} mask
 * @param {(rows: number, image: Float32Array) => void | Promise<void>} progress
 */
async function atOnce(bundle, { height, width, channels, depth }, noise, canvas, mask, progress) {
  const { image } = await bundle.run("sampler", {
    noise: { data: noise, dims: [1, height, width, depth] },
    canvas: { data: canvas, dims: [1, height, width, channels] },
    mask: { data: mask, dims: [1, height, width, 1] },
  });
  await progress(height, image.data);
  return /** @type {Float32Array} */ (image.data);
}

/** An image that is drawn, or unpacked, pixel by pixel, from the upper left to the lower right. */
export class Stepper {
  /** @param {Bundle} bundle */
  constructor(bundle) {
    this.bundle = bundle;
    this.starts = zeros(bundle, "pixel", "left_");
    this.above = zeros(bundle, "row", "above_");
    /** @type {Record<string, Values>} */
    this.given = {};
    /** @type {Record<string, Float32Array[]>} */
    this.own = {};
    /** @type {Record<string, Values>} */
    this.left = {};
  }

  /**
   * Start a row: compute what the rows above contribute to all of its columns.
   * @param {number} index
   */
  async row(index) {
    if (index) this.shift();
    this.given = await this.bundle.run("row", { row: { data: [index], dims: [1] }, ...this.above });
    this.left = { ...this.starts };
    this.own = {};
  }

  /**
   * Return the pixel of a column that is drawn with `here`, "image", and its distribution; `put` comes next.
   * @param {number} column
   * @param {Record<string, Float32Array>} here noise, canvas and mask of the pixel
   * @returns {Promise<Record<string, Values>>}
   */
  async pixel(column, here) {
    const { context } = this.given;
    const size = context.dims[2];
    /** @type {Record<string, Values>} */
    const feeds = { context: values(context.data.slice(column * size, (column + 1) * size)), ...this.left };
    for (const [name, data] of Object.entries(here)) feeds[name] = values(data);
    const found = await this.bundle.run("pixel", feeds);
    for (const [name, value] of Object.entries(found)) {
      if (name.startsWith("own_")) this.keep(name.slice(4), value.data);
    }
    return found;
  }

  /**
   * Settle the pixel: what was drawn, or what is known to be there.
   * @param {Float32Array} value in [0, 1]
   */
  put(value) {
    this.keep("image", value);
  }

  /**
   * @param {string} key
   * @param {Float32Array} value
   */
  keep(key, value) {
    (this.own[key] ??= []).push(value);
    const left = this.left[`left_${key}`];
    if (!left) return;
    const longer = new Float32Array(left.data.length);
    longer.set(left.data.subarray(value.length));
    longer.set(value, left.data.length - value.length);
    this.left[`left_${key}`] = values(longer);
  }

  /** Let the row that is complete become the one above. */
  shift() {
    /** @type {Record<string, Float32Array>} */
    const rows = {};
    for (const [key, pixels] of Object.entries(this.own)) {
      rows[key] = new Float32Array(pixels.length * pixels[0].length);
      pixels.forEach((pixel, i) => rows[key].set(pixel, i * pixel.length));
    }
    for (const [name, value] of Object.entries(this.given)) {
      if (name.startsWith("row_")) rows[name.slice(4)] = value.data;
    }
    /** @type {Record<string, Values>} */
    const shifted = {};
    for (const [name, { dims }] of Object.entries(this.above)) {
      const [, key, depth] = /** @type {string[]} */ (/^above_(.*)_(\d+)$/.exec(name));
      const data = depth === "1" ? rows[key] : this.above[`above_${key}_${Number(depth) - 1}`].data;
      shifted[name] = { data, dims };
    }
    this.above = shifted;
  }
}

/** @param {Float32Array} data @returns {Values} */
const values = (data) => ({ data, dims: [1, data.length] });

/**
 * Return zeros for the inputs of a graph whose names begin so.
 * @param {Bundle} bundle
 * @param {string} graph
 * @param {string} prefix
 */
function zeros(bundle, graph, prefix) {
  const inputs = bundle.graph(graph).inputs.filter((tensor) => tensor.name.startsWith(prefix));
  return Object.fromEntries(
    inputs.map(({ name, example }) => {
      const count = example.reduce((product, size) => product * size, 1);
      return [name, { data: new Float32Array(count), dims: example }];
    }),
  );
}
