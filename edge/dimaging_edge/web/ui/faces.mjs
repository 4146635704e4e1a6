// @ts-check
/** A decoder of codes, in the tab Draw: another face, the sliders of its code, and directions such as glasses. */
import { alarm, greyToRgba, make, paint } from "./dom.mjs";

const MOST_SLIDERS = 8;

/**
 * @param {import("../app.mjs").Page} page
 * @param {import("../worker.mjs").Entry} entry
 */
export function faces(page, entry) {
  const place = make("section", { "aria-label": entry.name });
  const begin = make("button", { type: "button" }, `Open ${entry.name}`);
  begin.onclick = async () => {
    try {
      place.replaceChildren(...(await controls(page, entry)));
    } catch (error) {
      place.replaceChildren(alarm(/** @type {Error} */ (error).message));
    }
  };
  place.append(make("h2", {}, `${entry.name}: pictures from codes`), begin);
  return place;
}

/**
 * @param {import("../app.mjs").Page} page
 * @param {import("../worker.mjs").Entry} entry
 */
async function controls(page, { name }) {
  const facts = await page.client.call("latent", { name });
  const canvas = make("canvas", {
    className: "pixels", width: facts.width, height: facts.height, role: "img", "aria-label": `what ${name} decodes`,
  });
  const said = make("p", { className: "soft", role: "status" });
  let drawn = new Float32Array(facts.codes);
  const moved = new Float32Array(facts.codes);
  /** @type {Record<string, number>} */
  const shares = {};
  let label = 0;
  let [busy, again] = [false, false];
  const update = async () => {
    if (busy) {
      again = true; // a slider moves faster than pictures are made
      return;
    }
    busy = true;
    do {
      again = false;
      const code = drawn.map((value, i) => {
        const along = Object.entries(shares).reduce((sum, [key, share]) => sum + share * facts.directions[key][i], 0);
        return value + moved[i] + along;
      });
      try {
        const { image } = await page.client.call("decode", { name, code, label });
        paint(canvas, greyToRgba(image, facts.channels));
      } catch (error) {
        said.textContent = /** @type {Error} */ (error).message;
      }
    } while (again);
    busy = false;
  };
  /** @param {string} words @param {string} id @param {number} most @param {(value: number) => void} set */
  const slider = (words, id, most, set) => {
    const input = make("input", { type: "range", min: -most, max: most, step: 0.1, value: 0, id });
    input.oninput = () => {
      set(Number(input.value));
      update();
    };
    return make("div", {}, make("label", { for: id }, words), input);
  };
  const meanings = Object.keys(facts.directions).map((key) =>
    slider(`${key}: less or more`, `${name}-${key}`, 2, (value) => (shares[key] = value)),
  );
  const sliders = Array.from({ length: Math.min(MOST_SLIDERS, facts.codes) }, (_, i) =>
    slider(`z ${i + 1}`, `${name}-${i}`, 3, (value) => (moved[i] = value)),
  );
  const classes = make("select", { id: `${name}-class` }, ...Array.from({ length: facts.classes }, (_, k) => make("option", { value: k }, String(k))));
  classes.onchange = () => {
    label = Number(classes.value);
    update();
  };
  const another = make("button", { type: "button", className: "main" }, "Another");
  another.onclick = async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    try {
      drawn = (await page.client.call("code", { name, seed })).code;
      said.textContent = `Seed ${seed}.`;
    } catch (error) {
      said.textContent = /** @type {Error} */ (error).message;
      return;
    }
    update();
  };
  await update();
  return [
    make("h2", {}, name),
    make("div", { className: "row" }, another),
    canvas,
    said,
    make(
      "div", { className: "fields" },
      facts.classes > 0 && make("div", {}, make("label", { for: `${name}-class` }, "Class"), classes),
      ...meanings, ...sliders,
    ),
  ];
}
