// @ts-check
/**
 * The tiles of a picture: cores that cover it without overlap, and the halo that the networks see.
 *
 * All edges lie on multiples of 32 pixels. A network sees a core and `halo` pixels more on each side, as far as the
 * padded picture goes, and what it answers for the halo is cut off.
 */

export const STEP = 32;

/** @typedef {{top: number, bottom: number, left: number, right: number}} Box in pixels */
/** @typedef {Box & {number: number, window: Box}} Tile */

/**
 * Return the size, in pixels, rounded up to a multiple of 32.
 * @param {number} size
 */
export function padded(size) {
  return Math.ceil(size / STEP) * STEP;
}

/**
 * Return the tiles of a picture, in raster order.
 * @param {number} height
 * @param {number} width
 * @param {number} edge
 * @param {number} halo
 * @returns {Tile[]}
 */
export function tiles(height, width, edge, halo) {
  const whole = { top: 0, bottom: padded(height), left: 0, right: padded(width) };
  return within(whole, whole, edge, halo);
}

/**
 * Return tiles of at most `edge` that cover a box; their windows stay inside the picture.
 * @param {Box} box
 * @param {Box} picture
 * @param {number} edge
 * @param {number} halo
 * @returns {Tile[]}
 */
export function within(box, picture, edge, halo) {
  const found = [];
  for (let top = box.top; top < box.bottom; top += edge) {
    const bottom = Math.min(top + edge, box.bottom);
    for (let left = box.left; left < box.right; left += edge) {
      const right = Math.min(left + edge, box.right);
      const window = {
        top: Math.max(top - halo, picture.top),
        bottom: Math.min(bottom + halo, picture.bottom),
        left: Math.max(left - halo, picture.left),
        right: Math.min(right + halo, picture.right),
      };
      found.push({ number: found.length, top, bottom, left, right, window });
    }
  }
  return found;
}

/**
 * Return a box [h, w, C] of an array [H, W, C] in 1/step of the size, both in pixels.
 * @template {Uint8Array | Uint16Array | Int8Array | Int16Array | Int32Array} T
 * @param {T} array
 * @param {number} width of the array in pixels
 * @param {number} channels
 * @param {Box} box
 * @param {number} step
 * @returns {T}
 */
export function crop(array, width, channels, box, step) {
  const line = (width / step) * channels;
  const [from, to] = [(box.left / step) * channels, (box.right / step) * channels];
  const rows = (box.bottom - box.top) / step;
  const part = /** @type {T} */ (new /** @type {any} */ (array.constructor)(rows * (to - from)));
  for (let row = 0; row < rows; row++) {
    const begin = (box.top / step + row) * line;
    part.set(array.subarray(begin + from, begin + to), row * (to - from));
  }
  return part;
}

/**
 * Put a box [h, w, C] back into an array [H, W, C].
 * @param {Uint8Array | Uint16Array | Int8Array | Int16Array} array
 * @param {number} width of the array in pixels
 * @param {number} channels
 * @param {Box} box
 * @param {number} step
 * @param {ArrayLike<number>} part
 */
export function paste(array, width, channels, box, step, part) {
  const line = (width / step) * channels;
  const length = ((box.right - box.left) / step) * channels;
  const rows = (box.bottom - box.top) / step;
  for (let row = 0; row < rows; row++) {
    const to = (box.top / step + row) * line + (box.left / step) * channels;
    for (let i = 0; i < length; i++) array[to + i] = part[row * length + i];
  }
}

/**
 * Return a window [h, w, model] of an image [H, W, C]; beyond its edge the last pixels are repeated, and grey becomes
 * as many channels as the model has.
 * @template {Uint8Array | Uint16Array} T
 * @param {T} image
 * @param {number} height
 * @param {number} width
 * @param {number} channels
 * @param {Box} window
 * @param {number} model
 * @returns {T}
 */
export function cut(image, height, width, channels, window, model) {
  const [rows, columns] = [window.bottom - window.top, window.right - window.left];
  const part = /** @type {T} */ (new /** @type {any} */ (image.constructor)(rows * columns * model));
  for (let r = 0, to = 0; r < rows; r++) {
    const row = Math.min(window.top + r, height - 1) * width;
    for (let c = 0; c < columns; c++) {
      const from = (row + Math.min(window.left + c, width - 1)) * channels;
      for (let k = 0; k < model; k++, to++) part[to] = image[from + (channels === 1 ? 0 : k)];
    }
  }
  return part;
}
