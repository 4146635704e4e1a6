// @ts-check
/** Captions to pictures: the three graphs of a StackGAN in a row, and its vocabulary; as `generate/captions.py`. */
import { InputError } from "../errors.mjs";
import { normal } from "../random.mjs";
import { encode } from "../words.mjs";
import { inUnits } from "./latent.mjs";

/** @typedef {import("../bundle/open.mjs").Bundle} Bundle */

const WORDS = "words.txt";

/**
 * Return the vocabulary of a bundle.
 * @param {Bundle} bundle
 */
export async function readWords(bundle) {
  return new TextDecoder().decode(await bundle.bytes(WORDS)).split(/\s+/).filter(Boolean);
}

/**
 * Draw a caption; the same seed gives the same noise as in Python.
 * @param {Bundle} bundle
 * @param {string} caption
 * @param {number} seed
 */
export async function imagine(bundle, caption, seed) {
  /** @param {string} graph @param {string} name */
  const example = (graph, name) => {
    const found = bundle.graph(graph).inputs.find((tensor) => tensor.name === name);
    if (!found) throw new InputError(`${bundle.name} draws no captions: its graph ${graph} has no input ${name}`);
    return found.example;
  };
  const [, length] = example("text_encoder", "tokens");
  const tokens = encode(caption, await readWords(bundle), length);
  const { text } = await bundle.run("text_encoder", { tokens: { data: tokens, dims: [1, length] } });
  const sizes = [example("stage1", "condition_noise")[1], example("stage1", "condition_noise")[1], example("stage1", "noise")[1]];
  const [condition, again, noise] = sizes.map((size, stream) => ({
    data: normal(seed, size, stream).slice(), dims: [1, size],
  }));
  const { low } = await bundle.run("stage1", { text, condition_noise: condition, noise });
  const { image } = await bundle.run("stage2", { low, text, condition_noise: again });
  const [, height, width, channels] = image.dims;
  return { image: inUnits(image.data), height, width, channels };
}
