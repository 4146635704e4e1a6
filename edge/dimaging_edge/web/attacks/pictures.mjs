// @ts-check
/** One picture before and after an attack, as pixels, with what the classifier says of each. */
import { confidences, largest } from "./oracle.mjs";
import { pgd } from "./pgd.mjs";
import { Threat } from "./threat.mjs";

/** @typedef {import("./oracle.mjs").Oracle} Oracle */
/** @typedef {{label: number, name: string, confidence: number, ranking: [string, number][]}} Opinion */

/**
 * Return a picture as a classifier takes it, float32 in its bounds.
 * @param {Oracle} oracle
 * @param {ArrayLike<number>} rgba
 */
export function toInput(oracle, rgba) {
  const { height, width, channels } = oracle.size;
  const [low, high] = oracle.bounds;
  const x = new Float32Array(height * width * channels);
  for (let i = 0; i < height * width; i++) {
    const [r, g, b] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]];
    const grey = 0.299 * r + 0.587 * g + 0.114 * b;
    for (let k = 0; k < channels; k++) {
      x[i * channels + k] = low + ((channels === 3 ? [r, g, b][k] : Math.round(grey)) / 255) * (high - low);
    }
  }
  return x;
}

/**
 * Return the pixels of a picture, rounded to bytes.
 * @param {Oracle} oracle
 * @param {Float32Array} x
 */
export function toPixels(oracle, x) {
  const { channels } = oracle.size;
  const [low, high] = oracle.bounds;
  const rgba = new Uint8ClampedArray((4 * x.length) / channels);
  for (let i = 0; i < x.length / channels; i++) {
    for (let k = 0; k < 3; k++) {
      rgba[4 * i + k] = Math.round((255 * (x[i * channels + (channels === 3 ? k : 0)] - low)) / (high - low));
    }
    rgba[4 * i + 3] = 255;
  }
  return rgba;
}

/**
 * Return what the classifier says of pixels.
 * @param {Oracle} oracle
 * @param {ArrayLike<number>} rgba
 * @returns {Promise<Opinion>}
 */
export async function opinion(oracle, rgba) {
  const shares = confidences(await oracle.score(toInput(oracle, rgba)));
  const label = largest(shares);
  const order = shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a]);
  const ranking = /** @type {[string, number][]} */ (order.slice(0, 3).map((k) => [oracle.names[k], shares[k]]));
  return { label, name: oracle.names[label], confidence: shares[label], ranking };
}

/**
 * Attack pixels within `levels` of 255 and return the picture, rounded to bytes, the difference, and both opinions.
 * @param {Oracle} oracle
 * @param {ArrayLike<number>} rgba
 * @param {{levels: number, target: number | null, steps: number, restarts: number,
 *   progress?: (done: number, total: number) => void | Promise<void>}} options target null: any other class
 */
export async function fool(oracle, rgba, { levels, target, steps, restarts, progress }) {
  const x = toInput(oracle, rgba);
  const [low, high] = oracle.bounds;
  const first = await opinion(oracle, rgba);
  const threat = new Threat((levels / 255) * (high - low), oracle.bounds, target);
  const found = levels ? await pgd(oracle, x, first.label, threat, { steps, restarts, progress }) : { x, steps: 0 };
  const before = toPixels(oracle, x);
  const after = toPixels(oracle, found.x);
  const second = await opinion(oracle, after);
  const fooled = target === null ? second.label !== first.label : second.label === target;
  return { before, after, difference: magnified(before, after, levels), first, second, fooled, asked: found.steps };
}

/**
 * Return the change of each pixel, where grey is none and black and white are the farthest that is allowed.
 * @param {Uint8ClampedArray} before
 * @param {Uint8ClampedArray} after
 * @param {number} levels
 */
export function magnified(before, after, levels) {
  return after.map((value, i) => (i % 4 === 3 ? 255 : 127.5 + (127.5 * (value - before[i])) / Math.max(1, levels)));
}
