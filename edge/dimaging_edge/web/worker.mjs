// @ts-check
/**
 * Everything heavy, off the page's thread: {id, verb, args} comes in; {id, progress}, {id, result} or {id, error} go
 * out. {cancel: id} ends a task at its next step.
 */
import { bench } from "./bench.mjs";
import { openBundle } from "./bundle/open.mjs";
import { psnr } from "./clean.mjs";
import { InputError } from "./errors.mjs";
import { openModel } from "./photo/bundle_model.mjs";
import { decompress } from "./photo/codec.mjs";
import { readHeader } from "./photo/container.mjs";
import { atMost } from "./photo/search.mjs";
import { isPacked } from "./lossless/stream.mjs";
import { readPicture, rival, toRgba, writePicture } from "./picture.mjs";
import { openPacked } from "./tasks/packed.mjs";
import { pictureVerbs } from "./tasks/pictures.mjs";

/** @typedef {{name: string, folder: string, model: string, model_id: string, graphs: string[], codec: boolean, bytes: number}} Entry */
/** @typedef {{engine: string, bundles: Entry[], dimaging: string, onnxruntime_web: string}} Listing */
/** @typedef {(done: number, total: number, more?: any) => Promise<void>} Step */

/** The most pixels of a photo that is shown beside its file: copies of a larger one would fill a phone's memory. */
const COMPARED = 1 << 22;

/** @type {Listing} */
let listing;
/** @type {any} */
let ort;
/** @type {Map<string, Promise<import("./bundle/open.mjs").Bundle>>} */
const bundles = new Map();
/** @type {Map<string, Promise<import("./photo/bundle_model.mjs").BundleModel>>} */
const models = new Map();
/** @type {Set<number>} */
const cancelled = new Set();

/** @param {string} path */
async function fetched(path) {
  const answer = await fetch(path).catch(() => null);
  if (answer === null) {
    throw new InputError(`${path.split("/").at(-2)?.replace(/-[0-9a-f]{12}$/, "") ?? path} is not kept on this device; use it once with a network, or keep it in the tab About`);
  }
  if (!answer.ok) throw new InputError(`${path} is not here (${answer.status}); visit the page once with a network`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** @param {string} name */
function bundle(name) {
  const entry = listing.bundles.find((one) => one.name === name);
  if (!entry) throw new InputError(`there is no bundle ${name} on this page`);
  if (!bundles.has(name)) {
    const opened = openBundle(name, (file) => fetched(entry.folder + file), ort);
    bundles.set(name, opened);
    opened.catch(() => bundles.delete(name)); // with a network it may be opened after all
  }
  return /** @type {Promise<import("./bundle/open.mjs").Bundle>} */ (bundles.get(name));
}

/** @param {string} name */
async function model(name) {
  if (!models.has(name)) models.set(name, bundle(name).then(openModel));
  try {
    return await /** @type {Promise<import("./photo/bundle_model.mjs").BundleModel>} */ (models.get(name));
  } catch (error) {
    models.delete(name);
    bundles.delete(name);
    throw error;
  }
}

/** @type {Record<string, (args: any, step: Step) => Promise<any>>} */
const VERBS = {
  /** Start onnxruntime. */
  async start(args) {
    listing = args.listing;
    ort = await import(new URL(`${listing.engine}ort.wasm.min.mjs`, location.href).href);
    ort.env.wasm.numThreads = args.threads;
    ort.env.wasm.wasmPaths = new URL(listing.engine, location.href).href;
    ort.env.logLevel = "error";
    return { threads: args.threads };
  },

  /** Open the model of a codec, so that the first photo does not wait for it. */
  async warm({ name }) {
    const codec = await model(name);
    return { bitDepth: codec.bitDepth, channels: codec.channels };
  },

  async compress({ name, file, mostBytes, tile, ...asked }, step) {
    const started = performance.now();
    const { photo, note } = await readPicture(file);
    const codec = await model(name);
    const options = {
      tile,
      half: asked.half,
      progress: (/** @type {number} */ part, /** @type {number} */ total) => step(part, total),
      opening: () => (photo.width * photo.height > COMPARED ? codec.bundle.release("encoder") : undefined),
    };
    const { data, quality, half } = await atMost(codec, photo, asked.quality, mostBytes || Infinity, options);
    const seconds = (performance.now() - started) / 1000;
    const pixels = photo.width * photo.height;
    const done = {
      data, note, quality, half, seconds, width: photo.width, height: photo.height, bpp: (8 * data.length) / pixels,
    };
    if (pixels > COMPARED) return { ...done, rivals: [], psnr: null };
    const back = await decompress(codec, data, { progress: (part, total) => step(part, total) });
    const rivals = [];
    for (const type of ["image/jpeg", "image/webp"]) {
      const other = await rival(photo, type, data.length);
      if (!other) continue;
      const seen = (await readPicture(other)).photo;
      rivals.push({ type, bytes: other.size, psnr: seen.channels === photo.channels ? psnr(seen.image, photo.image) : null });
    }
    return {
      ...done, rivals, psnr: psnr(back.photo.image, photo.image), before: toRgba(photo), after: toRgba(back.photo),
    };
  },

  async open({ data, keepGoing }, step) {
    if (isPacked(data)) return openPacked(bundle, listing.bundles, data, step);
    const { header } = readHeader(data);
    const entry = listing.bundles.find((one) => one.model_id.startsWith(header.modelId));
    if (!entry) {
      const known = listing.bundles.filter((one) => one.codec).map((one) => one.name);
      throw new InputError(
        `the file was compressed with model ${header.modelId}; models here: ${known.join(", ")}. Serve the bundle ` +
          "that compressed it: dimaging-edge app BUNDLE",
      );
    }
    const codec = await model(entry.name);
    if (header.width * header.height > COMPARED) await codec.bundle.release("encoder");
    let done = 0;
    const stages = header.width * header.height > 1 << 21 ? [3] : [1, 2, 3]; // a preview of a large picture is no quicker
    for (const rungs of stages) {
      const { photo, damage, latents, bound, half } = await decompress(codec, data, {
        rungs, keepGoing,
        progress: (part, total) => step(done + part, stages.length * total),
      });
      done += 2 * latents.length;
      const shown = {
        rungs, damage, latents, bound, half, width: photo.width, height: photo.height, channels: photo.channels,
        quality: header.quality, tile: header.tile, depth: header.depth, model: entry.name, rgba: toRgba(photo),
        icc: photo.icc?.length ?? 0, exif: photo.exif?.length ?? 0, alpha: Boolean(photo.alpha),
      };
      if (rungs === 3) return { ...shown, png: await writePicture(bare(photo), "image/png", undefined, shown.rgba) };
      await step(done, 2 * stages.length * latents.length, shown);
    }
    return null;
  },

  async bench({ name, seconds, most, environment }, step) {
    const reference = await ort.InferenceSession.create(await fetched("reference.onnx"), {
      executionProviders: ["wasm"],
    });
    const opened = await bundle(name);
    const report = await bench(opened, reference, ort, { seconds, most, environment, progress: step });
    await reference.release();
    await opened.release();
    return report;
  },

  ...pictureVerbs(bundle),
};

/**
 * Return a photo without its pixels, which take memory.
 * @param {import("./photo/codec.mjs").Photo} photo
 */
function bare(photo) {
  photo.image = new Uint8Array();
  photo.alpha = null;
  return photo;
}

/** Let messages in, a cancel among them. */
const breathe = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(0);
  });

let last = Promise.resolve();

addEventListener("message", ({ data }) => {
  if (data.cancel) cancelled.add(data.cancel);
  else last = last.then(() => answer(data)); // one task at a time: onnxruntime has one heap
});

/** @param {{id: number, verb: string, args: any}} task */
async function answer({ id, verb, args }) {
  /** @type {Step} */
  const step = async (done, total, more) => {
    postMessage({ id, progress: { done, total, more } });
    await breathe();
    if (cancelled.has(id)) throw new InputError("cancelled");
  };
  try {
    if (cancelled.has(id)) throw new InputError("cancelled");
    const result = await VERBS[verb](args, step);
    const buffers = Object.values(result ?? {}).flatMap((value) => (value?.buffer instanceof ArrayBuffer ? [value.buffer] : []));
    postMessage({ id, result }, { transfer: [...new Set(buffers)] });
  } catch (error) {
    const words = error instanceof Error ? error.message : `onnxruntime ended with ${error}`;
    postMessage({ id, error: words });
  }
}
