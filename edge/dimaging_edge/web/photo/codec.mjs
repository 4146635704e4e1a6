// @ts-check
/**
 * Photographs into `.dimg` files and back, with a learned transform; the format is in docs/format.md.
 *
 *     data = await compress(model, photo, 30)                   // photo.image [H * W * C]
 *     data = await compress(model, photo, 12, {half: true})     // less than .1 bits a pixel
 *     {photo, damage} = await decompress(model, data)           // damage: [] unless keepGoing
 *
 * Contract: equal latents give equal bytes, and a file gives equal latents on every machine. Equal pixels need not
 * give equal bytes: the encoder computes in floats.
 */
import { CodecError, InputError } from "../errors.mjs";
import { check, checkModel } from "./arguments.mjs";
import { EXACT, HALF, MOST_PIXELS, RUNGS, shownOf, sizeBytes, toBytes } from "./container.mjs";
import { boundOf, unpackExact } from "./exact.mjs";
import { enlarged, halfOf, reduced } from "./half.mjs";
import { packPlane, unpackPlane } from "./plane.mjs";
import { readContainer } from "./reading.mjs";
import { decodeTile, encodeTile } from "./tile_codec.mjs";
import { crop, cut, padded, paste, tiles, within } from "./tiles.mjs";

/** The largest edge of what the networks compute at once, without halo, in pixels: a phone's memory is small. */
export const AT_ONCE = 512;

/**
 * A picture [height, width, channels] of 8 bits, or 16 where the model has them.
 * @typedef {{image: Uint8Array | Uint16Array, height: number, width: number, channels: number,
 *   alpha?: Uint8Array | null, icc?: Uint8Array | null, exif?: Uint8Array | null}} Photo
 */

/** @typedef {import("./tile_codec.mjs").SymbolModel} SymbolModel */
/** @typedef {(done: number, total: number, box?: import("./tiles.mjs").Box, pixels?: ArrayLike<number>)
 *   => void | Promise<void>} Progress */

/**
 * Return the bytes of the file of a picture; InputError says which argument does not fit.
 * @param {SymbolModel} model
 * @param {Photo} photo
 * @param {number} quality 0 (smallest) to 63
 * @param {{tile?: number, half?: boolean, progress?: Progress}} options tile: edge in pixels, a multiple of 32; half:
 *   code the picture at half its width and height, for files of .03 to .1 bits a pixel
 */
export async function compress(model, photo, quality, { tile = AT_ONCE, half = false, progress } = {}) {
  check(model, photo, quality, tile, half);
  const source = half ? halved(photo) : photo;
  const { height, width, channels, image } = source;
  const grid = tiles(height, width, tile, Math.min(model.halo, tile));
  /** @type {import("./tile_codec.mjs").Coded[]} */
  const coded = [];
  for (const part of grid) {
    const { z, y } = await latentsOf(model, source, part, quality);
    const [rows, columns] = [(part.bottom - part.top) / 8, (part.right - part.left) / 8];
    coded.push(await encodeTile(model, z, y, quality, rows, columns));
    await progress?.(coded.length, grid.length);
  }
  /** @type {Map<string, Uint8Array>} */
  const chunks = new Map();
  if (half) chunks.set(HALF, sizeBytes(photo));
  if (photo.icc) chunks.set("iccp", photo.icc);
  if (photo.exif) chunks.set("exif", photo.exif);
  if (photo.alpha) chunks.set("alph", await packPlane(photo.alpha, photo.height, photo.width));
  const depth = 8 * image.BYTES_PER_ELEMENT;
  const header = { channels, depth, width, height, tile, quality, modelId: model.modelId };
  const rungs = RUNGS.map((_, rung) => coded.map((one) => one.rungs[rung]));
  return toBytes({ header, entries: coded.map((one) => one.entry), rungs, chunks });
}

/**
 * Return a photo at half its width and height, without what is stored beside its pixels.
 * @param {Photo} photo
 * @returns {Photo}
 */
function halved({ image, height, width, channels }) {
  return {
    image: reduced(image, { height, width }, channels), height: halfOf(height), width: halfOf(width), channels,
  };
}

/**
 * Return the latents of a tile's core; a large tile is encoded in parts, each with its own halo.
 * @param {SymbolModel} model
 * @param {Photo} photo
 * @param {import("./tiles.mjs").Tile} tile
 * @param {number} quality
 */
async function latentsOf(model, photo, tile, quality) {
  const { height, width, channels, image } = photo;
  const columns = tile.right - tile.left;
  const pixels = (tile.bottom - tile.top) * columns;
  const z = new Int32Array((pixels / 1024) * model.zChannels);
  const y = new Int32Array((pixels / 64) * model.yChannels);
  for (const part of within(tile, tile.window, AT_ONCE, model.halo)) {
    const { window } = part;
    const [rows, wide] = [window.bottom - window.top, window.right - window.left];
    const found = await model.encode(
      cut(image, height, width, channels, window, model.channels), rows, wide, quality,
    );
    const [inside, place] = [moved(part, window), moved(part, tile)];
    put(z, columns, model.zChannels, place, 32, crop(found.z, wide, model.zChannels, inside, 32));
    put(y, columns, model.yChannels, place, 8, crop(found.y, wide, model.yChannels, inside, 8));
  }
  return { z, y };
}

/**
 * @param {Int32Array} array
 * @param {number} width
 * @param {number} channels
 * @param {import("./tiles.mjs").Box} box
 * @param {number} step
 * @param {Int32Array} part
 */
function put(array, width, channels, box, step, part) {
  paste(/** @type {any} */ (array), width, channels, box, step, part);
}

/**
 * Return a box as seen from the upper left of another.
 * @param {import("./tiles.mjs").Box} box
 * @param {import("./tiles.mjs").Box} from
 */
function moved(box, from) {
  return {
    top: box.top - from.top, bottom: box.bottom - from.top,
    left: box.left - from.left, right: box.right - from.left,
  };
}

/**
 * Return picture and damage of a file or, with `keepGoing`, of what is left of one.
 *
 * rungs: 2 for a preview without pass 1, 1 for one without y. `progress` hears of each tile twice, when its latents
 * are decoded and when its pixels are there. CodecError also for a file of another model, and for too many pixels.
 * @param {SymbolModel} model
 * @param {Uint8Array} data
 * @param {{keepGoing?: boolean, rungs?: number, mostPixels?: number, progress?: Progress}} options
 * @returns {Promise<{photo: Photo, damage: string[], latents: number[], bound: number | null, half: boolean}>} latents:
 *   CRC32C of each tile; bound: the largest error of exact pixels, 0 for none, null where these are not shown; half:
 *   whether the picture is coded at half its width and height
 */
export async function decompress(model, data, options = {}) {
  const { keepGoing = false, rungs = RUNGS.length, mostPixels = MOST_PIXELS, progress } = options;
  if (!(rungs >= 1 && rungs <= RUNGS.length)) {
    throw new InputError(`rungs: expected 1 to ${RUNGS.length}, received ${rungs}`);
  }
  const found = readContainer(data, { mostPixels, keepGoing });
  const { header, chunks } = found;
  checkModel(model, header);
  const { channels } = header;
  const grid = tiles(header.height, header.width, header.tile, Math.min(model.halo, header.tile));
  const alpha = await alphaOf(found, keepGoing);
  const coded = new (model.bitDepth === 16 ? Uint16Array : Uint8Array)(header.height * header.width * channels);
  const bound = rungs === RUNGS.length ? await exactOf(found, grid, coded, keepGoing, progress) : null;
  if (bound === null) await fromLatents(model, found, grid, { keepGoing, rungs, progress }, coded);
  const [half, shown] = [chunks.has(HALF), shownOf(found)];
  const image = half ? enlarged(coded, header, shown, channels) : coded;
  const [icc, exif] = ["iccp", "exif"].map((kind) => chunks.get(kind) ?? null);
  const latents = found.entries.map((entry) => entry.latents);
  return { photo: { image, ...shown, channels, alpha, icc, exif }, damage: found.damage, latents, bound, half };
}

/**
 * Fill in exact pixels and return their bound; null where the file has none, or with `keepGoing` where they are damaged.
 * @param {import("./container.mjs").Container} found
 * @param {import("./tiles.mjs").Tile[]} grid
 * @param {Uint8Array | Uint16Array} image
 * @param {boolean} keepGoing
 * @param {Progress} [progress]
 */
async function exactOf(found, grid, image, keepGoing, progress) {
  const data = found.chunks.get(EXACT);
  if (!data) return null;
  try {
    await unpackExact(data, found.header, grid, image, (done) => progress?.(2 * done, 2 * grid.length));
    return boundOf(data);
  } catch (error) {
    if (!keepGoing || !(error instanceof CodecError)) throw error;
    found.damage.push(error.message);
    return null;
  }
}

/**
 * Decode the latents of every tile, then the pixels.
 * @param {SymbolModel} model
 * @param {import("./container.mjs").Container} found
 * @param {import("./tiles.mjs").Tile[]} grid
 * @param {{keepGoing: boolean, rungs: number, progress?: Progress}} options
 * @param {Uint8Array | Uint16Array} image filled
 */
async function fromLatents(model, found, grid, { keepGoing, rungs, progress }, image) {
  const { header } = found;
  const [tall, wide] = [padded(header.height), padded(header.width)];
  const z = new Int8Array((tall / 32) * (wide / 32) * model.zChannels);
  const y = new Int16Array((tall / 8) * (wide / 8) * model.yChannels);
  for (const part of grid) {
    const mine = found.rungs.slice(0, rungs).map((rung) => rung[part.number]);
    const [rows, columns] = [(part.bottom - part.top) / 8, (part.right - part.left) / 8];
    const one = await decodeTile(model, found.entries[part.number], mine, header.quality, rows, columns);
    if (one.fault) {
      const words = `tile ${part.number}, ${one.fault}`;
      const why = "all check sums of the file are right, so it was made by a machine that computes the model differently";
      if (!keepGoing) throw new CodecError(`${words}; ${why}, or forged`);
      found.damage.push(words);
    }
    paste(z, wide, model.zChannels, part, 32, one.z);
    paste(y, wide, model.yChannels, part, 8, one.y);
    await progress?.(part.number + 1, 2 * grid.length);
  }
  for (const part of grid) {
    await show(model, header, part, z, y, image);
    await progress?.(grid.length + part.number + 1, 2 * grid.length);
  }
}

/**
 * Compute the pixels of a tile; a large one in parts of AT_ONCE, each with its own halo.
 * @param {SymbolModel} model
 * @param {import("./container.mjs").Header} header
 * @param {import("./tiles.mjs").Tile} tile
 * @param {Int8Array} z
 * @param {Int16Array} y
 * @param {Uint8Array | Uint16Array} image filled
 */
async function show(model, header, tile, z, y, image) {
  const { height, width, channels } = header;
  const wide = padded(width);
  const halo = Math.min(model.halo, header.tile);
  for (const part of within(tile, tile.window, AT_ONCE, halo)) {
    const { window } = part;
    const [rows, columns] = [window.bottom - window.top, window.right - window.left];
    const pixels = await model.decode(
      Int32Array.from(crop(z, wide, model.zChannels, window, 32)),
      Int32Array.from(crop(y, wide, model.yChannels, window, 8)),
      rows, columns, header.quality,
    );
    const [bottom, right] = [Math.min(part.bottom, height), Math.min(part.right, width)];
    for (let row = part.top; row < bottom; row++) {
      for (let column = part.left; column < right; column++) {
        const from = ((row - window.top) * columns + column - window.left) * model.channels;
        const to = (row * width + column) * channels;
        if (channels === model.channels) {
          for (let k = 0; k < channels; k++) image[to + k] = pixels[from + k];
        } else {
          let sum = model.channels >> 1;
          for (let k = 0; k < model.channels; k++) sum += pixels[from + k];
          image[to] = Math.floor(sum / model.channels);
        }
      }
    }
  }
}

/**
 * @param {import("./container.mjs").Container} found
 * @param {boolean} keepGoing
 */
async function alphaOf(found, keepGoing) {
  const data = found.chunks.get("alph");
  if (!data) return null;
  try {
    const { height, width } = shownOf(found);
    return await unpackPlane(data, height, width);
  } catch (error) {
    if (!keepGoing || !(error instanceof CodecError)) throw error;
    found.damage.push(error.message);
    return null;
  }
}
