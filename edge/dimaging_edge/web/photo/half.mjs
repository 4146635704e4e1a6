// @ts-check
/**
 * Half the width and height: a picture is reduced before it is coded, and enlarged after it is decoded, in whole numbers.
 * docs/format.md gives the weights; both are Python's to the last bit.
 */

/** The weights, in 1/128, of four pixels in the one that lies 1/4 to the right of the second, or below it. */
const RIGHT = [-9, 111, 29, -3];
/** The same for the one 1/4 to the left of the third, or above it. */
const LEFT = [...RIGHT].reverse();
/** The weights, in 1/256, of full pixels 2 i - 3 to 2 i + 4 in reduced pixel i. */
const REDUCE = [-3, -9, 29, 111, 111, 29, -9, -3];

/** @typedef {{height: number, width: number}} Size */

/**
 * Return half a size, in pixels, rounded up.
 * @param {number} size
 */
export const halfOf = (size) => Math.ceil(size / 2);

/**
 * Return an image [height, width, channels] with half its height and width, both rounded up.
 * @param {Uint8Array | Uint16Array} image
 * @param {Size} from
 * @param {number} channels
 */
export function reduced(image, from, channels) {
  const to = { height: halfOf(from.height), width: halfOf(from.width) };
  return resampled(image, from, to, channels, 8, (at) => [2 * at - 3, REDUCE]);
}

/**
 * Return an image [h, w, channels] as [height, width, channels], of twice the sides, or of one pixel less.
 * @param {Uint8Array | Uint16Array} small
 * @param {Size} from
 * @param {Size} to
 * @param {number} channels
 */
export function enlarged(small, from, to, channels) {
  return resampled(small, from, to, channels, 7, (at) => [(at >> 1) - (at % 2 ? 1 : 2), at % 2 ? RIGHT : LEFT]);
}

/**
 * Return an image of another size: rows and columns alike are weighted sums, rounded once, to nearest, and cut to the
 * range of a sample. Pixels beyond the edge are those at it.
 * @param {Uint8Array | Uint16Array} image
 * @param {Size} from
 * @param {Size} to
 * @param {number} channels
 * @param {number} bits weights are in 1 / 2 ** bits
 * @param {(at: number) => [number, number[]]} taps the first pixel that makes pixel `at`, and the weights from there on
 */
function resampled(image, from, to, channels, bits, taps) {
  const size = to.height * to.width * channels;
  const found = image instanceof Uint16Array ? new Uint16Array(size) : new Uint8Array(size);
  const [top, one] = [2 ** (8 * image.BYTES_PER_ELEMENT) - 1, 4 ** bits];
  const places = (/** @type {number} */ at, /** @type {number} */ side) => {
    const [first, weights] = taps(at);
    return { weights, places: weights.map((_, k) => Math.min(Math.max(first + k, 0), side - 1)) };
  };
  const line = from.width * channels;
  const sums = new Int32Array(line); // the sums of these have up to 6.1e9, which a number holds
  const columns = Array.from({ length: to.width }, (_, column) => places(column, from.width));
  for (let row = 0, at = 0; row < to.height; row++) {
    sums.fill(0);
    const rows = places(row, from.height);
    rows.places.forEach((place, k) => {
      for (let i = 0; i < line; i++) sums[i] += rows.weights[k] * image[place * line + i];
    });
    for (const { places, weights } of columns) {
      for (let channel = 0; channel < channels; channel++, at++) {
        let sum = one / 2;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * sums[places[k] * channels + channel];
        found[at] = Math.min(Math.max(Math.floor(sum / one), 0), top);
      }
    }
  }
  return found;
}
