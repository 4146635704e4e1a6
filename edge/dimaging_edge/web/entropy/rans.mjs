// @ts-check
/**
 * The entropy coder: interleaved rANS with 32-bit states, 16-bit words and tables of 2^12 slots.
 *
 * Sources: Duda (2013, arXiv:1311.2540); Giesen (2014, arXiv:1402.3392). A symbol owns `frequency` of the 4096
 * slots, from `start` on. Every lane has a state x, 2^16 <= x < 2^32. To decode a symbol:
 *
 *     slot = x mod 4096;  x = frequency * floor(x / 4096) + slot - start;  if x < 2^16: x = 65536 x + next word
 *
 * The encoder is the inverse and runs from the last symbol to the first, beginning with x = 2^16 in every lane.
 * Symbol i of a piece lies in lane i mod lanes, so taking words symbol by symbol is taking them in lane order.
 */
import { CodecError } from "../errors.mjs";

export const BITS = 12;
export const SLOTS = 1 << BITS;
const LOWEST = 65536;

/** Codes pieces of symbols, the last piece first; `put` what comes BEFORE all that was put so far. */
export class Encoder {
  /** @param {number} lanes */
  constructor(lanes) {
    /** @private */
    this.state = new Uint32Array(lanes).fill(LOWEST);
  }

  /**
   * Code n symbols and return their words as bytes, in the order of the stream.
   * @param {ArrayLike<number>} start first slot of each symbol
   * @param {ArrayLike<number>} frequency slots of each symbol, 1 or more
   */
  put(start, frequency) {
    const { state } = this;
    const lanes = state.length;
    const words = new Uint8Array(2 * start.length);
    let at = words.length;
    for (let i = start.length - 1; i >= 0; i--) {
      const lane = i % lanes;
      const wide = frequency[i];
      let x = state[lane];
      if (x >>> 20 >= wide) {
        words[--at] = (x >>> 8) & 255;
        words[--at] = x & 255;
        x >>>= 16;
      }
      state[lane] = x + Math.floor(x / wide) * (SLOTS - wide) + start[i];
    }
    return words.subarray(at);
  }

  /** Return the states of the lanes, with which a stream begins. */
  states() {
    const bytes = new Uint8Array(4 * this.state.length);
    const view = new DataView(bytes.buffer);
    this.state.forEach((x, lane) => view.setUint32(4 * lane, x, true));
    return bytes;
  }
}

/** Reads pieces of symbols; it never reads outside the data. */
export class Decoder {
  /**
   * Take the states from the beginning of the data; CodecError if they cannot be such.
   * @param {Uint8Array} data
   * @param {number} lanes
   */
  constructor(data, lanes) {
    if (data.length < 4 * lanes) {
      throw new CodecError(
        `rANS: the stream is truncated: ${lanes} lanes need at least ${4 * lanes} bytes, received ${data.length}`,
      );
    }
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    /** @private */
    this.state = new Uint32Array(lanes);
    for (let lane = 0; lane < lanes; lane++) {
      const x = view.getUint32(4 * lane, true);
      if (x < LOWEST) {
        throw new CodecError(
          `rANS: the stream is damaged: lane ${lane} begins with state ${x}, expected 65536 to 2^32 - 1`,
        );
      }
      this.state[lane] = x;
    }
    /** @private */
    this.data = data;
    /** @private */
    this.at = 4 * lanes;
  }

  /**
   * Read on from the start of `data`.
   * @param {Uint8Array} data
   */
  feed(data) {
    this.data = data;
    this.at = 0;
  }

  /** Return how many bytes of what was fed last have not been read. */
  left() {
    return this.data.length - this.at;
  }

  /**
   * Decode n symbols into `symbols`; CodecError if the data ends before.
   * @param {import("../photo/symbols.mjs").Slots} slots
   * @param {Uint8Array} index table of each symbol
   * @param {Int32Array} symbols [n], filled
   * @param {number} count n
   */
  read(slots, index, symbols, count) {
    const { state, data } = this;
    const { symbol, frequency, offset } = slots;
    const lanes = state.length;
    const most = data.length - 1;
    let at = this.at;
    let lane = 0;
    for (let i = 0; i < count; i++) {
      const old = state[lane];
      const place = (index[i] << BITS) | (old & (SLOTS - 1));
      let x = frequency[place] * (old >>> BITS) + offset[place];
      symbols[i] = symbol[place];
      if (x < LOWEST) {
        if (at >= most) {
          throw new CodecError(
            `rANS: the stream is truncated or damaged: its ${data.length} bytes are used up, and more are needed`,
          );
        }
        x = x * 65536 + (data[at] | (data[at + 1] << 8));
        at += 2;
      }
      state[lane] = x;
      if (++lane === lanes) lane = 0;
    }
    this.at = at;
  }

  /** Throw CodecError unless each lane is back where the encoder began. */
  finish() {
    const lane = this.state.findIndex((x) => x !== LOWEST);
    if (lane >= 0) {
      throw new CodecError(
        `rANS: the stream is damaged: lane ${lane} ends with state ${this.state[lane]}, expected ${LOWEST}`,
      );
    }
  }
}
