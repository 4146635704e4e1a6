// @ts-check
/**
 * Search for the quality whose file has at most so many bytes. Where that quality is low, or none meets the limit, the
 * photo is also tried at half its width and height, and the better picture is taken: as `compress --target-bpp` does.
 */
import { psnr } from "../clean.mjs";
import { InputError } from "../errors.mjs";
import { compress, decompress } from "./codec.mjs";
import { QUALITIES } from "./container.mjs";

/** Below this quality half size is tried, too; on photographs it wins up to about 5. */
const LOW = 10;

/** @typedef {import("./codec.mjs").SymbolModel} SymbolModel */
/** @typedef {import("./codec.mjs").Photo} Photo */
/**
 * half: at half size, and at no other. opening: called before two files are opened and compared.
 * @typedef {{tile?: number, half?: boolean, progress?: (done: number, total: number) => void | Promise<void>,
 *   opening?: () => void | Promise<void>}} Options
 */
/** @typedef {{data: Uint8Array, quality: number, half: boolean}} Found a file, and how it is coded */

/**
 * Return the file of a photo at a quality or, where that has more than `most` bytes, the best that has not; InputError
 * where none meets the limit.
 * @param {SymbolModel} model
 * @param {Photo} photo
 * @param {number} quality
 * @param {number} most
 * @param {Options} options
 * @returns {Promise<Found>}
 */
export async function atMost(model, photo, quality, most, options = {}) {
  const found = await largest(model, photo, quality, most, options);
  const fits = found.data.length <= most;
  if (fits && (found.quality === quality || found.quality >= LOW)) return found;
  const other = !options.half && Math.min(photo.height, photo.width) > 1;
  const small = other ? await largest(model, photo, QUALITIES - 1, most, { ...options, half: true }) : found;
  if (small.data.length > most) {
    if (fits) return found;
    const least = Math.min(found.data.length, small.data.length);
    throw new InputError(`${most} bytes cannot be met: this photo has at least ${least}; allow more, or scale it down`);
  }
  if (!fits || small === found) return small;
  await options.opening?.();
  const [whole, half] = [await shown(model, photo, found, options), await shown(model, photo, small, options)];
  return half > whole ? small : found;
}

/**
 * Return the file of the highest quality, up to the one given, that has at most so many bytes, or that of quality 0.
 * @param {SymbolModel} model
 * @param {Photo} photo
 * @param {number} quality
 * @param {number} most
 * @param {Options} options
 * @returns {Promise<Found>}
 */
async function largest(model, photo, quality, most, options) {
  /** @type {Found | undefined} */
  let best;
  let [low, high, at] = [-1, quality + 1, quality]; // the best that fits, the least that does not, and the one to try
  for (;;) {
    const data = await compress(model, photo, at, options);
    const found = { data, quality: at, half: Boolean(options.half) };
    if (data.length <= most) [low, best] = [at, found];
    else high = at;
    if (high - low < 2) return best ?? found;
    // Bytes grow by about 7 % from one quality to the next.
    at = Math.min(Math.max(at + Math.floor(Math.log(most / data.length) / 0.07), low + 1), high - 1);
  }
}

/**
 * Return the PSNR of what a file shows of its photo, in dB.
 * @param {SymbolModel} model
 * @param {Photo} photo
 * @param {Found} found
 * @param {Options} options
 */
async function shown(model, photo, { data }, { progress }) {
  const back = await decompress(model, data, { progress: (done, total) => progress?.(done, total) });
  return psnr(back.photo.image, photo.image);
}
