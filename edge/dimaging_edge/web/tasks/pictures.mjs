// @ts-check
/** What the worker does for the tabs Clean, Draw and Fool: verbs on bundles that are no codecs. */
import { Oracle } from "../attacks/oracle.mjs";
import { fool, opinion } from "../attacks/pictures.mjs";
import { clean, psnr, withNoise } from "../clean.mjs";
import { InputError } from "../errors.mjs";
import { imagine, readWords } from "../generate/captions.mjs";
import { codeOf, decode, describe } from "../generate/latent.mjs";
import { draw, sizeOf } from "../generate/stepping.mjs";
import { fromRgba, readPicture, readSquare, toRgba, writePicture } from "../picture.mjs";

/** @typedef {import("../bundle/open.mjs").Bundle} Bundle */
/** @typedef {import("../worker.mjs").Step} Step */

/** The most pixels of a photo that is cleaned. */
const CLEANED = 1 << 21;

/**
 * Return the verbs.
 * @param {(name: string) => Promise<Bundle>} bundle opens a bundle of the page
 * @returns {Record<string, (args: any, step: Step) => Promise<any>>}
 */
export function pictureVerbs(bundle) {
  /** @param {string} name */
  const oracle = async (name) => new Oracle(await bundle(name));
  return {
    async clean({ name, file, sigma, seed }, step) {
      const { photo, note } = await readPicture(file, CLEANED);
      const picture = { ...photo, image: /** @type {Uint8Array} */ (photo.image) };
      const noisy = sigma ? withNoise(picture, sigma, seed) : picture.image;
      const found = await clean(await bundle(name), { ...picture, image: noisy }, step);
      return {
        note, width: photo.width, height: photo.height, before: toRgba({ ...photo, image: noisy }),
        after: toRgba({ ...photo, image: found }), png: await writePicture({ ...photo, image: found }),
        psnr: sigma ? [psnr(noisy, picture.image), psnr(found, picture.image)] : null,
      };
    },

    /** Clean a frame of the camera, and return its pixels. */
    async cleanFrame({ name, rgba, width, height }, step) {
      const photo = fromRgba(rgba, width, height);
      const image = await clean(await bundle(name), { ...photo, image: /** @type {Uint8Array} */ (photo.image) }, step);
      return { rgba: toRgba({ ...photo, image }) };
    },

    async size({ name }) {
      return sizeOf(await bundle(name));
    },

    async draw({ name, seed, known }, step) {
      const opened = await bundle(name);
      const { height } = sizeOf(opened);
      return draw(opened, seed, known, (rows, image) => step(rows, height, image.slice()));
    },

    /** Say what a decoder of codes takes: the sliders of a latent space. */
    async latent({ name }) {
      return describe(await bundle(name));
    },

    /** Return a code drawn from a seed. */
    async code({ name, seed }) {
      return { code: await codeOf(await bundle(name), seed) };
    },

    /** Return the picture of a code, float32 in 0 to 1. */
    async decode({ name, code, label }) {
      return { image: await decode(await bundle(name), code, label) };
    },

    async words({ name }) {
      return readWords(await bundle(name));
    },

    async imagine({ name, caption, seed }) {
      return imagine(await bundle(name), caption, seed);
    },

    /** Say what a classifier takes and knows. */
    async classifier({ name }) {
      const { size, names, bundle: opened } = await oracle(name);
      return { ...size, names, gradient: "gradient" in opened.manifest.graphs };
    },

    /** Return the middle square of a file's picture at the size that a classifier takes. */
    async square({ name, file }) {
      const { size } = await oracle(name);
      if (size.height !== size.width) {
        throw new InputError(`${name} takes pictures of ${size.width} x ${size.height}, and this page cuts squares`);
      }
      return { rgba: await readSquare(file, size.width) };
    },

    async opinion({ name, rgba }) {
      return opinion(await oracle(name), rgba);
    },

    async fool({ name, rgba, levels, target, steps, restarts }, step) {
      const options = { levels, target, steps, restarts, progress: step };
      return fool(await oracle(name), rgba, options);
    },
  };
}
