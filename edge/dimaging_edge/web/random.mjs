// @ts-check
/**
 * Random numbers that are the same on every machine and in every language: Philox4x32-10, as `common/random.py`.
 *
 * Source: Salmon, Moraes, Dror, Shaw (SC 2011). Block i of four 32-bit words is a function of seed, stream and i.
 */

/**
 * Return high and low 32 bits of a product, with 16-bit parts.
 * @param {number} a
 * @param {number} b
 * @returns {[number, number]}
 */
function wide(a, b) {
  const [ah, al, bh, bl] = [a >>> 16, a & 65535, b >>> 16, b & 65535];
  const low = al * bl;
  const middle = ah * bl + (low >>> 16);
  const carry = al * bh + (middle & 65535);
  const high = ah * bh + Math.floor(middle / 65536) + Math.floor(carry / 65536);
  return [high >>> 0, Math.imul(a, b) >>> 0];
}

/**
 * Return the first `count` 32-bit numbers of a stream.
 * @param {number} seed 0 to 2^53 - 1
 * @param {number} count
 * @param {number} stream
 */
export function bits(seed, count, stream = 0) {
  const found = new Uint32Array(4 * Math.ceil(count / 4));
  for (let block = 0; 4 * block < count; block++) {
    let [c0, c1, c2, c3] = [block >>> 0, Math.floor(block / 2 ** 32), stream >>> 0, 0];
    let [k0, k1] = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
    for (let round = 0; round < 10; round++) {
      const [a, b] = [wide(0xd2511f53, c0), wide(0xcd9e8d57, c2)];
      [c0, c1, c2, c3] = [(b[0] ^ c1 ^ k0) >>> 0, b[1], (a[0] ^ c3 ^ k1) >>> 0, a[1]];
      k0 = (k0 + 0x9e3779b9) >>> 0;
      k1 = (k1 + 0xbb67ae85) >>> 0;
    }
    found.set([c0, c1, c2, c3], 4 * block);
  }
  return found.subarray(0, count);
}

/**
 * Return numbers strictly between 0 and 1, exact in float32.
 * @param {number} seed
 * @param {number} count
 * @param {number} stream
 */
export function uniform(seed, count, stream = 0) {
  return Float32Array.from(bits(seed, count, stream), (x) => ((x >>> 8) | 1) / 2 ** 24);
}

/**
 * Return unit Gaussian numbers, by Box and Muller in float64.
 * @param {number} seed
 * @param {number} count
 * @param {number} stream
 */
export function normal(seed, count, stream = 0) {
  const u = uniform(seed, 2 * Math.ceil(count / 2), stream);
  const found = new Float32Array(u.length);
  for (let i = 0; i < u.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(u[i]));
    found[i] = radius * Math.cos(2 * Math.PI * u[i + 1]);
    found[i + 1] = radius * Math.sin(2 * Math.PI * u[i + 1]);
  }
  return found.subarray(0, count);
}
