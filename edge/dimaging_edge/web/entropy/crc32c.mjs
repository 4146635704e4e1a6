// @ts-check
/** CRC32C (Castagnoli; iSCSI, RFC 3720), the check sum of all our formats, four bytes at a time. */

const POLYNOMIAL = 0x82f63b78; // reflected

/** Four tables of 256: the CRC of a byte followed by 0, 1, 2 or 3 zero bytes. */
const TABLE = (() => {
  const table = new Uint32Array(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  for (let i = 256; i < table.length; i++) {
    table[i] = table[table[i - 256] & 255] ^ (table[i - 256] >>> 8);
  }
  return table;
})();

/**
 * Return the CRC32C, 0 to 2^32 - 1, of parts one after the other.
 * @param {...Uint8Array} parts
 */
export function crc32c(...parts) {
  let crc = -1;
  for (const data of parts) {
    const whole = data.length - (data.length & 3);
    for (let i = 0; i < whole; i += 4) {
      crc ^= data[i] | (data[i + 1] << 8) | (data[i + 2] << 16) | (data[i + 3] << 24);
      crc =
        TABLE[768 + (crc & 255)] ^
        TABLE[512 + ((crc >>> 8) & 255)] ^
        TABLE[256 + ((crc >>> 16) & 255)] ^
        TABLE[crc >>> 24];
    }
    for (let i = whole; i < data.length; i++) crc = TABLE[(crc ^ data[i]) & 255] ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
