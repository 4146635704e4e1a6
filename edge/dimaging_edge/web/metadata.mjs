// @ts-check
/** ICC profile and EXIF out of the bytes of a JPEG or PNG file; of other formats none are taken. */

/** The most bytes of a colour profile; a small file may hold one that inflates to any size. */
const MOST_PROFILE = 1 << 24;

const latin = new TextDecoder("latin1");

/** @typedef {{icc: Uint8Array | null, exif: Uint8Array | null}} Metadata */

/**
 * @param {Uint8Array} data
 * @returns {Promise<Metadata>}
 */
export async function metadata(data) {
  try {
    if (data[0] === 0xff && data[1] === 0xd8) return ofJpeg(data);
    if (latin.decode(data.subarray(1, 4)) === "PNG") return await ofPng(data);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
  }
  return { icc: null, exif: null }; // a damaged segment: the picture is worth more than its notes
}

/** @param {Uint8Array} data @returns {Metadata} */
function ofJpeg(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const profile = [];
  let exif = null;
  for (let at = 2; data[at] === 0xff && data[at + 1] !== 0xda; at += 2 + view.getUint16(at + 2)) {
    const body = data.subarray(at + 4, at + 2 + view.getUint16(at + 2));
    const starts = (/** @type {string} */ text) => latin.decode(body.subarray(0, text.length)) === text;
    if (data[at + 1] === 0xe1 && starts("Exif\0\0")) exif = upright(body.slice(), 6);
    if (data[at + 1] === 0xe2 && starts("ICC_PROFILE\0")) profile[body[12]] = body.subarray(14);
  }
  const parts = profile.filter(Boolean);
  return { icc: parts.length ? joined(parts) : null, exif };
}

/** @param {Uint8Array} data @returns {Promise<Metadata>} */
async function ofPng(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  /** @type {Metadata} */
  const found = { icc: null, exif: null };
  for (let at = 8; at + 8 <= data.length; at += 12 + view.getUint32(at)) {
    const kind = latin.decode(data.subarray(at + 4, at + 8));
    const body = data.subarray(at + 8, at + 8 + view.getUint32(at));
    if (kind === "eXIf") found.exif = upright(joined([new TextEncoder().encode("Exif\0\0"), body]), 6);
    if (kind === "iCCP") {
      const packed = new Uint8Array(body.subarray(body.indexOf(0) + 2));
      found.icc = await inflated(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")));
    }
    if (kind === "IDAT" && found.exif) break;
  }
  return found;
}

/**
 * Return what a stream holds; null for more than a profile has, or for damage.
 * @param {ReadableStream<Uint8Array>} stream
 */
async function inflated(stream) {
  const reader = stream.getReader();
  const parts = [];
  try {
    for (let size = 0; size <= MOST_PROFILE; ) {
      const { done, value } = await reader.read();
      if (done) return joined(parts);
      parts.push(value);
      size += value.length;
    }
  } catch {
    return null;
  }
  await reader.cancel();
  return null;
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Return EXIF whose orientation is 1, because the pixels are turned already; null where it is damaged.
 * @param {Uint8Array} exif
 * @param {number} begin of the TIFF header
 */
function upright(exif, begin) {
  try {
    turn(exif, begin);
    return exif;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return null;
  }
}

/**
 * @param {Uint8Array} exif
 * @param {number} begin
 */
function turn(exif, begin) {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.length);
  const little = view.getUint16(begin) === 0x4949;
  const place = begin + view.getUint32(begin + 4, little);
  for (let i = 0; i < view.getUint16(place, little); i++) {
    const entry = place + 2 + 12 * i;
    if (view.getUint16(entry, little) !== 0x0112) continue;
    if (view.getUint16(entry + 2, little) === 4) view.setUint32(entry + 8, 1, little);
    else view.setUint16(entry + 8, 1, little);
  }
}
