// @ts-check
/** A caption becomes a picture, in the tab Draw. */
import { alarm, greyToRgba, make, paint } from "./dom.mjs";

/**
 * @param {import("../app.mjs").Page} page
 * @param {import("../worker.mjs").Entry} entry
 */
export function captions(page, { name }) {
  const caption = make("input", { type: "text", id: `${name}-caption`, autocomplete: "off" });
  const button = make("button", { type: "button", className: "main" }, "Draw this");
  const known = make("p", { className: "soft" });
  const result = make("section", { "aria-label": `what ${name} draws` });
  const open = async () => {
    if (known.textContent) return;
    known.textContent = `Words that it knows: ${(await page.client.call("words", { name })).join(" ")}`;
  };
  const draw = async () => {
    button.disabled = true;
    try {
      await open();
      const seed = Math.floor(Math.random() * 2 ** 32);
      const { image, height, width, channels } = await page.client.call("imagine", { name, caption: caption.value, seed });
      const words = `“${caption.value}”, seed ${seed}`;
      const canvas = make("canvas", { className: "pixels", width, height, role: "img", "aria-label": words });
      paint(canvas, greyToRgba(image, channels));
      result.replaceChildren(make("figure", {}, canvas, make("figcaption", {}, words)));
    } catch (error) {
      result.replaceChildren(alarm(/** @type {Error} */ (error).message));
    }
    button.disabled = false;
  };
  button.onclick = draw;
  caption.onfocus = () => open().catch((error) => result.replaceChildren(alarm(error.message)));
  caption.onkeydown = (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && draw();
  return make(
    "section", { "aria-label": name },
    make("h2", {}, `${name}: a caption becomes a picture`),
    make("div", { className: "row" }, make("label", { for: caption.id }, "Caption"), caption, button),
    known,
    result,
  );
}
