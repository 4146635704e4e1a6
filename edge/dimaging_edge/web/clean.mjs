// @ts-check
/** A photograph through the graph of a denoiser, in overlapping windows. */
import { within } from "./photo/tiles.mjs";
import { normal } from "./random.mjs";

const EDGE = 192;
const HALO = 32;

/** @typedef {import("./bundle/open.mjs").Bundle} Bundle */
/** @typedef {{image: Uint8Array, height: number, width: number, channels: number}} Picture of 8 bits */

/** @param {Bundle} bundle */
export const denoiserOf = (bundle) =>
  Object.values(bundle.manifest.graphs).find((graph) => graph.inputs.some((tensor) => tensor.name === "noisy"));

/**
 * Return the picture without noise. A model of grey pictures cleans each colour by itself.
 * @param {Bundle} bundle
 * @param {Picture} picture
 * @param {(done: number, total: number) => void | Promise<void>} progress
 * @returns {Promise<Uint8Array>}
 */
export async function clean(bundle, { image, height, width, channels }, progress) {
  const graph = /** @type {import("./bundle/open.mjs").Graph} */ (denoiserOf(bundle));
  const tensor = /** @type {import("./bundle/open.mjs").Tensor} */ (
    graph.inputs.find((one) => one.name === "noisy")
  );
  const [output] = graph.outputs;
  const [bytesIn, bytesOut] = [tensor.dtype === "uint8", output.dtype === "uint8"];
  const depth = tensor.example[3];
  const fixed = typeof tensor.shape[1] === "number" ? tensor.shape[1] : 0;
  const whole = { top: 0, bottom: height, left: 0, right: width };
  const parts = within(whole, whole, fixed ? fixed - 2 * HALO : EDGE, HALO);
  const planes = depth === channels ? [0] : Array.from({ length: channels }, (_, k) => k);
  const found = new Uint8Array(image.length);
  let done = 0;
  for (const part of parts) {
    const { window } = part;
    const rows = fixed || window.bottom - window.top;
    const columns = fixed || window.right - window.left;
    for (const plane of planes) {
      const data = bytesIn ? new Uint8Array(rows * columns * depth) : new Float32Array(rows * columns * depth);
      for (let r = 0, to = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const row = Math.min(window.top + r, height - 1);
          const from = (row * width + Math.min(window.left + c, width - 1)) * channels + plane;
          for (let k = 0; k < depth; k++, to++) data[to] = image[from + k] / (bytesIn ? 1 : 255);
        }
      }
      const answer = await bundle.run(graph.name, { noisy: { data, dims: [1, rows, columns, depth] } });
      const values = answer[output.name].data;
      for (let row = part.top; row < part.bottom; row++) {
        for (let column = part.left; column < part.right; column++) {
          const from = ((row - window.top) * columns + column - window.left) * depth;
          const to = (row * width + column) * channels + plane;
          for (let k = 0; k < depth; k++) {
            const value = bytesOut ? values[from + k] : Math.round(255 * values[from + k]);
            found[to + k] = Math.max(0, Math.min(255, value));
          }
        }
      }
    }
    await progress(++done, parts.length);
  }
  return found;
}

/**
 * Return a picture with Gaussian noise of a standard deviation in levels, cut to 0 to 255.
 * @param {Picture} picture
 * @param {number} sigma
 * @param {number} seed
 */
export function withNoise({ image }, sigma, seed) {
  const noise = normal(seed, image.length);
  return image.map((value, i) => Math.max(0, Math.min(255, Math.round(value + sigma * noise[i]))));
}

/**
 * Return the PSNR of two pictures of 8 bits, in dB; infinite if they are equal.
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
export function psnr(a, b) {
  let error = 0;
  for (let i = 0; i < a.length; i++) error += (a[i] - b[i]) ** 2;
  return error ? 10 * Math.log10((255 ** 2 * a.length) / error) : Infinity;
}
