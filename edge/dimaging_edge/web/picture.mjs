// @ts-check
/**
 * Pictures in files become a `Photo` and go back, by what the browser can read and write.
 *
 * Everything has 8 bits. A photo is turned upright as its EXIF says; ICC profile and EXIF are kept, the entry of
 * orientation set to 1. Colours under transparency pass a canvas, which rounds them; alpha itself is exact.
 */
import { InputError } from "./errors.mjs";
import { metadata } from "./metadata.mjs";
import { MOST_PIXELS, area } from "./photo/container.mjs";

/** @typedef {import("./photo/codec.mjs").Photo} Photo */

/**
 * Return the pixels of a picture, upright; InputError where the browser cannot read it.
 * @param {Blob} file
 */
async function bitmapOf(file) {
  try {
    return await createImageBitmap(file, {
      imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none",
    });
  } catch {
    throw new InputError("this browser cannot read that picture; JPEG, PNG and WebP are read everywhere");
  }
}

/**
 * Return the picture of a file, and a note where it was scaled down; InputError where it cannot be read.
 * @param {Blob} file
 * @param {number} mostPixels
 * @returns {Promise<{photo: Photo, note: string}>}
 */
export async function readPicture(file, mostPixels = MOST_PIXELS) {
  const data = new Uint8Array(await file.arrayBuffer());
  const bitmap = await bitmapOf(new Blob([data], { type: file.type }));
  let { width, height } = bitmap;
  let note = "";
  if (area(width, height) > mostPixels) {
    const scale = Math.sqrt(mostPixels / area(width, height)) * 0.995;
    const was = `${width} x ${height}`;
    [width, height] = [Math.max(1, Math.floor(width * scale)), Math.max(1, Math.floor(height * scale))];
    note = `scaled from ${was} to ${width} x ${height}: a page has room for ${Math.round(mostPixels / 1e6)} megapixels`;
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data: rgba } = context.getImageData(0, 0, width, height);
  return { photo: { ...fromRgba(rgba, width, height), ...(await metadata(data)) }, note };
}

/**
 * Return the middle square of a picture in `side` x `side` pixels, RGBA. It is halved step by step, so that every pixel
 * of the source counts.
 * @param {CanvasImageSource} source
 * @param {number} width of the source
 * @param {number} height
 * @param {number} side
 */
export function squareOf(source, width, height, side) {
  let edge = Math.min(width, height);
  let from = { source, left: (width - edge) / 2, top: (height - edge) / 2, edge };
  for (;;) {
    edge = edge > 2 * side ? Math.ceil(edge / 2) : side;
    const canvas = new OffscreenCanvas(edge, edge);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: edge === side }));
    context.imageSmoothingQuality = "high";
    context.drawImage(from.source, from.left, from.top, from.edge, from.edge, 0, 0, edge, edge);
    if (edge === side) return context.getImageData(0, 0, side, side).data;
    from = { source: canvas, left: 0, top: 0, edge };
  }
}

/**
 * Return the middle square of the picture in a file, in `side` x `side` pixels, RGBA; InputError where it is none.
 * @param {Blob} file
 * @param {number} side
 */
export async function readSquare(file, side) {
  const bitmap = await bitmapOf(file);
  const rgba = squareOf(bitmap, bitmap.width, bitmap.height, side);
  bitmap.close();
  return rgba;
}

/**
 * Return a picture of 1 channel where red, green and blue are equal everywhere, else of 3; alpha where there is any.
 * @param {Uint8ClampedArray} rgba
 * @param {number} width
 * @param {number} height
 * @returns {Photo}
 */
export function fromRgba(rgba, width, height) {
  const count = width * height;
  let [grey, opaque] = [true, true];
  for (let i = 0; i < 4 * count; i += 4) {
    grey = grey && rgba[i] === rgba[i + 1] && rgba[i] === rgba[i + 2];
    opaque = opaque && rgba[i + 3] === 255;
    if (!grey && !opaque) break;
  }
  const channels = grey ? 1 : 3;
  const image = new Uint8Array(count * channels);
  const alpha = opaque ? null : new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < channels; k++) image[i * channels + k] = rgba[4 * i + k];
    if (alpha) alpha[i] = rgba[4 * i + 3];
  }
  return { image, height, width, channels, alpha };
}

/**
 * Return the pixels of a picture for a canvas; 16 bits become 8.
 * @param {Photo} photo
 */
export function toRgba({ image, height, width, channels, alpha }) {
  const rgba = new Uint8ClampedArray(4 * height * width);
  const wide = image instanceof Uint16Array;
  for (let i = 0; i < height * width; i++) {
    for (let k = 0; k < 3; k++) {
      const value = image[i * channels + (channels === 1 ? 0 : k)];
      rgba[4 * i + k] = wide ? (value * 255 + 32767) / 65535 : value;
    }
    rgba[4 * i + 3] = alpha ? alpha[i] : 255;
  }
  return rgba;
}

/**
 * Return a picture as a file.
 * @param {Photo} photo
 * @param {string} type
 * @param {number} [quality] 0 to 1
 * @param {Uint8ClampedArray} rgba its pixels for a canvas, where they are at hand
 */
export async function writePicture(photo, type = "image/png", quality = undefined, rgba = toRgba(photo)) {
  const canvas = new OffscreenCanvas(photo.width, photo.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.putImageData(new ImageData(/** @type {any} */ (rgba), photo.width, photo.height), 0, 0);
  return canvas.convertToBlob({ type, quality });
}

/**
 * Return the best file of another format that is no larger than `bytes`, or its smallest; null where the browser
 * cannot write the format.
 * @param {Photo} photo
 * @param {string} type
 * @param {number} bytes
 */
export async function rival(photo, type, bytes) {
  let [low, high] = [0, 100];
  let best = await writePicture(photo, type, 0);
  if (best.type !== type) return null;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const file = await writePicture(photo, type, middle / 100);
    if (file.size <= bytes) [low, best] = [middle, file];
    else high = middle;
  }
  return best;
}
