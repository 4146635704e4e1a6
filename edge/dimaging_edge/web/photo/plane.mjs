// @ts-check
/**
 * Lossless coding of one plane: rows are filtered as in PNG (none, left or up, the best for each), then zlib.
 *
 *     byte 0: bits of a sample, 8 or 16; then a zlib stream of H filter bytes (0 none, 1 left, 2 up),
 *     the H x W low bytes of the differences, and for 16 bits the H x W high bytes.
 */
import { CodecError } from "../errors.mjs";
import { concatenate } from "./symbols.mjs";

/**
 * Return the bytes of a plane [height, width] of 8 bits.
 * @param {Uint8Array} plane
 * @param {number} height
 * @param {number} width
 */
export async function packPlane(plane, height, width) {
  const body = new Uint8Array(height * (1 + width));
  for (let row = 0; row < height; row++) {
    const from = row * width;
    const cost = [0, 0, 0];
    const rows = cost.map((_, filter) => {
      const line = new Uint8Array(width);
      for (let i = 0; i < width; i++) {
        const near = filter === 1 ? (i ? plane[from + i - 1] : 0) : row ? plane[from + i - width] : 0;
        line[i] = plane[from + i] - (filter ? near : 0);
        cost[filter] += Math.abs((line[i] << 24) >> 24);
      }
      return line;
    });
    const best = cost.indexOf(Math.min(...cost));
    body[row] = best;
    body.set(rows[best], height + from);
  }
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("deflate"));
  return concatenate([Uint8Array.of(8), new Uint8Array(await new Response(stream).arrayBuffer())]);
}

/**
 * Return the plane [height, width] with 8 bits a sample (16 become 8); CodecError if the data are not of such a plane.
 * @param {Uint8Array} data
 * @param {number} height
 * @param {number} width
 */
export async function unpackPlane(data, height, width) {
  const bits = data[0] ?? 0;
  if (bits !== 8 && bits !== 16) {
    throw new CodecError(`the alpha plane is damaged: ${bits} bits a sample, expected 8 or 16`);
  }
  const size = height * (1 + (width * bits) / 8);
  const body = await inflate(data.subarray(1), size, "the alpha plane is");
  const top = body.subarray(0, height).reduce((most, x) => Math.max(most, x), 0);
  if (top > 2) throw new CodecError(`the alpha plane is damaged: filter ${top}, expected 0 to 2`);
  const plane = new Uint16Array(height * width);
  for (let i = 0; i < plane.length; i++) {
    plane[i] = body[height + i] | (bits === 16 ? body[height + plane.length + i] << 8 : 0);
  }
  const mask = bits === 16 ? 65535 : 255;
  for (let row = 0; row < height; row++) {
    const from = row * width;
    const filter = body[row];
    for (let i = filter === 1 ? 1 : 0; i < width && filter && (filter === 1 || row); i++) {
      plane[from + i] = (plane[from + i] + plane[from + i - (filter === 1 ? 1 : width)]) & mask;
    }
  }
  return bits === 8 ? Uint8Array.from(plane) : Uint8Array.from(plane, (x) => Math.round(x / 257));
}

/**
 * Return what a zlib stream holds, which must be `size` bytes; no more memory than that is taken.
 * @param {Uint8Array} data
 * @param {number} size
 * @param {string} what begins the words of an error: "the alpha plane is"
 */
export async function inflate(data, size, what) {
  const stream = new Blob([new Uint8Array(data)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const parts = [];
  let received = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      received += value.length;
      if (received > size) break;
    }
  } catch (error) {
    throw new CodecError(`${what} damaged: ${/** @type {Error} */ (error).message}`);
  }
  if (received !== size) {
    await reader.cancel().catch(() => undefined);
    throw new CodecError(`${what} damaged: expected ${size} bytes, received ${received}`);
  }
  return concatenate(parts);
}
