// @ts-check
/** Pictures that come with the page, to try a model on without any of one's own. */
import { make } from "./dom.mjs";

/**
 * Return buttons with the pictures of `examples/NAME-0.webp` and so on, or nothing where a model has none.
 * @param {import("../app.mjs").Page} page
 * @param {string} name of a bundle
 * @param {(file: File) => void} take
 */
export function examples(page, name, take) {
  const paths = Object.keys(page.listing.files).filter((path) => path.startsWith(`examples/${name}-`));
  const buttons = paths.map((path, i) => {
    const image = make("img", { src: path, alt: "", width: 48, height: 48 });
    const button = make("button", { type: "button", className: "example", "aria-label": `Try example ${i + 1}` }, image);
    button.onclick = async () => {
      const blob = await (await fetch(path)).blob();
      take(new File([blob], path.split("/")[1], { type: blob.type }));
    };
    return button;
  });
  return buttons.length ? make("div", { className: "row", role: "group", "aria-label": "Examples" }, ...buttons) : null;
}
