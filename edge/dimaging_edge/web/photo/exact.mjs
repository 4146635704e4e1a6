// @ts-check
/**
 * The exact pixels of a tile, or pixels within a bound: the layer `PIXL` of a file, decoded in whole numbers alone.
 *
 * Pixels are coded between those that are known (`exact_grid`), with linear models that the file brings for each tile
 * and tables of probabilities (`exact_tables`), by the same rANS as latents. No network takes part. docs/format.md
 * specifies it.
 */
import { CodecError } from "../errors.mjs";
import { viewOf } from "./container.mjs";
import { LEVELS, steps, taps } from "./exact_grid.mjs";
import { TABLES, exactTables } from "./exact_tables.mjs";
import { inflate } from "./plane.mjs";
import { MOST_LANES, RungReader } from "./symbols.mjs";

const MOST_BOUND = 32;
const WIDEST = 4095;
const CONTEXTS = 36;
const GROUPS = 3;
const FIRST = 1 << LEVELS;
const DAMAGED = "the exact pixels are damaged";

/** @typedef {{weights: Int32Array, spread: Int32Array, tables: Uint8Array}} Numbers of a group of levels, kind and plane */
/** @typedef {import("./exact_grid.mjs").Step} Step */

/**
 * Return the bound that a chunk states, 0 for no loss; CodecError for another kind of layer.
 * @param {Uint8Array} data
 */
export function boundOf(data) {
  if (data.length < 2 || data[0] !== 1 || data[1] > MOST_BOUND) {
    throw new CodecError(
      `the exact pixels are of kind ${data[0] ?? "none"}, or their bound is, which this page does not know. Update it: ` +
        "pip install -U dimaging",
    );
  }
  return data[1];
}

/**
 * Fill the image with the pixels of a chunk; CodecError where they do not fit the header.
 * @param {Uint8Array} data
 * @param {import("./container.mjs").Header} header
 * @param {import("./tiles.mjs").Tile[]} grid
 * @param {Uint8Array | Uint16Array} image [height * width * channels]
 * @param {(done: number) => void | Promise<void>} [progress] after each tile
 */
export async function unpackExact(data, header, grid, image, progress) {
  const bound = boundOf(data);
  const { height, width, channels } = header;
  let at = 2 + 4 * grid.length;
  const lengths = grid.map((_, i) => (at <= data.length ? viewOf(data).getUint32(2 + 4 * i, true) : 0));
  if (data.length !== lengths.reduce((sum, one) => sum + one, at)) {
    throw new CodecError(
      `${DAMAGED} or forged: their ${grid.length} tiles end elsewhere than the chunk of ${data.length} bytes`,
    );
  }
  for (const part of grid) {
    const [bottom, right] = [Math.min(part.bottom, height), Math.min(part.right, width)];
    const [rows, columns] = [bottom - part.top, right - part.left];
    const mine = data.subarray(at, (at += lengths[part.number]));
    const pixels = await decodePixels(mine, rows, columns, channels, 2 ** header.depth - 1, bound);
    for (let row = 0; row < rows; row++) {
      const line = pixels.subarray(row * columns * channels, (row + 1) * columns * channels);
      image.set(line, ((part.top + row) * width + part.left) * channels);
    }
    await progress?.(part.number + 1);
  }
}

/**
 * Return the pixels of a tile, [height * width * channels]; CodecError for data that are not of such a tile.
 * @param {Uint8Array} data
 * @param {number} height
 * @param {number} width
 * @param {number} channels
 * @param {number} most the largest value of a sample
 * @param {number} bound
 */
export async function decodePixels(data, height, width, channels, most, bound) {
  if (data.length < 6) throw new CodecError(`${DAMAGED}: ${data.length} bytes of a tile`);
  const lanes = viewOf(data).getUint16(0, true);
  const end = 6 + viewOf(data).getUint32(2, true);
  if (lanes < 1 || lanes > MOST_LANES) {
    throw new CodecError(`${DAMAGED}: ${lanes} lanes, expected 1 to ${MOST_LANES}`);
  }
  // The last value of a plane stands for taps of a phase without pixels.
  const planes = Array.from({ length: channels }, () => new Int32Array(height * width + 1));
  const { ranges, sets } = await numbersOf(data.subarray(6, end), planes, height, width, most, bound);
  const reader = new RungReader(exactTables(), lanes);
  reader.begin(data.subarray(end));
  for (const step of steps(height, width)) {
    const places = taps(step, height, width);
    /** @type {Int32Array[]} */
    const errors = [];
    for (let channel = 0; channel < channels; channel++) {
      const mine = sets[(Math.min(step.level, GROUPS - 1) * 3 + step.kind) * channels + channel];
      const { predicted, index } = predict(step, places, planes, channel, width, mine, ranges[channel], errors);
      const symbols = new Int32Array(index.length);
      reader.piece(index, symbols, index.length);
      const [low, high] = ranges[channel];
      const plane = planes[channel];
      let i = 0;
      for (let row = 0; row < step.rows; row++) {
        let place = (step.row + row * step.stride) * width + step.column;
        for (let column = 0; column < step.columns; column++, i++, place += step.stride) {
          const value = Math.max(low, Math.min(high, predicted[i] + (2 * bound + 1) * symbols[i]));
          plane[place] = value;
          symbols[i] = value - predicted[i];
        }
      }
      errors.push(symbols);
    }
  }
  reader.end();
  reader.finish();
  return interleaved(planes, height * width, most, bound === 0);
}

/**
 * Return the prediction of every pixel of a step in a plane, and the index of its table.
 * @param {Step} step
 * @param {{row: Int32Array, column: Int32Array}[]} places of the taps
 * @param {Int32Array[]} planes
 * @param {number} channel
 * @param {number} width
 * @param {Numbers} numbers
 * @param {number[]} range
 * @param {Int32Array[]} errors of the planes before
 */
function predict(step, places, planes, channel, width, { weights, spread, tables }, [low, high], errors) {
  const { rows, columns, stride } = step;
  const predicted = new Int32Array(rows * columns);
  const index = new Uint8Array(rows * columns);
  const tap = new Int32Array(16);
  let i = 0;
  for (let row = 0; row < rows; row++) {
    let here = (step.row + row * stride) * width + step.column;
    for (let column = 0; column < columns; column++, i++, here += stride) {
      let sum = 128;
      let at = 16;
      for (let before = 0; before < channel; before++) {
        const plane = planes[before];
        for (let k = 0; k < 8; k++) tap[k] = plane[places[k].row[row] + places[k].column[column]];
        const middle = (tap[0] + tap[1] + tap[2] + tap[3] + 2) >> 2;
        sum += weights[at++] * (plane[here] - middle);
        for (let k = 0; k < 8; k++) sum += weights[at++] * (tap[k] - middle);
      }
      const plane = planes[channel];
      for (let k = 0; k < 16; k++) tap[k] = plane[places[k].row[row] + places[k].column[column]];
      const mean = (tap[0] + tap[1] + tap[2] + tap[3] + 2) >> 2;
      for (let k = 0; k < 16; k++) sum += weights[k] * (tap[k] - mean);
      const value = Math.max(low, Math.min(high, mean + Math.floor(sum / 256)));
      predicted[i] = value;
      let unsure = spread[0] * Math.abs(tap[0] - tap[1]) + spread[1] * Math.abs(tap[0] - tap[2]) +
        spread[2] * Math.abs(tap[2] - tap[3]) + spread[3] * Math.abs(tap[1] - tap[3]) +
        spread[4] * Math.abs(tap[0] - tap[3]) + spread[5] * Math.abs(tap[1] - tap[2]);
      for (let k = 0; k < 8; k++) unsure += spread[6 + k] * Math.abs(tap[4 + k] - mean);
      unsure += spread[14] * Math.abs(value - tap[0]) + spread[15] * Math.abs(value - tap[3]) + spread[16] * 4;
      for (let before = 0; before < channel; before++) {
        const error = errors[before];
        const around = Math.abs(error[row ? i - columns : i]) + Math.abs(error[row + 1 < rows ? i + columns : i]) +
          Math.abs(error[column ? i - 1 : i]) + Math.abs(error[column + 1 < columns ? i + 1 : i]);
        unsure += spread[17 + 2 * before] * Math.abs(error[i]) + spread[18 + 2 * before] * around;
      }
      // Quarter octaves of how unsure the prediction is.
      const size = Math.max(4, Math.min(1 << 20, Math.floor(unsure / 16)));
      const octave = 29 - Math.clz32(size);
      index[i] = 1 + tables[Math.max(0, Math.min(CONTEXTS - 1, 4 * octave + (size >> octave) - 12))];
    }
  }
  return { predicted, index };
}

/**
 * Return the range of each plane and all sets, and put the first pixels into the planes; what no encoder writes is
 * refused.
 * @param {Uint8Array} told
 * @param {Int32Array[]} planes
 * @param {number} height
 * @param {number} width
 * @param {number} most
 * @param {number} bound
 */
async function numbersOf(told, planes, height, width, most, bound) {
  const channels = planes.length;
  const [down, right] = [Math.ceil(height / FIRST), Math.ceil(width / FIRST)];
  const keys = GROUPS * 3 * channels;
  let count = channels * (2 + down * right);
  for (let key = 0; key < keys; key++) count += 33 + 11 * (key % channels);
  const body = await inflate(told, 3 * count + CONTEXTS * keys, "the exact pixels are");
  const flat = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    flat[i] = ((body[i] | (body[count + i] << 8) | (body[2 * count + i] << 16)) << 8) >> 8; // 24 bits with their sign
  }
  const tables = body.subarray(3 * count);
  const top = tables.reduce((found, one) => Math.max(found, one), 0);
  if (top >= TABLES) throw new CodecError(`${DAMAGED}: table ${top} of ${TABLES}`);
  let at = 0;
  const take = (/** @type {number} */ size) => flat.subarray(at, (at += size));
  const pairs = take(2 * channels);
  const ranges = planes.map((plane, channel) => {
    const [low, high] = pairs.subarray(2 * channel, 2 * channel + 2);
    const least = bound === 0 && channel ? -most : 0; // differences of colours
    if (!(least <= low && low <= high && high <= most) || high - low > WIDEST) {
      throw new CodecError(
        `${DAMAGED}: a plane has values from ${low} to ${high}, expected from ${least} to ${most}, and at most ` +
          `${WIDEST + 1} of them`,
      );
    }
    take(down * right).forEach((pixel, i) => {
      if (pixel < 0 || pixel > high - low) throw new CodecError(`${DAMAGED}: first pixels outside their plane's range`);
      plane[Math.floor(i / right) * FIRST * width + (i % right) * FIRST] = pixel + low;
    });
    return [low, high];
  });
  if (flat.subarray(at).some((one) => one !== (one << 16) >> 16)) {
    throw new CodecError(`${DAMAGED}: weights of more than 16 bits`);
  }
  const sets = Array.from({ length: keys }, (_, key) => ({
    weights: take(16 + 9 * (key % channels)),
    spread: take(17 + 2 * (key % channels)),
    tables: tables.subarray(CONTEXTS * key, CONTEXTS * (key + 1)),
  }));
  return { ranges, sets };
}

/**
 * Return the samples of planes: grey; y, cg, co of YCoCg-R (Malvar and Sullivan 2003) where `mixed`; green, red, blue.
 * @param {Int32Array[]} planes
 * @param {number} count of pixels
 * @param {number} most
 * @param {boolean} mixed
 */
function interleaved(planes, count, most, mixed) {
  const channels = planes.length;
  const found = most > 255 ? new Uint16Array(count * channels) : new Uint8Array(count * channels);
  if (channels === 1) {
    const grey = planes[0].subarray(0, count);
    if (grey.some((one) => one < 0 || one > most)) throw new CodecError(`${DAMAGED}: samples outside 0 to ${most}`);
    found.set(grey);
    return found;
  }
  for (let i = 0; i < count; i++) {
    let [green, red, blue] = [planes[0][i], planes[1][i], planes[2][i]];
    if (mixed) {
      const [y, cg, co] = [green, red, blue];
      const t = y - (cg >> 1);
      green = cg + t;
      blue = t - (co >> 1);
      red = blue + co;
    }
    if (Math.min(red, green, blue) < 0 || Math.max(red, green, blue) > most) {
      throw new CodecError(`${DAMAGED}: samples outside 0 to ${most}`);
    }
    found.set([red, green, blue], 3 * i);
  }
  return found;
}
