// @ts-check
/** The reader of a `.dimg` file, which checks each part; `container` and docs/format.md show the layout. */
import { crc32c } from "../entropy/crc32c.mjs";
import { CodecError } from "../errors.mjs";
import {
  AGAIN, ENTRY, EXACT, HALF, MOST_PIXELS, RUNGS, SIZE, checkArea, columnsOf, letters, readHeader, rowsOf, shownOf,
  viewOf,
} from "./container.mjs";
import { halfOf } from "./half.mjs";
import { MOST_LANES } from "./symbols.mjs";

/** @typedef {import("./container.mjs").Container} Container */
/** @typedef {(words: string) => void} Fault raises CodecError, or adds the words to the damage */

/**
 * Return a file in parts, each checked against its CRC32C.
 *
 * A damaged or missing rung is null; without `keepGoing` anything that is not as written throws CodecError that says
 * where. Header and directory must be whole.
 * @param {Uint8Array} data
 * @param {{mostPixels?: number, keepGoing?: boolean}} options
 * @returns {Container}
 */
export function readContainer(data, { mostPixels = MOST_PIXELS, keepGoing = false } = {}) {
  const { header, size } = readHeader(data, mostPixels);
  /** @type {Container} */
  const found = { header, entries: [], rungs: [], chunks: new Map(), size, damage: [] };
  /** @type {Fault} */
  const fault = (words) => {
    if (!keepGoing) throw new CodecError(words);
    found.damage.push(words);
  };
  if (data.length !== size) {
    const how = data.length < size ? "truncated" : "too long";
    fault(`the file is ${how}: expected ${size} bytes, received ${data.length}`);
  }
  let at = SIZE;
  let part = readChunk(data, at);
  while (part.kind !== "TILE") {
    keep(found, part, fault);
    at = part.end;
    part = readChunk(data, at);
  }
  if (!part.body) {
    throw new CodecError(
      `the directory of tiles is damaged or not whole, nothing can be shown; ${AGAIN}`,
    );
  }
  checkArea(shownOf(found), mostPixels);
  at = readRungs(found, part.body, data, part.end, fault);
  while (at < Math.min(size, data.length)) {
    try {
      part = readChunk(data, at);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      fault(error.message);
      break;
    }
    at = part.end;
    keep(found, part, fault);
  }
  if (found.chunks.has(HALF) && found.chunks.has(EXACT)) {
    fault("the file is damaged or forged: it has exact pixels and is coded at half size");
    found.chunks.delete(EXACT);
  }
  return found;
}

/** @typedef {{kind: string, body: Uint8Array | null, end: number}} Part a chunk, null if damaged, and where it ends */

/**
 * @param {Uint8Array} data
 * @param {number} at
 * @returns {Part}
 */
function readChunk(data, at) {
  if (at + 12 > data.length) {
    throw new CodecError(`the file is truncated: a chunk is missing at byte ${at}`);
  }
  const view = viewOf(data);
  const kind = letters(data.subarray(at, at + 4));
  if (!/^[A-Za-z]{4}$/.test(kind)) {
    const found = JSON.stringify(kind.replace(/[^ -~]/g, "?"));
    throw new CodecError(`the file is damaged: no chunk at byte ${at}, found ${found}; ${AGAIN}`);
  }
  const end = at + 12 + view.getUint32(at + 4, true);
  if (end > data.length) {
    throw new CodecError(
      `the file is truncated or damaged: chunk ${kind} ends at byte ${end}, the file at ${data.length}`,
    );
  }
  const body = data.subarray(at + 12, end);
  const whole = crc32c(data.subarray(at, at + 4), body) === view.getUint32(at + 8, true);
  return { kind, body: whole ? body : null, end };
}

/**
 * @param {Container} found
 * @param {Part} part
 * @param {Fault} fault
 */
function keep(found, { kind, body }, fault) {
  if (!body) fault(`chunk ${kind} is damaged: another CRC32C; ${AGAIN}`);
  else if (found.chunks.has(kind)) fault(`the file is damaged or forged: two chunks ${kind}`);
  else if (["iccp", "exif", "alph", EXACT].includes(kind)) found.chunks.set(kind, body);
  else if (kind === HALF) {
    const why = misfit(found, body);
    if (why) fault(`the file is damaged or forged: its chunk HALF ${why}`);
    else found.chunks.set(kind, body);
  } else if (/^[A-Z]/.test(kind)) {
    fault(`the file needs chunk ${kind}, which this page does not know. Update it: pip install -U dimaging`);
  }
}

/**
 * Return what is wrong with a chunk HALF, in words; "" if nothing is.
 * @param {Container} found
 * @param {Uint8Array} body
 */
function misfit({ header, rungs }, body) {
  if (rungs.length) return "stands behind TILE";
  if (body.length !== 8) return `has ${body.length} bytes, expected 8`;
  const { width, height } = shownOf({ header, chunks: new Map([[HALF, body]]) });
  const fits = halfOf(width) === header.width && halfOf(height) === header.height;
  return fits ? "" : `says ${width} x ${height} pixels, of which ${header.width} x ${header.height} are not half`;
}

/**
 * Fill in entries and rungs; return where the rungs end.
 * @param {Container} found
 * @param {Uint8Array} directory
 * @param {Uint8Array} data
 * @param {number} at
 * @param {Fault} fault
 */
function readRungs(found, directory, data, at, fault) {
  const count = columnsOf(found.header) * rowsOf(found.header);
  if (directory.length !== count * ENTRY) {
    throw new CodecError(
      `the header is damaged or forged: its ${count} tiles need a directory of ${count * ENTRY} bytes, received ` +
        `${directory.length}`,
    );
  }
  const view = viewOf(directory);
  let end = at;
  for (let place = 0; place < directory.length; place += ENTRY) {
    const lengths = RUNGS.map((_, rung) => view.getUint32(place + 6 + 8 * rung, true));
    const sums = RUNGS.map((_, rung) => view.getUint32(place + 10 + 8 * rung, true));
    const lanes = view.getUint16(place, true);
    found.entries.push({ lanes, latents: view.getUint32(place + 2, true), lengths, sums });
    for (const length of lengths) end += length;
  }
  if (end > found.size) {
    throw new CodecError(
      `the directory is damaged or forged: its rungs end at byte ${end}, the file at ${found.size}`,
    );
  }
  RUNGS.forEach((name, rung) => {
    found.rungs.push(
      found.entries.map((entry, tile) => {
        const part = data.subarray(at, at + entry.lengths[rung]);
        at += entry.lengths[rung];
        let why = "";
        if (entry.lanes < 1 || entry.lanes > MOST_LANES) {
          why = `says ${entry.lanes} lanes, expected 1 to ${MOST_LANES}`;
        } else if (part.length < entry.lengths[rung]) why = "is missing: the file is truncated";
        else if (crc32c(part) !== entry.sums[rung]) why = `is damaged: another CRC32C; ${AGAIN}`;
        if (why) fault(`tile ${tile}, rung ${name} ${why}`);
        return why ? null : part;
      }),
    );
  });
  return at;
}
