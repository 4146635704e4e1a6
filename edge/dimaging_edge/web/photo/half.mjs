// @ts-check
/** Enlarging a picture that was coded at half its width and height, in whole numbers; docs/format.md gives the weights. */

/** The weights, in 1/128, of four pixels in the one that lies 1/4 to the right of the second, or below it. */
const RIGHT = [-9, 111, 29, -3];
/** The same for the one 1/4 to the left of the third, or above it. */
const LEFT = [...RIGHT].reverse();

/**
 * Return half a size, in pixels, rounded up.
 * @param {number} size
 */
export const halfOf = (size) => Math.ceil(size / 2);

/**
 * Return which four pixels make pixel `at` of the enlarged side, those beyond the edge being those at it, and weights.
 * @param {number} at
 * @param {number} size of the side before, in pixels
 */
function taps(at, size) {
  const first = (at >> 1) - (at % 2 ? 1 : 2);
  const places = RIGHT.map((_, k) => Math.min(Math.max(first + k, 0), size - 1));
  return { places, weights: at % 2 ? RIGHT : LEFT };
}

/**
 * Return an image [h, w, channels] as [height, width, channels], of twice the sides, or of one pixel less.
 * @param {Uint8Array | Uint16Array} small
 * @param {{height: number, width: number}} from
 * @param {{height: number, width: number}} to
 * @param {number} channels
 */
export function enlarged(small, from, to, channels) {
  const size = to.height * to.width * channels;
  const image = small instanceof Uint16Array ? new Uint16Array(size) : new Uint8Array(size);
  const top = 2 ** (8 * small.BYTES_PER_ELEMENT) - 1;
  const line = from.width * channels;
  const sums = new Int32Array(line); // in 1/128; all in all in 1/2^14, at most 1.6e9
  const columns = Array.from({ length: to.width }, (_, column) => taps(column, from.width));
  for (let row = 0, at = 0; row < to.height; row++) {
    sums.fill(0);
    const { places, weights } = taps(row, from.height);
    places.forEach((place, k) => {
      for (let i = 0; i < line; i++) sums[i] += weights[k] * small[place * line + i];
    });
    for (const { places, weights } of columns) {
      for (let channel = 0; channel < channels; channel++, at++) {
        let sum = 1 << 13;
        for (let k = 0; k < 4; k++) sum += weights[k] * sums[places[k] * channels + channel];
        image[at] = Math.min(Math.max(sum >> 14, 0), top);
      }
    }
  }
  return image;
}
