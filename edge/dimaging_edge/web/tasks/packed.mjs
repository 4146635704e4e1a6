// @ts-check
/** The tab Open with a file of packed images: unpacked by the model that packed them, and laid out side by side. */
import { InputError } from "../errors.mjs";
import { readPacked, unpack } from "../lossless/stream.mjs";
import { writePicture } from "../picture.mjs";

const GAP = 2;

/**
 * Unpack images and return what the tab shows.
 * @param {(name: string) => Promise<import("../bundle/open.mjs").Bundle>} bundle
 * @param {import("../worker.mjs").Entry[]} entries
 * @param {Uint8Array} data
 * @param {import("../worker.mjs").Step} step
 */
export async function openPacked(bundle, entries, data, step) {
  const { modelId } = readPacked(data);
  const entry = entries.find((one) => one.model_id.startsWith(modelId));
  if (!entry) {
    throw new InputError(
      `these images were packed without loss by the model ${modelId}, which is not on this page. Serve its bundle: ` +
        "dimaging-edge app BUNDLE; or use the command: dimaging-edge unpack BUNDLE FILE",
    );
  }
  const found = await unpack(await bundle(entry.name), data, step);
  const { images, height, width, levels, lanes } = found;
  const sheet = sheetOf(found);
  const png = await writePicture({ ...sheet, image: new Uint8Array(), channels: 1 }, "image/png", undefined, sheet.rgba);
  return {
    packed: { images, height, width, levels, lanes, bits: (8 * data.length) / (images * height * width) }, model: entry.name,
    png, damage: [], ...sheet,
  };
}

/**
 * Return all images side by side, for a canvas.
 * @param {{images: number, height: number, width: number, levels: number, symbols: Uint8Array}} found
 */
function sheetOf({ images, height, width, levels, symbols }) {
  const columns = Math.ceil(Math.sqrt(images));
  const [wide, tall] = [columns * (width + GAP) - GAP, Math.ceil(images / columns) * (height + GAP) - GAP];
  const rgba = new Uint8ClampedArray(4 * wide * tall).fill(128);
  for (let i = 3; i < rgba.length; i += 4) rgba[i] = 255;
  for (let number = 0; number < images; number++) {
    const [top, left] = [Math.floor(number / columns) * (height + GAP), (number % columns) * (width + GAP)];
    for (let i = 0; i < height * width; i++) {
      const at = 4 * ((top + Math.floor(i / width)) * wide + left + (i % width));
      rgba.fill(Math.round((255 * symbols[number * height * width + i]) / (levels - 1)), at, at + 3);
    }
  }
  return { rgba, width: wide, height: tall };
}
