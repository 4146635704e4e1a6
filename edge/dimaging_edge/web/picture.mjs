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

/** Rows of a picture that are read from a canvas at once: copies of 12 megapixels would fill a phone's memory. */
const ROWS = 256;

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
  const bitmap = await bitmapOf(file);
  let { width, height } = bitmap;
  let note = "";
  /** @type {CanvasImageSource} */
  let source = bitmap;
  if (area(width, height) > mostPixels) {
    const scale = Math.sqrt(mostPixels / area(width, height)) * 0.995;
    const was = `${width} x ${height}`;
    [width, height] = [Math.max(1, Math.floor(width * scale)), Math.max(1, Math.floor(height * scale))];
    note = `scaled from ${was} to ${width} x ${height}: a page has room for ${Math.round(mostPixels / 1e6)} megapixels`;
    const { canvas, context } = canvasOf(width, height);
    context.drawImage(bitmap, 0, 0, width, height);
    bitmap.close();
    source = canvas;
  }
  const { context } = canvasOf(width, Math.min(ROWS, height));
  context.globalCompositeOperation = "copy"; // nothing of the band before shows through
  const photo = fromBands(width, height, (top, rows) => {
    context.drawImage(source, 0, top, width, rows, 0, 0, width, rows);
    return context.getImageData(0, 0, width, rows).data;
  });
  bitmap.close();
  return { photo: { ...photo, ...(await metadata(new Uint8Array(await file.arrayBuffer()))) }, note };
}

/**
 * Return a canvas whose pixels are read.
 * @param {number} width
 * @param {number} height
 */
function canvasOf(width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  return { canvas, context };
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
 */
export function fromRgba(rgba, width, height) {
  return fromBands(width, height, (top, rows) => rgba.subarray(4 * width * top, 4 * width * (top + rows)));
}

/**
 * Return the picture of `fromRgba`, whose RGBA values need never be in memory all at once.
 * @param {number} width
 * @param {number} height
 * @param {(top: number, rows: number) => Uint8ClampedArray} band returns the RGBA values of some rows
 * @returns {Photo}
 */
function fromBands(width, height, band) {
  const count = width * height;
  const image = new Uint8Array(3 * count);
  /** @type {Uint8Array | null} */
  let alpha = null;
  let [grey, at] = [true, 0];
  for (let top = 0; top < height; top += ROWS) {
    const rgba = band(top, Math.min(ROWS, height - top));
    for (let i = 0; i < rgba.length; i += 4, at++) {
      for (let k = 0; k < 3; k++) image[3 * at + k] = rgba[i + k];
      grey = grey && rgba[i] === rgba[i + 1] && rgba[i] === rgba[i + 2];
      if (rgba[i + 3] !== 255) alpha ??= new Uint8Array(count).fill(255);
      if (alpha) alpha[at] = rgba[i + 3];
    }
  }
  if (!grey) return { image, height, width, channels: 3, alpha };
  for (let i = 0; i < count; i++) image[i] = image[3 * i];
  return { image: image.slice(0, count), height, width, channels: 1, alpha };
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
