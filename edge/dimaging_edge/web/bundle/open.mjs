// @ts-check
/**
 * A bundle that is fetched, checked and run: `bundle.json`, its files, and one onnxruntime session a graph.
 *
 * A session is made when its graph is first run, and only one is made at a time.
 */
import { BundleError, InputError } from "../errors.mjs";
import { readNpz } from "./npz.mjs";

/** @typedef {{name: string, dtype: string, shape: (number | string)[], range: [number, number] | null,
 *   example: number[]}} Tensor */
/** @typedef {{name: string, file: string, inputs: Tensor[], outputs: Tensor[],
 *   parity: Record<string, {max_abs: number, allowed: number}>}} Graph */
/** @typedef {{model: string, model_id: string, precision: string, target: string, licence: string, lecture: string,
 *   config: any, graphs: Record<string, Graph>, files: Record<string, {bytes: number, sha256: string}>}} Manifest */
/** @typedef {import("./npz.mjs").Values} Values */
/** @typedef {(path: string) => Promise<Uint8Array>} Read */

const ARRAYS = {
  float32: Float32Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array,
  int8: Int8Array, bool: Uint8Array,
};

/** An open bundle; `run` takes and returns typed arrays with their shapes. */
export class Bundle {
  /**
   * @param {string} name
   * @param {Manifest} manifest
   * @param {Read} read returns a file of the bundle
   * @param {any} ort the module onnxruntime-web
   */
  constructor(name, manifest, read, ort) {
    this.name = name;
    this.manifest = manifest;
    this.read = read;
    this.ort = ort;
    /** @type {Map<string, Promise<any>>} */
    this.sessions = new Map();
  }

  /**
   * Return a graph's description; BundleError where the bundle has none of this name.
   * @param {string} name
   */
  graph(name) {
    const found = this.manifest.graphs[name];
    if (found) return found;
    const known = Object.keys(this.manifest.graphs).join(", ");
    throw new BundleError(`${this.name} has no graph ${name}, it has ${known}`);
  }

  /**
   * Return the bytes of a file, checked against its size and, where the page may compute one, its SHA-256.
   * @param {string} file
   */
  async bytes(file) {
    const expected = this.manifest.files[file];
    if (!expected) throw new BundleError(`${this.name}: bundle.json does not name ${file}`);
    const data = await this.read(file);
    const sum = data.length === expected.bytes ? await sha256(data) : "";
    if (sum !== null && sum !== expected.sha256) {
      throw new BundleError(
        `${this.name}: ${file} is damaged: expected ${expected.bytes} bytes with SHA-256 ` +
          `${expected.sha256.slice(0, 16)}, received ${data.length} bytes; load the page again`,
      );
    }
    return data;
  }

  /** @param {string} name */
  async session(name) {
    const kept = this.sessions.get(name);
    if (kept) return kept;
    const made = this.bytes(this.graph(name).file).then((data) =>
      this.ort.InferenceSession.create(data, { executionProviders: ["wasm"], logSeverityLevel: 3 }),
    );
    this.sessions.set(name, made);
    made.catch(() => this.sessions.delete(name));
    return made;
  }

  /**
   * Run a graph; InputError where an input has another name or number of values than the graph's.
   * @param {string} name
   * @param {Record<string, Values>} inputs
   * @returns {Promise<Record<string, Values>>}
   */
  async run(name, inputs) {
    const graph = this.graph(name);
    /** @type {Record<string, any>} */
    const feeds = {};
    for (const tensor of graph.inputs) {
      const given = inputs[tensor.name];
      const count = given?.dims.reduce((product, size) => product * size, 1);
      if (!given || given.data.length !== count || given.dims.length !== tensor.shape.length) {
        throw new InputError(
          `${name}: input ${tensor.name}: expected ${tensor.dtype} [${tensor.shape}], received ` +
            `${given ? `${given.data.length} values of shape [${given.dims}]` : "nothing"}`,
        );
      }
      feeds[tensor.name] = new this.ort.Tensor(tensor.dtype, as(tensor.dtype, given.data), given.dims);
    }
    const session = await this.session(name);
    const found = await session.run(feeds);
    /** @type {Record<string, Values>} */
    const outputs = {};
    for (const key of session.outputNames) outputs[key] = { data: found[key].data, dims: [...found[key].dims] };
    for (const tensor of Object.values(feeds)) tensor.dispose?.();
    return outputs;
  }

  /**
   * Return the stored inputs and answers of a graph.
   * @param {string} name
   */
  async examples(name) {
    const arrays = await readNpz(await this.bytes("examples.npz"));
    const { inputs, outputs } = this.graph(name);
    /** @param {Tensor[]} tensors */
    const pick = (tensors) =>
      Object.fromEntries(
        tensors.map((tensor) => {
          const values = arrays.get(`${name}/${tensor.name}`);
          if (!values) throw new BundleError(`examples.npz has no ${name}/${tensor.name}`);
          return [tensor.name, values];
        }),
      );
    return { inputs: pick(inputs), outputs: pick(outputs) };
  }

  /** Give the memory of a graph, or of all, back. @param {string} [name] */
  async release(name) {
    for (const key of name ? [name] : [...this.sessions.keys()]) {
      const session = this.sessions.get(key);
      this.sessions.delete(key);
      await (await session)?.release();
    }
  }
}

/**
 * Return values in the array that a type needs; whole numbers may come as any array.
 * @param {string} dtype
 * @param {any} data
 */
function as(dtype, data) {
  const make = /** @type {any} */ (ARRAYS)[dtype];
  if (!make) throw new BundleError(`inputs of type ${dtype} are not known to this page`);
  if (data instanceof make) return data;
  return dtype === "int64" ? BigInt64Array.from(data, BigInt) : make.from(data, Number);
}

/**
 * Return the SHA-256 in hexadecimal digits, or null on an origin that is not secure, where browsers have none.
 * @param {Uint8Array} data
 */
export async function sha256(data) {
  if (!globalThis.crypto?.subtle) return null;
  const sum = await crypto.subtle.digest("SHA-256", new Uint8Array(data));
  return Array.from(new Uint8Array(sum), (x) => x.toString(16).padStart(2, "0")).join("");
}

/**
 * Open a bundle; BundleError for a schema that this page does not know.
 * @param {string} name
 * @param {Read} read
 * @param {any} ort
 */
export async function openBundle(name, read, ort) {
  const manifest = JSON.parse(new TextDecoder().decode(await read("bundle.json")));
  if (manifest.schema !== 1) {
    throw new BundleError(`${name}: bundle.json has schema ${manifest.schema}, this page knows 1`);
  }
  return new Bundle(name, manifest, read, ort);
}
