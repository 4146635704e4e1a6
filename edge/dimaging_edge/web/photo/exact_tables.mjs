// @ts-check
/**
 * Tables of probabilities of exact pixels: 40 widths of 3 shapes, made by whole numbers alone.
 *
 * With r = RATIOS[width] and a_0 = 2^24, a_(j+1) = floor(a_j r / 65536), the weight of +-j is a_j (shape 0),
 * floor(2^48 a_j / (2^24 + a_j)^2) (shape 1), or a_j + floor(a'_j / 20) with a' of RATIOS[width + 8] (shape 2).
 */
import { normalise } from "../entropy/frequencies.mjs";
import { BITS, SLOTS } from "../entropy/rans.mjs";
import { ScaleTables } from "./symbols.mjs";

const RATIOS = [
  1200, 2268, 3874, 6075, 8869, 12192, 15933, 19953, 24109, 28267, 32314, 36162, 39750, 43041, 46019, 48681,
  51039, 53111, 54917, 56484, 57835, 58997, 59992, 60842, 61565, 62181, 62703, 63145, 63520, 63836, 64104,
  64329, 64520, 64681, 64816, 64930, 65026, 65107, 65175, 65232, 65280, 65321, 65355, 65384, 65408, 65428,
  65446, 65460,
];
const SHAPES = 3;
/** The number of tables; table 3 width + shape is row 1 + 3 width + shape of the counts. */
export const TABLES = 40 * SHAPES;
const ONE = 2 ** 24;
const HALF = 127;
const LAST = 511;

/** @type {ScaleTables | undefined} */
let made;

/** Return all tables; made once. */
export function exactTables() {
  if (!made) {
    const columns = 2 * HALF + 2;
    const counts = new Uint16Array((1 + TABLES) * columns);
    for (let table = 0; table < TABLES; table++) {
      counts.set(row(weights(Math.floor(table / SHAPES), table % SHAPES)), (1 + table) * columns);
    }
    made = new ScaleTables(counts, 4095, 1 + TABLES);
  }
  return made;
}

/** @param {number} width */
function geometric(width) {
  const found = [ONE];
  for (let j = 0; j < LAST; j++) found.push(Math.floor((found[j] * RATIOS[width]) / 65536));
  return found;
}

/**
 * @param {number} width
 * @param {number} shape
 */
function weights(width, shape) {
  const plain = geometric(width);
  if (shape === 1) {
    return plain.map((a) => Number((BigInt(a) << 48n) / BigInt(ONE + a) ** 2n));
  }
  if (shape === 2) {
    const tail = geometric(width + 8);
    return plain.map((a, j) => a + Math.floor(tail[j] / 20));
  }
  return plain;
}

/**
 * Return a row of counts: symbols -127 to 127, then ESCAPE.
 * @param {number[]} weight of +-j
 */
function row(weight) {
  const whole = 2 * weight.reduce((sum, one) => sum + one, 0) - weight[0];
  let reach = 1;
  for (let j = 2; j <= HALF; j++) if (weight[j] * SLOTS >= whole) reach = j;
  const inside = weight.slice(1, reach + 1);
  const rest = whole - weight[0] - 2 * inside.reduce((sum, one) => sum + one, 0);
  const escape = Math.max(rest, Math.floor(whole / SLOTS), 1);
  const both = [...inside.slice().reverse(), weight[0], ...inside, escape];
  const counts = normalise(both.map((one) => Math.max(1, one)), BITS);
  const found = new Uint16Array(2 * HALF + 2);
  found.set(counts.slice(0, -1), HALF - reach);
  found[2 * HALF + 1] = counts[counts.length - 1];
  return found;
}
