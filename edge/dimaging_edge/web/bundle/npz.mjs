// @ts-check
/** Arrays out of a `.npz` file, such as the examples of a bundle: zip members that are `.npy` files. */
import { BundleError } from "../errors.mjs";

const KINDS = {
  "|u1": Uint8Array, "|i1": Int8Array, "|b1": Uint8Array, "<u2": Uint16Array, "<i2": Int16Array, "<i4": Int32Array,
  "<u4": Uint32Array, "<i8": BigInt64Array, "<f4": Float32Array, "<f8": Float64Array,
};

/** @typedef {{data: any, dims: number[]}} Values a typed array and its shape */

/**
 * Return the arrays of a file by name; BundleError where it is no such file.
 * @param {Uint8Array} file
 * @returns {Promise<Map<string, Values>>}
 */
export async function readNpz(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let end = file.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new BundleError("examples.npz: this is no zip file; export the bundle again");
  const found = new Map();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const [method, packed] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true)];
    const [name, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const local = view.getUint32(at + 42, true);
    const begin = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const body = file.subarray(begin, begin + packed);
    const key = new TextDecoder().decode(file.subarray(at + 46, at + 46 + name));
    found.set(key.replace(/\.npy$/, ""), readNpy(method ? await inflate(body) : body, key));
    at += 46 + name + extra + comment;
  }
  return found;
}

/**
 * @param {Uint8Array} body
 * @param {string} name
 * @returns {Values}
 */
function readNpy(body, name) {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const [begin, length] = body[6] > 1 ? [12, view.getUint32(8, true)] : [10, view.getUint16(8, true)];
  const header = new TextDecoder().decode(body.subarray(begin, begin + length));
  const kind = /'descr': '([^']+)'/.exec(header)?.[1] ?? "";
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "";
  const make = KINDS[/** @type {keyof typeof KINDS} */ (kind)];
  if (!make || header.includes("'fortran_order': True")) {
    throw new BundleError(`examples.npz: ${name} has a type that is not known: ${header.trim()}`);
  }
  const dims = shape.split(",").filter((size) => size.trim()).map(Number);
  return { data: new make(body.slice(begin + length).buffer), dims };
}

/** @param {Uint8Array} data */
async function inflate(data) {
  const stream = new Blob([new Uint8Array(data)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
