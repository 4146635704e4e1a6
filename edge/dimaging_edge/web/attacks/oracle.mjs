// @ts-check
/** What an attack asks of a bundle: the gradient of the margin at a picture, and logits; as `attacks/oracle.py`. */
import { InputError } from "../errors.mjs";

/** @typedef {import("../bundle/open.mjs").Bundle} Bundle */
/** @typedef {{gradient: Float32Array, margin: number, logits: Float32Array}} Answer */

const OTHERS = ["gradient", "certificate"];
const MEND = "dimaging export RUN --gradient --target web";

/** Return the nearest whole number, of two the even one, as numpy's rint. @param {number} value of 0 or more */
function whole(value) {
  const found = Math.round(value);
  return found - value === 0.5 && found % 2 ? found - 1 : found;
}

/** A classifier with its gradient, one picture at a time. */
export class Oracle {
  /** InputError for a bundle that is no classifier. @param {Bundle} bundle */
  constructor(bundle) {
    const names = Object.keys(bundle.manifest.graphs).filter((name) => !OTHERS.includes(name));
    const graph = bundle.graph(names[0]);
    const named = graph.outputs.filter((one) => one.name === "logits"); // a detector has more outputs
    const outputs = named.length ? named : graph.outputs;
    if (names.length !== 1 || graph.inputs.length !== 1 || outputs.length !== 1 || outputs[0].shape.length !== 2) {
      throw new InputError(`${bundle.name} is no classifier, whose one graph takes an image and gives logits`);
    }
    const [tensor] = graph.inputs;
    const [, height, width, channels] = tensor.example;
    this.bundle = bundle;
    this.graph = graph;
    this.output = outputs[0].name;
    this.size = { height, width, channels };
    this.bytes = tensor.dtype === "uint8";
    this.bounds = /** @type {[number, number]} */ (tensor.range ?? [0, 1]);
    const classes = outputs[0].example[1];
    const { names: told = [] } = bundle.manifest.config ?? {};
    this.names = Array.from({ length: classes }, (_, k) => String(told[k] ?? k));
  }

  /** @private @param {ArrayLike<number>} x */
  values(x) {
    const { height, width, channels } = this.size;
    return { data: /** @type {any} */ (x), dims: [1, height, width, channels] };
  }

  /**
   * Return gradient and margin at a picture float32 [H * W * C] for a label, and the logits; of a model of bytes
   * at the rounded picture, where its answer is too.
   * @param {Float32Array} x
   * @param {number} label
   * @returns {Promise<Answer>}
   */
  async ask(x, label) {
    if (!("gradient" in this.bundle.manifest.graphs)) {
      throw new InputError(`${this.bundle.name} has no graph gradient; make one: ${MEND}`);
    }
    const image = this.values(this.bytes ? x.map(whole) : x);
    const found = await this.bundle.run("gradient", { image, label: { data: [label], dims: [1] } });
    return { gradient: found.gradient.data, margin: found.margin.data[0], logits: found.logits.data };
  }

  /**
   * Return the logits that the deployed model gives a picture, rounded to bytes where it takes bytes.
   * @param {Float32Array} x
   * @returns {Promise<Float32Array>}
   */
  async score(x) {
    const data = this.bytes ? Uint8Array.from(x, whole) : x;
    const found = await this.bundle.run(this.graph.name, { [this.graph.inputs[0].name]: this.values(data) });
    return found[this.output].data;
  }
}

/**
 * Return the softmax of logits, float64.
 * @param {ArrayLike<number>} logits
 */
export function confidences(logits) {
  const most = Math.max(...Array.from(logits));
  const powers = Array.from(logits, (x) => Math.exp(x - most));
  const sum = powers.reduce((total, x) => total + x, 0);
  return powers.map((x) => x / sum);
}

/** Return the number of the largest value; the first of equals. @param {ArrayLike<number>} values */
export function largest(values) {
  let best = 0;
  for (let k = 1; k < values.length; k++) if (values[k] > values[best]) best = k;
  return best;
}
