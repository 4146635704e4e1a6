// @ts-check
/** What `compress` and `decompress` are given: checked before any work, each error with what was expected. */
import { CodecError, InputError } from "../errors.mjs";
import { MOST_PIXELS, MOST_TILE, QUALITIES, area } from "./container.mjs";

/** @typedef {import("./tile_codec.mjs").SymbolModel} SymbolModel */

/**
 * Throw CodecError for a file of another model.
 * @param {SymbolModel} model
 * @param {import("./container.mjs").Header} header
 */
export function checkModel(model, header) {
  if (header.modelId !== model.modelId) {
    throw new CodecError(
      `the file was compressed with model ${header.modelId}, this is model ${model.modelId}; serve the bundle that ` +
        "compressed it: dimaging-edge app BUNDLE",
    );
  }
  if (header.depth !== model.bitDepth || header.channels > model.channels) {
    throw new CodecError(
      `the header is damaged or forged: it says ${header.channels} channels of ${header.depth} bits, its model has ` +
        `${model.channels} of ${model.bitDepth}`,
    );
  }
}

/**
 * Throw InputError for what `compress` cannot work with.
 * @param {SymbolModel} model
 * @param {import("./codec.mjs").Photo} photo
 * @param {number} quality
 * @param {number} tile
 * @param {boolean} half whether it is coded at half its width and height
 */
export function check(model, photo, quality, tile, half) {
  const { image, height, width, channels } = photo;
  const depth = 8 * image.BYTES_PER_ELEMENT;
  const fits = channels === model.channels || channels === 1;
  if (depth !== model.bitDepth || !fits || image.length !== height * width * channels) {
    throw new InputError(
      `image: expected ${model.bitDepth} bits and 1 or ${model.channels} channels, received ${depth} bits, ` +
        `${height} x ${width} x ${channels}`,
    );
  }
  if (!image.length || area(width, height) > MOST_PIXELS) {
    throw new InputError(
      `image: expected 1 to ${MOST_PIXELS} pixels, received ${width} x ${height}; scale it down, or use the command: ` +
        "dimaging-edge compress",
    );
  }
  if (half && Math.min(height, width) < 2) {
    throw new InputError(
      `half: expected a picture of at least 2 x 2 pixels, received ${width} x ${height}; leave half out`,
    );
  }
  if (!Number.isInteger(quality) || quality < 0 || quality >= QUALITIES) {
    throw new InputError(`quality: expected 0 to ${QUALITIES - 1}, received ${quality}`);
  }
  if (tile % 32 || tile < 32 || tile > MOST_TILE) {
    throw new InputError(`tile: expected a multiple of 32 up to ${MOST_TILE}, received ${tile}`);
  }
}
