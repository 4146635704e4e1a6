// @ts-check
/** What a tab says that has no model on this page. */
import { make } from "./dom.mjs";

/**
 * @param {string} title
 * @param {string} what
 * @param {string} train the command that trains one
 * @param {string} [options] of its export
 */
export function absent(title, what, train, options = "") {
  const lines = [train, `dimaging export runs/${what} ${options}--target web`, "dimaging-edge app BUNDLE"];
  return [
    make("h1", {}, title),
    make("p", {}, `This page has no ${what}. Train one, export it and serve it with the page:`),
    make("pre", { tabIndex: 0 }, make("code", {}, lines.join("\n"))),
  ];
}
