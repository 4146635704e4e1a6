// @ts-check
/**
 * A bundle as the model of the photo codec: graphs `encoder`, `prior` and `decoder`, tables as raw files. One without
 * `encoder` reads files and writes none.
 *
 * Before anything is coded the prior runs on the bundle's own example: it must answer the same integers. There is no
 * numpy to take its place here, so a browser that computes otherwise is refused.
 */
import { BundleError } from "../errors.mjs";
import { readTables } from "./neighbours.mjs";
import { ScaleTables } from "./symbols.mjs";

/** A `SymbolModel` that runs the graphs of a bundle. */
export class BundleModel {
  /**
   * @param {import("../bundle/open.mjs").Bundle} bundle
   * @param {ScaleTables} scale
   * @param {Uint8Array} zIndex
   * @param {[import("./neighbours.mjs").Tables, import("./neighbours.mjs").Tables] | null} neighbours
   */
  constructor(bundle, scale, zIndex, neighbours) {
    const { manifest } = bundle;
    const picture = bundle.graph("decoder").outputs[0];
    this.bundle = bundle;
    this.modelId = manifest.model_id.slice(0, 32);
    this.channels = picture.example[3];
    this.bitDepth = picture.dtype === "uint16" ? 16 : 8;
    this.halo = manifest.config.codec.halo;
    this.zChannels = input(bundle, "decoder", "z").example[3];
    this.yChannels = input(bundle, "decoder", "y").example[3];
    this.scale = scale;
    this.zIndex = zIndex;
    this.neighbours = neighbours;
  }

  /**
   * @param {Uint8Array | Uint16Array} image
   * @param {number} height
   * @param {number} width
   * @param {number} quality
   */
  async encode(image, height, width, quality) {
    const { z, y } = await this.bundle.run("encoder", {
      image: { data: image, dims: [1, height, width, this.channels] },
      quality: { data: [quality], dims: [1] },
    });
    return { z: z.data, y: y.data };
  }

  /**
   * @param {Int32Array} z
   * @param {Int32Array} y
   * @param {number} pass
   * @param {number} quality
   * @param {number} height of y
   * @param {number} width of y
   */
  async prior(z, y, pass, quality, height, width) {
    const { graphs } = this.bundle.manifest;
    const { index, mean } = await this.bundle.run("prior" in graphs ? "prior" : `prior_${pass}`, {
      z: { data: z, dims: [1, height / 4, width / 4, this.zChannels] },
      y: { data: y, dims: [1, height, width, this.yChannels] },
      pass: { data: [pass], dims: [1] },
      quality: { data: [quality], dims: [1] },
    });
    return { index: index.data, mean: mean.data };
  }

  /**
   * @param {Int32Array} z
   * @param {Int32Array} y
   * @param {number} height in pixels
   * @param {number} width in pixels
   * @param {number} quality
   */
  async decode(z, y, height, width, quality) {
    const { image } = await this.bundle.run("decoder", {
      z: { data: z, dims: [1, height / 32, width / 32, this.zChannels] },
      y: { data: y, dims: [1, height / 8, width / 8, this.yChannels] },
      quality: { data: [quality], dims: [1] },
    });
    return image.data;
  }
}

/**
 * Return the model of a bundle; BundleError where its prior answers other integers here.
 * @param {import("../bundle/open.mjs").Bundle} bundle
 */
export async function openModel(bundle) {
  const [counts, zIndex] = [await bundle.bytes("scale_counts.bin"), await bundle.bytes("z_index.bin")];
  const picture = bundle.graph("decoder").outputs[0];
  const wide = picture.dtype === "uint16";
  const scale = new ScaleTables(new Uint16Array(counts.slice().buffer), wide ? 4095 : 127);
  const [z, y] = ["z", "y"].map((name) => input(bundle, "decoder", name).example[3]);
  const file = "neighbours.bin";
  const neighbours = bundle.manifest.files[file] ? readTables(await bundle.bytes(file), [z, y]) : null;
  if (typeof picture.shape[1] === "number") {
    throw new BundleError(`${bundle.name} takes pictures of one size (target phone); export it with --target web`);
  }
  for (const graph of ["prior", "prior_0", "prior_1"].filter((name) => name in bundle.manifest.graphs)) {
    await compare(bundle, graph);
  }
  return new BundleModel(bundle, scale, zIndex, neighbours);
}

/**
 * Run a graph of whole numbers on its own example; BundleError where this browser answers other numbers.
 * @param {import("../bundle/open.mjs").Bundle} bundle
 * @param {string} graph
 */
async function compare(bundle, graph) {
  const { inputs, outputs } = await bundle.examples(graph);
  const found = await bundle.run(graph, inputs);
  for (const [name, expected] of Object.entries(outputs)) {
    if (expected.data.some((/** @type {number} */ value, /** @type {number} */ i) => value !== found[name].data[i])) {
      throw new BundleError(
        `the prior of ${bundle.name} answers other integers in this browser than where it was made, so no file can ` +
          "be written or read here; please report the browser and the device",
      );
    }
  }
}

/**
 * @param {import("../bundle/open.mjs").Bundle} bundle
 * @param {string} graph
 * @param {string} name
 */
function input(bundle, graph, name) {
  const found = bundle.graph(graph).inputs.find((tensor) => tensor.name === name);
  if (!found || found.example.length !== 4) {
    throw new BundleError(`${bundle.name}: graph ${graph} has no input ${name} as a photo codec has it`);
  }
  return found;
}
