// @ts-check
/**
 * Prediction of a symbol from its decoded neighbours, beyond the prior: in whole numbers, without a network.
 *
 * docs/format.md ("Neighbours") has the rule. The symbols of a rung are coded in levels, coarse to fine, each between
 * symbols of those before it. Bundles without the tables have one level a rung, without shift.
 */
import { BundleError } from "../errors.mjs";

const LEVELS = 7;
const SPREADS = 11;
const SCALES = 64;
const MOST = 1016;
const RUNG_LEVELS = [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5], [6]];

/** @typedef {{factor: Int8Array, remap: Uint8Array}} Tables factor [7, C] in 1/64; remap [7, 64, 11] */

/**
 * The positions of a level in raster order, row * width + column; and four neighbours of each, -1 outside.
 * @typedef {{position: Int32Array, near: Int32Array | null}} Level
 */

/**
 * Codes symbols of scale index 1 or more: (index, shift, places, symbols, count). It fills or reads `symbols`.
 * A place is (row * width + column) * channels + channel.
 * @typedef {(index: Uint8Array, shift: Int32Array, place: Int32Array, symbols: Int32Array, count: number) => void} Code
 */

/**
 * Return the tables of z and y in `neighbours.bin`; BundleError for another size, or a coded index 0.
 * @param {Uint8Array} data
 * @param {[number, number]} channels of z and y
 * @returns {[Tables, Tables]}
 */
export function readTables(data, channels) {
  const remap = LEVELS * SCALES * SPREADS;
  const expected = LEVELS * (channels[0] + channels[1]) + 2 * remap;
  if (data.length !== expected) {
    throw new BundleError(
      `neighbours.bin: expected ${expected} bytes for ${channels[0]} and ${channels[1]} channels, found ` +
        `${data.length}; export the bundle again`,
    );
  }
  let at = 0;
  /** @param {number} count */
  const take = (count) => data.slice(at, (at += count));
  const [z, y] = channels.map((count) => {
    const factor = new Int8Array(take(LEVELS * count).buffer);
    const table = take(remap);
    table.forEach((value, i) => {
      const coded = Math.floor(i / SPREADS) % SCALES > 0;
      if (value >= SCALES || coded !== value > 0) {
        throw new BundleError(
          "neighbours.bin: scale index 0 must stay 0, and 1 to 63 within 1 to 63; export the bundle again",
        );
      }
    });
    return { factor, remap: table };
  });
  return [z, y];
}

/** @type {Map<string, Level>} */
const KEPT = new Map();

/**
 * Return one of the seven levels, or (number -1 - rung) all positions of a rung as one level without neighbours.
 * @param {number} number
 * @param {number} height
 * @param {number} width
 * @returns {Level}
 */
function level(number, height, width) {
  const key = `${number} ${height} ${width}`;
  const kept = KEPT.get(key);
  if (kept) return kept;
  if (KEPT.size > 64) KEPT.clear();
  const made = number < 0 ? plain(-1 - number, height, width) : between(number, height, width);
  KEPT.set(key, made);
  return made;
}

/**
 * @param {number} rung
 * @param {number} height
 * @param {number} width
 * @returns {Level}
 */
function plain(rung, height, width) {
  const position = [];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (!rung || (row + column) % 2 === rung - 1) position.push(row * width + column);
    }
  }
  return { position: Int32Array.from(position), near: null };
}

/**
 * @param {number} number
 * @param {number} height
 * @param {number} width
 * @returns {Level}
 */
function between(number, height, width) {
  const step = number ? 8 >> ((number + 1) >> 1) : 8;
  const corners = number % 2 === 1;
  const around = corners
    ? [[-step, -step], [-step, step], [step, -step], [step, step]]
    : [[-step, 0], [0, -step], [0, step], [step, 0]];
  const position = [];
  const near = [];
  for (let row = 0; row < height; row += step) {
    for (let column = 0; column < width; column += step) {
      const [down, right] = [(row / step) % 2, (column / step) % 2];
      if (number && !(corners ? down && right : down !== right)) continue;
      position.push(row * width + column);
      for (const [a, b] of around) {
        const [r, c] = [row + a, column + b];
        near.push(r >= 0 && r < height && c >= 0 && c < width ? r * width + c : -1);
      }
    }
  }
  return { position: Int32Array.from(position), near: number ? Int32Array.from(near) : null };
}

/** The deviations of z or y of one tile as they become known. */
export class Field {
  /**
   * @param {Tables | null} tables without them nothing is predicted
   * @param {[number, number, number]} shape height, width, channels
   * @param {boolean} whole whether shifts are whole steps (z)
   */
  constructor(tables, shape, whole) {
    this.tables = tables;
    this.whole = whole ? 8 : 1;
    this.height = shape[0];
    this.width = shape[1];
    this.channels = shape[2];
    /** Deviations cut to +-1016, in eighths of a step. */
    this.known = new Int16Array(tables ? shape[0] * shape[1] * shape[2] : 0);
  }

  /**
   * Code a rung of scale indices [h, w, C] level by level; returns its deviations, [h, w, C].
   * @param {number} rung
   * @param {ArrayLike<number>} index
   * @param {Code} code
   */
  walk(rung, index, code) {
    const { channels, known, tables } = this;
    const found = new Int32Array(index.length);
    for (const number of tables ? RUNG_LEVELS[rung] : [-1 - rung]) {
      const here = level(number, this.height, this.width);
      const most = here.position.length * channels;
      const [chosen, shift] = [new Uint8Array(most), new Int32Array(most)];
      const [place, symbols] = [new Int32Array(most), new Int32Array(most)];
      let count = 0;
      for (let p = 0; p < here.position.length; p++) {
        const base = here.position[p] * channels;
        for (let channel = 0; channel < channels; channel++) {
          const k = index[base + channel];
          if (!k) continue;
          place[count] = base + channel;
          chosen[count++] = k;
        }
      }
      if (tables && here.near) this.predict(tables, number, here, place, chosen, shift, count);
      code(chosen, shift, place, symbols, count);
      for (let i = 0; i < count; i++) {
        const deviation = 8 * symbols[i] + shift[i];
        found[place[i]] = deviation;
        if (tables) known[place[i]] = Math.max(-MOST, Math.min(MOST, deviation));
      }
    }
    return found;
  }

  /**
   * Replace scale indices by new ones, and fill in shifts.
   * @private
   * @param {Tables} tables
   * @param {number} number
   * @param {Level} here
   * @param {Int32Array} place
   * @param {Uint8Array} chosen
   * @param {Int32Array} shift
   * @param {number} count
   */
  predict(tables, number, here, place, chosen, shift, count) {
    const { channels, known, whole } = this;
    const { factor, remap } = tables;
    const near = /** @type {Int32Array} */ (here.near);
    const { position } = here;
    let p = 0;
    for (let i = 0; i < count; i++) {
      while (place[i] >= (position[p] + 1) * channels) p++;
      const channel = place[i] - position[p] * channels;
      let [inside, sum] = [0, 0];
      for (let n = 4 * p; n < 4 * p + 4; n++) {
        if (near[n] < 0) continue;
        inside++;
        sum += known[near[n] * channels + channel];
      }
      const share = 12 / inside;
      const total = factor[number * channels + channel] * share * sum;
      let by = whole * Math.floor((total + 384 * whole) / (768 * whole));
      by = Math.max(-MOST, Math.min(MOST, by));
      let apart = 0;
      for (let n = 4 * p; n < 4 * p + 4; n++) {
        if (near[n] >= 0) apart += Math.abs(known[near[n] * channels + channel] - by);
      }
      const spread = 32 - Math.clz32(Math.floor((4 * apart) / inside));
      shift[i] = by;
      chosen[i] = remap[(number * SCALES + chosen[i]) * SPREADS + Math.min(spread, SPREADS - 1)];
    }
  }
}
