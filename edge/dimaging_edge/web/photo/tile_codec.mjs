// @ts-check
/**
 * The coding of one tile: its latents become three rungs of bytes, and come back.
 *
 * The entropy path sees the core of the tile alone:
 *
 *     z         symbols with the model's table of scale indices
 *     pass 0    (row + column of y even) scale index and mean from z
 *     pass 1    (odd) scale index and mean from z and the decoded pass 0
 */
import { crc32c } from "../entropy/crc32c.mjs";
import { BundleError, CodecError } from "../errors.mjs";
import { RUNGS } from "./container.mjs";
import { Field } from "./neighbours.mjs";
import { RungReader, encode } from "./symbols.mjs";

const LARGEST = 127;

/**
 * A learned transform with latents z (1/32 of the size) and y (1/8), and a prior of y; all arrays have batch 1.
 * @typedef {{modelId: string, channels: number, bitDepth: number, halo: number, zChannels: number, yChannels: number,
 *   scale: import("./symbols.mjs").ScaleTables, zIndex: Uint8Array,
 *   neighbours: [import("./neighbours.mjs").Tables, import("./neighbours.mjs").Tables] | null,
 *   encode: (image: Uint8Array | Uint16Array, height: number, width: number, quality: number)
 *     => Promise<{z: Int32Array, y: Int32Array}>,
 *   prior: (z: Int32Array, y: Int32Array, pass: number, quality: number, height: number, width: number)
 *     => Promise<{index: Int32Array, mean: Int32Array}>,
 *   decode: (z: Int32Array, y: Int32Array, height: number, width: number, quality: number)
 *     => Promise<Uint8Array | Uint16Array>}} SymbolModel heights and widths of pictures in pixels, of prior those of y
 */

/** @typedef {{entry: import("./container.mjs").Entry, rungs: Uint8Array[]}} Coded */
/** @typedef {{z: Int32Array, y: Int32Array, fault: string}} Latents y in eighths of a step; what was wrong */

/**
 * Code z (symbols) and y (in 1/256 of a step) of a tile of height x width positions of y.
 * @param {SymbolModel} model
 * @param {Int32Array} z
 * @param {Int32Array} y
 * @param {number} quality
 * @param {number} height
 * @param {number} width
 * @returns {Promise<Coded>}
 */
export async function encodeTile(model, z, y, quality, height, width) {
  const { scale } = model;
  const [fieldZ, fieldY] = fields(model, height, width);
  /** @type {import("./symbols.mjs").Piece[][]} */
  const rungs = [[], [], []];
  /**
   * @param {number} rung
   * @param {(place: number) => number} exact what a symbol stands for beyond the prior's mean, in 1/256
   * @returns {import("./neighbours.mjs").Code}
   */
  const coder = (rung, exact) => (index, shift, place, symbols, count) => {
    for (let i = 0; i < count; i++) {
      const nearest = (exact(place[i]) - 32 * shift[i] + 128) >> 8;
      symbols[i] = scale.clip(nearest, index[i]);
    }
    rungs[rung].push({ index: index.slice(0, count), symbols: symbols.slice(0, count) });
  };
  const indexZ = indexOfZ(model, quality, z.length);
  const sent = whole(fieldZ.walk(0, indexZ, coder(0, (place) => 256 * z[place])));
  const known = new Int32Array(y.length);
  for (const pass of [0, 1]) {
    const { index, mean } = await prior(model, sent, known, pass, quality, height, width);
    const mine = inPass(index, pass, height, width);
    const found = fieldY.walk(1 + pass, mine, coder(1 + pass, (place) => y[place] - 32 * mean[place]));
    settle(known, mean, found, pass, height, width);
  }
  const { lanes, parts } = encode(scale, rungs);
  const [lengths, sums] = [parts.map((part) => part.length), parts.map((part) => crc32c(part))];
  return { entry: { lanes, latents: latentsCrc(sent, known), lengths, sums }, rungs: parts };
}

/**
 * Decode the rungs that are there, coarse to fine up to the first null; height and width are those of y.
 *
 * What was not sent counts as its predicted mean. Damage that no check sum of the rungs has found is described in
 * `fault`, and what comes back is decoded from the rungs before it.
 * @param {SymbolModel} model
 * @param {import("./container.mjs").Entry} entry
 * @param {(Uint8Array | null)[]} rungs
 * @param {number} quality
 * @param {number} height
 * @param {number} width
 * @returns {Promise<Latents>}
 */
export async function decodeTile(model, entry, rungs, quality, height, width) {
  const missing = rungs.indexOf(null);
  let there = missing < 0 ? rungs.length : missing;
  let fault = "";
  for (;;) {
    const part = /** @type {Uint8Array[]} */ (rungs.slice(0, there));
    try {
      const { z, y } = await decode(model, entry, part, quality, height, width);
      if (there < RUNGS.length || latentsCrc(z, y) === entry.latents) return { z, y, fault };
      [fault, there] = ["its latents have another CRC32C than those encoded", 1];
    } catch (error) {
      if (!(error instanceof RungError)) throw error;
      fault = fault || error.message;
      there = error.rung;
    }
  }
}

class RungError extends CodecError {
  /**
   * @param {number} rung
   * @param {string} why
   */
  constructor(rung, why) {
    super(`rung ${RUNGS[rung]}: ${why}`);
    this.rung = rung;
  }
}

/**
 * @param {SymbolModel} model
 * @param {import("./container.mjs").Entry} entry
 * @param {Uint8Array[]} rungs
 * @param {number} quality
 * @param {number} height
 * @param {number} width
 */
async function decode(model, entry, rungs, quality, height, width) {
  const reader = new RungReader(model.scale, entry.lanes);
  const [fieldZ, fieldY] = fields(model, height, width);
  const y = new Int32Array(height * width * model.yChannels);
  let z = new Int32Array((height / 4) * (width / 4) * model.zChannels);
  /**
   * @param {number} rung
   * @param {Field} field
   * @param {ArrayLike<number>} index
   */
  const read = (rung, field, index) => {
    try {
      reader.begin(rungs[rung]);
      const found = field.walk(rung, index, (chosen, _shift, _place, symbols, count) =>
        reader.piece(chosen, symbols, count),
      );
      reader.end();
      if (rung === RUNGS.length - 1) reader.finish();
      return found;
    } catch (error) {
      throw error instanceof CodecError ? new RungError(rung, error.message) : error;
    }
  };
  if (!rungs.length) return { z, y };
  z = whole(read(0, fieldZ, indexOfZ(model, quality, z.length)));
  for (const pass of [0, 1]) {
    const { index, mean } = await prior(model, z, y, pass, quality, height, width);
    const sent = 1 + pass < rungs.length;
    const found = sent ? read(1 + pass, fieldY, inPass(index, pass, height, width)) : null;
    settle(y, mean, found, pass, height, width);
  }
  return { z, y };
}

/**
 * @param {SymbolModel} model
 * @param {number} height
 * @param {number} width
 */
function fields(model, height, width) {
  const [z, y] = model.neighbours ?? [null, null];
  return [
    new Field(z, [height / 4, width / 4, model.zChannels], true),
    new Field(y, [height, width, model.yChannels], false),
  ];
}

/**
 * Run the prior; BundleError for an index that no table has.
 * @param {SymbolModel} model
 * @param {Int32Array} z
 * @param {Int32Array} y
 * @param {number} pass
 * @param {number} quality
 * @param {number} height
 * @param {number} width
 */
async function prior(model, z, y, pass, quality, height, width) {
  const found = await model.prior(z, y, pass, quality, height, width);
  for (const index of found.index) {
    if (index < 0 || index > 63) {
      throw new BundleError(
        `the model's prior answered scale index ${index}, expected 0 to 63; export the bundle again`,
      );
    }
  }
  return found;
}

/**
 * Return the scale index of every symbol of z.
 * @param {SymbolModel} model
 * @param {number} quality
 * @param {number} count
 */
function indexOfZ(model, quality, count) {
  const row = model.zIndex.subarray(quality * model.zChannels, (quality + 1) * model.zChannels);
  const index = new Uint8Array(count);
  for (let at = 0; at < count; at += row.length) index.set(row, at);
  return index;
}

/**
 * Return scale indices with 0 at the positions of the other pass.
 * @param {Int32Array} index
 * @param {number} pass
 * @param {number} height
 * @param {number} width
 */
function inPass(index, pass, height, width) {
  const channels = index.length / (height * width);
  const mine = Uint8Array.from(index);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if ((row + column) % 2 === pass) continue;
      const at = (row * width + column) * channels;
      mine.fill(0, at, at + channels);
    }
  }
  return mine;
}

/**
 * Add mean and deviation to y where it belongs to a pass.
 * @param {Int32Array} y
 * @param {Int32Array} mean
 * @param {Int32Array | null} found
 * @param {number} pass
 * @param {number} height
 * @param {number} width
 */
function settle(y, mean, found, pass, height, width) {
  const channels = y.length / (height * width);
  for (let row = 0; row < height; row++) {
    for (let column = (row + pass) % 2; column < width; column += 2) {
      const at = (row * width + column) * channels;
      for (let i = at; i < at + channels; i++) y[i] += mean[i] + (found ? found[i] : 0);
    }
  }
}

/**
 * Return z for its deviations, which may be any number in a forged file.
 * @param {Int32Array} deviation
 */
function whole(deviation) {
  return deviation.map((x) => Math.max(-LARGEST, Math.min(LARGEST, x >> 3)));
}

/**
 * Return the CRC32C of z, a signed byte each, then y in eighths, two bytes each, in raster order.
 * @param {Int32Array} z
 * @param {Int32Array} y
 */
export function latentsCrc(z, y) {
  // Every engine that runs WebAssembly is little-endian.
  return crc32c(new Uint8Array(Int8Array.from(z).buffer), new Uint8Array(Int16Array.from(y).buffer));
}
