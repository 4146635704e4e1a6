// @ts-check
/** Two pictures of one size, side by side, or one over the other with a slider between them. */
import { figure, make, paint } from "./dom.mjs";

/** @typedef {{width: number, height: number, before: Uint8ClampedArray, after: Uint8ClampedArray}} Pair */

/**
 * @param {Pair} pair
 * @param {[string, string]} words what each picture is
 */
export function compare(pair, words) {
  const { width, height, before, after } = pair;
  const place = make("div", { className: "pictures" });
  const beside = () => {
    place.className = "pictures";
    place.replaceChildren(
      figure({ rgba: before, width, height }, words[0]), figure({ rgba: after, width, height }, words[1]),
    );
  };
  const over = () => {
    const canvas = make("canvas", { width, height, role: "img", "aria-label": `left ${words[0]}, right ${words[1]}` });
    const slider = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "where the pictures meet" });
    const show = () => {
      const edge = Math.round((width * slider.value) / 100);
      const mixed = new Uint8ClampedArray(after);
      for (let row = 0; row < height; row++) {
        mixed.set(before.subarray(4 * row * width, 4 * (row * width + edge)), 4 * row * width);
      }
      paint(canvas, mixed);
    };
    slider.oninput = show;
    show();
    place.className = "pictures one";
    place.replaceChildren(
      make("figure", {}, canvas, slider, make("figcaption", {}, `left ${words[0]}, right ${words[1]}`)),
    );
  };
  const button = make("button", { type: "button", "aria-pressed": "false" }, "One over the other");
  button.onclick = () => {
    const pressed = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!pressed));
    if (pressed) beside();
    else over();
  };
  beside();
  return make("div", {}, make("div", { className: "row" }, button), place);
}
