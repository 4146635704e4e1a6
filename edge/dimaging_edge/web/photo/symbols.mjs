// @ts-check
/**
 * The entropy coding of symbols: one rANS stream a tile, cut into rungs, with tables of the model.
 *
 * A symbol's scale index k says which of the model's tables it is coded with; k = 0 means that the symbol is 0 and
 * not coded. A symbol outside its table's support is coded as ESCAPE, and stands as one signed byte behind the words
 * of its rung; -128 there means that the symbol is beyond +-127 and stands, in two bytes, before those bytes.
 */
import { BITS, Decoder, Encoder, SLOTS } from "../entropy/rans.mjs";
import { BundleError, CodecError } from "../errors.mjs";

export const MOST_LANES = 1024;
const WIDEST = 4095;
const FAR = -128;

/**
 * What a slot of a table means: its symbol (half + 1 is ESCAPE), the symbol's frequency, and slot - start.
 * @typedef {{symbol: Int16Array, frequency: Uint16Array, offset: Uint16Array}} Slots
 */

/** @typedef {{index: Uint8Array, symbols: Int32Array}} Piece scale indices of 1 or more, and clipped symbols */

/** The model's counts, [rows, S]: frequencies of 2^12 slots, row 0 unused. */
export class ScaleTables {
  /**
   * Take the counts; BundleError where a row does not sum to 2^12, or has holes in its support.
   * @param {Uint16Array} counts [rows * S]
   * @param {number} widest the largest symbol that is escaped
   * @param {number} rows
   */
  constructor(counts, widest, rows = 64) {
    const columns = counts.length / rows;
    this.columns = columns;
    this.half = (columns - 1) >> 1;
    this.escapes = columns % 2 === 0;
    this.widest = Math.max(this.half, Math.min(widest, WIDEST));
    this.frequency = Uint16Array.from(counts);
    this.start = new Uint16Array(counts.length);
    this.low = new Int32Array(rows);
    this.high = new Int32Array(rows);
    /** Cost of each symbol in 1/256 of a bit. */
    this.cost = new Int32Array(counts.length);
    /** @type {Slots} */
    this.slots = {
      symbol: new Int16Array(rows * SLOTS),
      frequency: new Uint16Array(rows * SLOTS),
      offset: new Uint16Array(rows * SLOTS),
    };
    for (let row = 1; row < rows; row++) this.fill(row);
  }

  /**
   * @private
   * @param {number} row
   */
  fill(row) {
    const { columns, half, escapes, slots } = this;
    const begin = row * columns;
    let [sum, first, last, support] = [0, -1, -1, 0];
    for (let j = 0; j < columns; j++) {
      const count = this.frequency[begin + j];
      this.start[begin + j] = sum;
      if (count && j <= 2 * half) {
        if (first < 0) first = j;
        last = j;
        support++;
      }
      for (let i = 0; i < count && sum + i < SLOTS; i++) {
        const place = row * SLOTS + sum + i;
        slots.symbol[place] = j - half;
        slots.frequency[place] = count;
        slots.offset[place] = i;
      }
      sum += count;
    }
    if (sum !== SLOTS || support !== last - first + 1 || half > 127) {
      throw new BundleError(
        `scale_counts: expected rows of at most 256 counts with the sum ${SLOTS} and no hole, received the sum ` +
          `${sum} in row ${row}; export the bundle again`,
      );
    }
    const escape = escapes && this.frequency[begin + columns - 1] > 0;
    this.low[row] = escape ? -this.widest : first - half;
    this.high[row] = escape ? this.widest : last - half;
    /** @param {number} j */
    const bits = (j) => BITS - Math.log2(this.frequency[begin + j]);
    for (let j = 0; j < columns; j++) {
      const escaped = escapes && j < columns - 1 ? 8 + bits(columns - 1) : Infinity;
      const cost = Math.min(bits(j), escaped);
      this.cost[begin + j] = Number.isFinite(cost) ? roundHalfEven(256 * cost) : 1 << 20;
    }
  }

  /**
   * Return the nearest symbol that a table can code.
   * @param {number} symbol
   * @param {number} index
   */
  clip(symbol, index) {
    return Math.max(this.low[index], Math.min(this.high[index], symbol));
  }

  /**
   * Return start, frequency, ideal cost in 1/256 of a bit, and escaped bytes of a piece.
   * @param {Piece} piece
   */
  coded({ index, symbols }) {
    const { columns, half } = this;
    const start = new Uint16Array(symbols.length);
    const frequency = new Uint16Array(symbols.length);
    /** @type {number[]} */
    const near = [];
    /** @type {number[]} */
    const far = [];
    let cost = 0;
    for (let i = 0; i < symbols.length; i++) {
      const symbol = symbols[i];
      const beyond = Math.abs(symbol) > half;
      const escape = (index[i] + 1) * columns - 1;
      let place = beyond ? escape : index[i] * columns + symbol + half;
      cost += this.cost[place] + (beyond ? 256 * 24 : 0);
      if (beyond || this.frequency[place] === 0) {
        place = escape;
        near.push(beyond ? FAR : symbol);
        if (beyond) far.push(symbol);
      }
      start[i] = this.start[place];
      frequency[i] = this.frequency[place];
    }
    const escaped = new Uint8Array(2 * far.length + near.length);
    const view = new DataView(escaped.buffer);
    far.forEach((symbol, i) => view.setInt16(2 * i, symbol, true));
    near.forEach((symbol, i) => view.setInt8(2 * far.length + i, symbol));
    return { start, frequency, cost, escaped };
  }
}

/** @param {number} x */
function roundHalfEven(x) {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/**
 * Return lanes and the bytes of each rung.
 * @param {ScaleTables} scale
 * @param {Piece[][]} rungs pieces of each rung
 * @returns {{lanes: number, parts: Uint8Array[]}}
 */
export function encode(scale, rungs) {
  const coded = rungs.map((pieces) => pieces.map((piece) => scale.coded(piece)));
  const cost = coded.flat().reduce((sum, piece) => sum + piece.cost, 0);
  const lanes = lanesFor(cost / 256 / 8);
  const encoder = new Encoder(lanes);
  const words = coded.map((pieces) => pieces.map(() => new Uint8Array()));
  for (let r = rungs.length - 1; r >= 0; r--) {
    for (let p = coded[r].length - 1; p >= 0; p--) {
      words[r][p] = encoder.put(coded[r][p].start, coded[r][p].frequency);
    }
  }
  const parts = coded.map((pieces, r) => {
    const escaped = pieces.map((piece) => piece.escaped).reverse();
    return concatenate([...(r ? [] : [encoder.states()]), ...words[r], ...escaped]);
  });
  return { lanes, parts };
}

/**
 * Return how many lanes a tile of `size` bytes gets, as Python chooses it.
 * @param {number} size
 */
export function lanesFor(size) {
  const wanted = Math.min(Math.floor(size / 192), 24 + Math.floor(size / 1024));
  return Math.min(Math.max(1, wanted), MOST_LANES);
}

/**
 * Return arrays one after the other.
 * @param {Uint8Array[]} parts
 */
export function concatenate(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A reader of the rungs of a tile, one after the other; the first brings the states of the lanes. */
export class RungReader {
  /**
   * @param {ScaleTables} scale
   * @param {number} lanes
   */
  constructor(scale, lanes) {
    this.scale = scale;
    this.lanes = lanes;
    /** @type {Decoder | null} */
    this.decoder = null;
    /** @type {Uint8Array} */
    this.data = new Uint8Array();
    this.taken = 0;
  }

  /**
   * Begin a rung; CodecError for damaged states.
   * @param {Uint8Array} data
   */
  begin(data) {
    if (this.decoder) this.decoder.feed(data);
    else this.decoder = new Decoder(data, this.lanes);
    this.data = data;
    this.taken = 0;
  }

  /**
   * Decode the next symbols of the rung into `symbols`; an index is 1 or more.
   * @param {Uint8Array} index
   * @param {Int32Array} symbols
   * @param {number} count
   */
  piece(index, symbols, count) {
    const { decoder, scale } = this;
    if (!decoder || !count) return;
    decoder.read(scale.slots, index, symbols, count);
    if (!scale.escapes) return;
    const outside = [];
    for (let i = 0; i < count; i++) if (symbols[i] > scale.half) outside.push(i);
    if (outside.length) this.escaped(symbols, outside);
  }

  /**
   * Replace ESCAPE by the symbols at the end of the rung.
   * @private
   * @param {Int32Array} symbols
   * @param {number[]} outside
   */
  escaped(symbols, outside) {
    const near = this.last(outside.length);
    const far = outside.filter((_, i) => near.getInt8(i) === FAR);
    outside.forEach((place, i) => (symbols[place] = near.getInt8(i)));
    if (far.length) {
      const wide = this.last(2 * far.length);
      far.forEach((place, i) => (symbols[place] = wide.getInt16(2 * i, true)));
    }
    if (outside.some((place) => Math.abs(symbols[place]) > this.scale.widest)) {
      throw new CodecError(
        `rANS: the stream is damaged: an escaped symbol exceeds ${this.scale.widest}`,
      );
    }
  }

  /**
   * @private
   * @param {number} count
   */
  last(count) {
    const end = this.data.length - this.taken;
    if (count > end) {
      throw new CodecError(
        `rANS: the stream is damaged: ${Math.max(0, end)} bytes are left at its end, expected ${count} of escaped ` +
          "symbols",
      );
    }
    this.taken += count;
    return new DataView(this.data.buffer, this.data.byteOffset + end - count, count);
  }

  /** Finish a rung after its pieces; CodecError unless all its bytes were used. */
  end() {
    const left = this.decoder ? this.decoder.left() : 0;
    if (left !== this.taken) {
      throw new CodecError(
        `rANS: the stream is damaged: ${left} bytes are left at its end, expected ${this.taken} of escaped symbols`,
      );
    }
  }

  /** Finish the tile; CodecError unless every lane is back where it began. */
  finish() {
    this.decoder?.finish();
  }
}
