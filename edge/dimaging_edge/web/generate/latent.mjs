// @ts-check
/** Pictures from codes: the decoder of a VAE, the generator of a GAN; as `generate/latent.py`, one picture at a time. */
import { InputError } from "../errors.mjs";
import { normal } from "../random.mjs";

/** @typedef {import("../bundle/open.mjs").Bundle} Bundle */

/** Names of graphs that make pictures from codes. */
const GRAPHS = ["decoder", "generator"];

/** InputError where a bundle makes no pictures from codes. @param {Bundle} bundle */
function graphOf(bundle) {
  const name = GRAPHS.find((one) => one in bundle.manifest.graphs);
  if (!name) throw new InputError(`${bundle.name} makes no pictures from codes`);
  return bundle.graph(name);
}

/** @param {Bundle} bundle */
function codeInput(bundle) {
  const { inputs } = graphOf(bundle);
  return inputs.find((tensor) => tensor.name === "z") ?? inputs[0];
}

/**
 * Return the size of a code, that of a picture, the number of classes (0: none), and directions with a meaning, such as
 * glasses, that the bundle's own training images gave.
 * @param {Bundle} bundle
 */
export function describe(bundle) {
  const graph = graphOf(bundle);
  const [, height, width, channels] = graph.outputs[0].example;
  const label = graph.inputs.find((tensor) => tensor.name === "label");
  const directions = /** @type {Record<string, number[]>} */ (bundle.manifest.config?.directions ?? {});
  return {
    height, width, channels, codes: codeInput(bundle).example[1], classes: label ? label.example[1] : 0, directions,
  };
}

/**
 * Return a code drawn from a seed: of N(0, I), or what the bundle's graph `sampler` makes of that.
 * @param {Bundle} bundle
 * @param {number} seed
 * @returns {Promise<Float32Array>}
 */
export async function codeOf(bundle, seed) {
  const noise = normal(seed, codeInput(bundle).example[1]);
  const sampler = bundle.manifest.graphs.sampler;
  if (!sampler || sampler.inputs.map((tensor) => tensor.name).join() !== "noise") return noise.slice();
  const { z } = await bundle.run("sampler", { noise: { data: noise.slice(), dims: [1, noise.length] } });
  return z.data;
}

/**
 * Return the picture of a code, float32 [H * W * C] in 0 to 1.
 * @param {Bundle} bundle
 * @param {Float32Array} code
 * @param {number} label of a model of classes
 * @returns {Promise<Float32Array>}
 */
export async function decode(bundle, code, label = 0) {
  const graph = graphOf(bundle);
  /** @type {Record<string, import("../bundle/open.mjs").Values>} */
  const inputs = { [codeInput(bundle).name]: { data: code, dims: [1, code.length] } };
  const classes = graph.inputs.find((tensor) => tensor.name === "label")?.example[1];
  if (classes) {
    const told = Float32Array.from({ length: classes }, (_, k) => Number(k === label));
    inputs.label = { data: told, dims: [1, classes] };
  }
  const found = await bundle.run(graph.name, inputs);
  return inUnits(found[graph.outputs[0].name].data);
}

/**
 * Return values in 0 to 1; bytes are divided by 255.
 * @param {any} values
 * @returns {Float32Array}
 */
export const inUnits = (values) => (values instanceof Uint8Array ? Float32Array.from(values, (x) => x / 255) : values);
