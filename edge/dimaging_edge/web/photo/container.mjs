// @ts-check
/**
 * The bytes of a `.dimg` file around its pixels: header, chunks, directory; docs/format.md specifies them.
 *
 *     header (44 bytes) | chunks | TILE chunk, the directory | rungs, coarse to fine | chunks
 */
import { crc32c } from "../entropy/crc32c.mjs";
import { CodecError } from "../errors.mjs";
import { concatenate } from "./symbols.mjs";
import { padded } from "./tiles.mjs";

export const MAGIC = "DIMG";
/** The chunk of exact pixels. */
export const EXACT = "PIXL";
/** The chunk of a picture that is coded at half its width and height: its own width and height. */
export const HALF = "HALF";
export const MOST_PIXELS = 1 << 24;
export const MOST_TILE = 1024;
export const QUALITIES = 64;
export const RUNGS = ["z", "y pass 0", "y pass 1"];
export const SIZE = 44;
export const ENTRY = 30;
export const AGAIN = "fetch or copy it again";

/**
 * What a file says about its picture as it is coded, see also `shownOf`; `modelId` are 32 hexadecimal digits.
 * @typedef {{channels: number, depth: number, width: number, height: number, tile: number, quality: number,
 *   modelId: string}} Header
 */

/** @typedef {{lanes: number, latents: number, lengths: number[], sums: number[]}} Entry of the directory */

/**
 * A file in parts; rungs[r][t] are the bytes of rung r of tile t, null where they are missing.
 * @typedef {{header: Header, entries: Entry[], rungs: (Uint8Array | null)[][], chunks: Map<string, Uint8Array>,
 *   size: number, damage: string[]}} Container
 */

/** @param {Uint8Array} data */
export const viewOf = (data) => new DataView(data.buffer, data.byteOffset, data.length);

/** @param {Uint8Array} bytes */
export const letters = (bytes) => String.fromCharCode(...bytes);

/** @param {Uint8Array} bytes */
export const hex = (bytes) => Array.from(bytes, (x) => x.toString(16).padStart(2, "0")).join("");

/** @param {string} text */
const bytesOf = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** @param {Header} header */
export const columnsOf = (header) => Math.ceil(header.width / header.tile);

/** @param {Header} header */
export const rowsOf = (header) => Math.ceil(header.height / header.tile);

/**
 * Return the width and height of a picture, in pixels; those of the header are as it is coded.
 * @param {Pick<Container, "header" | "chunks">} container
 */
export function shownOf({ header, chunks }) {
  const data = chunks.get(HALF);
  if (!data) return { width: header.width, height: header.height };
  return { width: viewOf(data).getUint32(0, true), height: viewOf(data).getUint32(4, true) };
}

/**
 * Return the data of a chunk HALF: the width and height of a picture.
 * @param {{width: number, height: number}} size
 */
export const sizeBytes = ({ width, height }) => {
  const data = new Uint8Array(8);
  viewOf(data).setUint32(0, width, true);
  viewOf(data).setUint32(4, height, true);
  return data;
};

/**
 * Return the pixels that a limit counts: those of the picture, or half of the padded ones if more.
 * @param {number} width
 * @param {number} height
 */
export function area(width, height) {
  return Math.max(width * height, Math.floor((padded(width) * padded(height)) / 2));
}

/**
 * Return the bytes of a file; chunks `alph` go behind the rungs, all others before them.
 * @param {Omit<Container, "size" | "damage">} container
 */
export function toBytes({ header, entries, rungs, chunks }) {
  const directory = new Uint8Array(ENTRY * entries.length);
  const view = viewOf(directory);
  entries.forEach((entry, tile) => {
    view.setUint16(ENTRY * tile, entry.lanes, true);
    view.setUint32(ENTRY * tile + 2, entry.latents, true);
    RUNGS.forEach((_, rung) => {
      view.setUint32(ENTRY * tile + 6 + 8 * rung, entry.lengths[rung], true);
      view.setUint32(ENTRY * tile + 10 + 8 * rung, entry.sums[rung], true);
    });
  });
  const all = [...chunks].map(([kind, data]) => ({ late: kind === "alph", data: chunk(kind, data) }));
  /** @type {Uint8Array[]} */
  const parts = all.filter(({ late }) => !late).map(({ data }) => data);
  parts.push(chunk("TILE", directory));
  for (const rung of rungs) for (const data of rung) parts.push(data ?? new Uint8Array());
  parts.push(...all.filter(({ late }) => late).map(({ data }) => data));
  const size = parts.reduce((sum, part) => sum + part.length, SIZE);
  return concatenate([headerBytes(header, size), ...parts]);
}

/**
 * @param {Header} header
 * @param {number} size of the whole file
 */
function headerBytes(header, size) {
  const bytes = new Uint8Array(SIZE);
  const view = viewOf(bytes);
  bytes.set(bytesOf(MAGIC));
  bytes.set([1, 1, header.channels, header.depth], 4);
  view.setUint32(8, header.width, true);
  view.setUint32(12, header.height, true);
  view.setUint16(16, header.tile, true);
  bytes[18] = header.quality;
  for (let i = 0; i < 16; i++) bytes[20 + i] = parseInt(header.modelId.slice(2 * i, 2 * i + 2), 16);
  view.setUint32(36, size, true);
  view.setUint32(40, crc32c(bytes.subarray(0, 40)), true);
  return bytes;
}

/**
 * @param {string} kind
 * @param {Uint8Array} data
 */
function chunk(kind, data) {
  const head = new Uint8Array(12);
  head.set(bytesOf(kind));
  viewOf(head).setUint32(4, data.length, true);
  viewOf(head).setUint32(8, crc32c(head.subarray(0, 4), data), true);
  return concatenate([head, data]);
}

/**
 * Return header and size of the whole file; CodecError if it is none, newer, damaged or too big.
 * @param {Uint8Array} data
 * @param {number} mostPixels
 * @returns {{header: Header, size: number}}
 */
export function readHeader(data, mostPixels = MOST_PIXELS) {
  if (letters(data.subarray(0, 4)) !== MAGIC) throw new CodecError(otherFile(data));
  if (data.length < SIZE) {
    throw new CodecError(
      `the compressed picture is truncated: expected a header of ${SIZE} bytes, received ${data.length}`,
    );
  }
  if (data[4] > 1) {
    throw new CodecError(
      `the compressed picture has version ${data[4]}; this page reads up to 1. Update it: pip install -U dimaging`,
    );
  }
  const view = viewOf(data);
  const [stored, found] = [view.getUint32(40, true), crc32c(data.subarray(0, 40))];
  if (stored !== found) {
    const sums = [stored, found].map((sum) => sum.toString(16).padStart(8, "0"));
    throw new CodecError(
      `the header is damaged: expected CRC32C ${sums[0]}, received ${sums[1]}; ${AGAIN}`,
    );
  }
  const header = {
    channels: data[6],
    depth: data[7],
    width: view.getUint32(8, true),
    height: view.getUint32(12, true),
    tile: view.getUint16(16, true),
    quality: data[18],
    modelId: hex(data.subarray(20, 36)),
  };
  checkHeader(header, data[4], data[5], data[19]);
  checkArea(header, mostPixels);
  return { header, size: view.getUint32(36, true) };
}

/**
 * Throw CodecError for a picture above a limit.
 * @param {{width: number, height: number}} size
 * @param {number} mostPixels
 */
export function checkArea({ width, height }, mostPixels) {
  if (area(width, height) <= mostPixels) return;
  throw new CodecError(
    `the picture has ${width} x ${height} pixels, this page stops at ${mostPixels}; open it with the command: ` +
      "dimaging-edge decompress",
  );
}

/**
 * Say what a file is that is no compressed picture, and what opens it.
 * @param {Uint8Array} data
 */
function otherFile(data) {
  if (letters(data.subarray(0, 4)) !== "DTXT") return "this is no compressed picture: it does not begin with DIMG";
  return (
    `this file is no photo: it holds a text, packed without loss by the model ${hex(data.subarray(16, 32))}. The command ` +
    "opens it, with the bundle of that model: dimaging-edge unpack BUNDLE FILE"
  );
}

/**
 * @param {Header} header
 * @param {number} version
 * @param {number} profile
 * @param {number} zero
 */
function checkHeader(header, version, profile, zero) {
  const { channels, depth, width, height, tile, quality } = header;
  /** @type {[boolean, string][]} */
  const rules = [
    [version === 1, `version ${version}, expected 1`],
    [profile === 1, `profile ${profile}, expected 1: another kind of model`],
    [channels === 1 || channels === 3, `${channels} channels, expected 1 or 3`],
    [depth === 8 || depth === 16, `${depth} bits a sample, expected 8 or 16`],
    [width > 0 && height > 0, `${width} x ${height} pixels, expected at least 1 x 1`],
    [
      tile >= 32 && tile <= MOST_TILE && tile % 32 === 0,
      `tiles of ${tile} pixels, expected a multiple of 32 up to ${MOST_TILE}`,
    ],
    [quality < QUALITIES, `quality ${quality}, expected 0 to ${QUALITIES - 1}`],
    [zero === 0, `${zero} in a reserved byte, expected 0`],
  ];
  for (const [holds, words] of rules) {
    if (!holds) throw new CodecError(`the header is damaged or forged: it says ${words}`);
  }
}
