// @ts-check
/**
 * Images that `dimaging-edge pack` compressed without loss: a `DPIX` stream, decoded pixel by pixel with the model that
 * packed it. docs/lossless.md specifies the stream, byte by byte.
 */
import { crc32c } from "../entropy/crc32c.mjs";
import { normalise } from "../entropy/frequencies.mjs";
import { CodecError, InputError } from "../errors.mjs";
import { Stepper, canStep, sizeOf } from "../generate/stepping.mjs";
import { hex, letters, viewOf } from "../photo/container.mjs";

const SIZE = 56;
const BITS = 16;
const SLOTS = 1 << BITS;
const LOWEST = 1 << 23;
const MOST_SYMBOLS = 1 << 28;
const MOST_LANES = 1 << 10;
const DAMAGED = "the packed images are damaged";

/** @typedef {import("../bundle/open.mjs").Bundle} Bundle */

/**
 * What a stream says about itself; `modelId` are 32 hexadecimal digits.
 * @typedef {{levels: number, height: number, width: number, images: number, lanes: number, modelId: string,
 *   symbolsCrc: number, payloadCrc: number}} Header
 */

/** @param {Uint8Array} data */
export const isPacked = (data) => letters(data.subarray(0, 4)) === "DPIX";

/**
 * Return the header of a whole stream; CodecError if it is damaged, newer or cut.
 * @param {Uint8Array} data
 * @returns {Header}
 */
export function readPacked(data) {
  if (data.length < SIZE) throw new CodecError(`the packed images are truncated: a header has ${SIZE} bytes, received ${data.length}`);
  const view = viewOf(data);
  const word = (/** @type {number} */ at) => view.getUint32(at, true);
  if (view.getUint16(4, true) > 1) {
    throw new CodecError(`the packed images have version ${view.getUint16(4, true)}; this page reads up to 1. Update it: pip install -U dimaging`);
  }
  if (word(52) !== crc32c(data.subarray(0, 52))) throw new CodecError(`${DAMAGED}: another CRC32C of the header; fetch or copy the file again`);
  const [levels, height, width, images, lanes, bytes] = [view.getUint16(6, true), word(8), word(12), word(16), word(20), word(48)];
  const symbols = height * width * images;
  const rules = [
    levels >= 2 && levels <= 256, symbols > 0, symbols <= MOST_SYMBOLS, lanes >= 1 && lanes <= Math.min(MOST_LANES, images),
    bytes >= 4 * lanes, bytes >= Math.floor((symbols * (levels - 1)) / 2 ** (BITS + 3)),
  ];
  if (rules.includes(false)) {
    throw new CodecError(`the header is damaged or forged: it says ${images} images of ${width} x ${height}, ${levels} levels, ${lanes} lanes, ${bytes} bytes`);
  }
  if (data.length !== SIZE + bytes) {
    throw new CodecError(`the file is ${data.length < SIZE + bytes ? "truncated" : "too long"}: expected ${SIZE + bytes} bytes, received ${data.length}`);
  }
  return { levels, height, width, images, lanes, modelId: hex(data.subarray(24, 40)), symbolsCrc: word(40), payloadCrc: word(44) };
}

/**
 * Return the symbols of all images, [images * height * width]; CodecError if the stream is damaged or of another model.
 *
 * A lane decodes every so-manieth image; each has a stepper of its own, so that one image a call is enough.
 * @param {Bundle} bundle
 * @param {Uint8Array} data
 * @param {(done: number, total: number) => void | Promise<void>} progress in rows
 */
export async function unpack(bundle, data, progress) {
  const header = readPacked(data);
  const { levels, height, width, images, lanes } = header;
  const size = sizeOf(bundle);
  if (!bundle.manifest.model_id.startsWith(header.modelId) || size.height !== height || size.width !== width || size.channels !== 1) {
    throw new CodecError(`the images were packed with model ${header.modelId}, this is model ${bundle.manifest.model_id.slice(0, 32)}`);
  }
  const outputs = canStep(bundle) ? bundle.graph("pixel").outputs : [];
  if (outputs.find((one) => one.name === "weights")?.example.at(-1) !== levels) {
    throw new InputError(`${bundle.name} gives no whole weights of ${levels} levels; export it again: --precision integer`);
  }
  const payload = data.subarray(SIZE);
  if (crc32c(payload) !== header.payloadCrc) throw new CodecError(`${DAMAGED}: another CRC32C of the payload; fetch or copy the file again`);
  const decoder = new Decoder(payload, lanes);
  const pixels = height * width;
  const symbols = new Uint8Array(images * pixels);
  const unused = Object.fromEntries(
    bundle.graph("pixel").inputs.filter((one) => ["noise", "canvas", "mask"].includes(one.name))
      .map(({ name, example }) => [name, new Float32Array(example[1]).fill(0.5)]), // what it draws is not kept
  );
  for (let first = 0; first < images; first += lanes) {
    const steppers = Array.from({ length: Math.min(lanes, images - first) }, () => new Stepper(bundle));
    for (let row = 0; row < height; row++) {
      for (const stepper of steppers) await stepper.row(row);
      for (let column = 0; column < width; column++) {
        for (const [lane, stepper] of steppers.entries()) {
          const { weights } = await stepper.pixel(column, unused);
          const symbol = decoder.symbol(lane, normalise(weights.data, BITS));
          symbols[(first + lane) * pixels + row * width + column] = symbol;
          stepper.put(Float32Array.of(Math.fround(symbol / (levels - 1))));
        }
        decoder.refill(steppers.length);
      }
      await progress(Math.min(images, first + lanes) - steppers.length + (steppers.length * (row + 1)) / height, images);
    }
  }
  decoder.finish();
  if (crc32c(symbols) !== header.symbolsCrc) {
    throw new CodecError("the file is whole, but this browser decodes it to other images: it computes the model otherwise; please report it");
  }
  return { ...header, symbols };
}

/** rANS with 32-bit states of 2^23 to 2^31 - 1, which take bytes, and tables of 2^16 slots. */
class Decoder {
  /**
   * @param {Uint8Array} data
   * @param {number} lanes
   */
  constructor(data, lanes) {
    const view = viewOf(data);
    this.state = Float64Array.from({ length: lanes }, (_, lane) => view.getUint32(4 * lane, true));
    if (this.state.some((x) => x < LOWEST || x >= 2 ** 31)) throw new CodecError(`${DAMAGED}: a lane begins with a state that none has`);
    this.data = data;
    this.at = 4 * lanes;
  }

  /**
   * Return the next symbol of a lane; `refill` follows when every lane has had its own.
   * @param {number} lane
   * @param {Float64Array} frequency
   */
  symbol(lane, frequency) {
    const x = this.state[lane];
    const slot = x % SLOTS;
    let [symbol, start] = [0, 0];
    while (start + frequency[symbol] <= slot) start += frequency[symbol++];
    this.state[lane] = frequency[symbol] * Math.floor(x / SLOTS) + slot - start;
    return symbol;
  }

  /**
   * Let lanes that need one take a byte, in their order; twice.
   * @param {number} active the lanes that stepped
   */
  refill(active) {
    for (let round = 0; round < 2; round++) {
      for (let lane = 0; lane < active; lane++) {
        if (this.state[lane] >= LOWEST) continue;
        if (this.at >= this.data.length) throw new CodecError(`${DAMAGED}: its bytes are used up, and more are needed`);
        this.state[lane] = this.state[lane] * 256 + this.data[this.at++];
      }
    }
  }

  /** Throw CodecError unless everything was read and each lane is back where it began. */
  finish() {
    if (this.at !== this.data.length) throw new CodecError(`${DAMAGED}: ${this.data.length - this.at} bytes are left at their end`);
    if (this.state.some((x) => x !== LOWEST)) throw new CodecError(`${DAMAGED}: a lane ends with another state than it began with`);
  }
}
