// @ts-check
/** Small things that every tab needs: elements, pictures, a picker of files, progress with a cancel. */

/**
 * Return an element with properties (or, with a dash in their name, attributes) and children.
 * @param {string} tag
 * @param {Record<string, any>} properties
 * @param {...(Node | string | null | false)} children
 * @returns {any}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else Object.assign(element, { [name]: value });
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/**
 * Return a figure with pixels on a canvas; `words` describe it to who does not see it.
 * @param {{rgba: Uint8ClampedArray, width: number, height: number}} picture
 * @param {string} words
 * @param {string} [kind] class of the canvas
 */
export function figure({ rgba, width, height }, words, kind = "") {
  const canvas = make("canvas", { width, height, className: kind, role: "img", "aria-label": words });
  paint(canvas, rgba);
  return make("figure", {}, canvas, make("figcaption", {}, words));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8ClampedArray} rgba
 */
export function paint(canvas, rgba) {
  canvas.getContext("2d")?.putImageData(new ImageData(/** @type {any} */ (rgba), canvas.width, canvas.height), 0, 0);
}

/**
 * Return pixels for a canvas of values in 0 to 1.
 * @param {Float32Array} image
 * @param {number} channels
 */
export function greyToRgba(image, channels) {
  const rgba = new Uint8ClampedArray((4 * image.length) / channels);
  for (let i = 0; i < image.length / channels; i++) {
    for (let k = 0; k < 3; k++) rgba[4 * i + k] = 255 * image[i * channels + (channels === 3 ? k : 0)];
    rgba[4 * i + 3] = 255;
  }
  return rgba;
}

/**
 * Return a place to choose, drop or paste a file.
 * @param {{label: string, accept: string, camera?: boolean, hint: string, take: (file: File) => void}} options
 */
export function picker({ label, accept, camera = false, hint, take }) {
  /** @param {string} words @param {boolean} capture */
  const choose = (words, capture) => {
    const input = make("input", { type: "file", accept });
    if (capture) input.setAttribute("capture", "environment");
    input.onchange = () => {
      if (input.files[0]) take(input.files[0]);
      input.value = "";
    };
    return make("label", { className: capture ? "button" : "button main" }, words, input);
  };
  const place = make(
    "div", { className: "drop" },
    make("div", { className: "row" }, choose(label, false), camera && choose("Take a photo", true)),
    make("span", { className: "soft" }, hint),
  );
  place.ondragover = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    place.classList.add("over");
  };
  place.ondragleave = () => place.classList.remove("over");
  place.ondrop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    place.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  };
  return place;
}

/** @type {WeakMap<HTMLElement, AbortController>} the task of each place */
const running = new WeakMap();

/**
 * Run a task with a bar and a cancel in `place`; errors are shown there, and undefined comes back. The task that runs
 * there already is ended, and its answer is not shown: a second photo takes the place of the first.
 * @template T
 * @param {HTMLElement} place
 * @param {string} words
 * @param {(options: {signal: AbortSignal, progress: (progress: any) => void}) => Promise<T>} task
 * @returns {Promise<T | undefined>}
 */
export async function working(place, words, task) {
  running.get(place)?.abort();
  const control = new AbortController();
  running.set(place, control);
  const mine = () => running.get(place) === control;
  for (const link of place.querySelectorAll("a[download]")) URL.revokeObjectURL(/** @type {any} */ (link).href);
  const bar = make("progress", { max: 1, "aria-label": words });
  const text = make("p", { className: "soft", role: "status", "aria-live": "polite" }, `${words} ...`);
  const cancel = make("button", { type: "button" }, "Cancel");
  cancel.onclick = () => {
    control.abort();
    cancel.disabled = true;
    text.textContent = "stopping after this tile ...";
  };
  place.replaceChildren(text, bar, make("div", { className: "row" }, cancel));
  let said = -1;
  try {
    const done = await task({
      signal: control.signal,
      progress: ({ done, total, more }) => {
        if (!mine()) return;
        bar.value = done / total;
        const tenth = Math.floor((10 * done) / total);
        if (tenth === said && typeof more !== "string") return; // a screen reader hears of tenths
        said = tenth;
        if (!control.signal.aborted) text.textContent = `${typeof more === "string" ? more : words}: ${10 * tenth} %`;
      },
    });
    return mine() ? done : undefined;
  } catch (error) {
    if (!mine()) return undefined;
    const message = error instanceof Error ? error.message : String(error);
    place.replaceChildren(message === "cancelled" ? make("p", {}, "Cancelled.") : alarm(message));
    return undefined;
  }
}

/** @param {string} words */
export const alarm = (words) => make("p", { className: "error", role: "alert" }, words);

/**
 * Return buttons that save a file and, where the device has it, hand it to another app.
 * @param {Blob} blob
 * @param {string} name
 */
export function outlets(blob, name) {
  const save = make("a", { className: "button main", href: URL.createObjectURL(blob), download: name }, `Save ${name}`);
  const file = new File([blob], name, { type: blob.type });
  const able = typeof navigator.canShare === "function" && navigator.canShare({ files: [file] });
  const share = able && make("button", { type: "button", onclick: () => navigator.share({ files: [file] }) }, "Share");
  return make("div", { className: "row" }, save, share);
}

/**
 * Return a table; the first row is its head.
 * @param {(string | number)[][]} rows
 * @param {string} caption
 */
export function table(rows, caption) {
  const [head, ...body] = rows;
  return make(
    "div", { className: "table", tabIndex: 0, role: "region", "aria-label": caption },
    make(
      "table", {},
      make("thead", {}, make("tr", {}, ...head.map((cell) => make("th", { scope: "col" }, String(cell))))),
      make("tbody", {}, ...body.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, String(cell)))))),
    ),
  );
}

/** @param {number} bytes */
export const size = (bytes) =>
  bytes < 1e4 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;

/** @param {number | null} value @param {number} digits */
export const figureOf = (value, digits = 2) => (value === null || !Number.isFinite(value) ? "—" : value.toFixed(digits));
