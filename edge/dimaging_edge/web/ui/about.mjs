// @ts-check
/** The tab that says what the page is made of, what it keeps, and what it lacks here. */
import { make, size, table } from "./dom.mjs";
import { keepers } from "./keep.mjs";

/** @param {import("../app.mjs").Page} page */
export function aboutTab(page) {
  const stored = make("p", {}, "counting ...");
  const kept = make("section", { "aria-label": "For flight mode" });
  const count = async () => {
    const estimate = await navigator.storage?.estimate?.().catch(() => undefined);
    stored.textContent = estimate?.usage === undefined ? "unknown to this browser" : `${size(estimate.usage)} on this device`;
    kept.replaceChildren(keepers(page, page.listing.bundles, count));
  };
  count();
  const clear = make("button", { type: "button" }, "Delete everything that this page keeps");
  clear.onclick = async () => {
    for (const name of await globalThis.caches?.keys() ?? []) await caches.delete(name);
    for (const one of await navigator.serviceWorker?.getRegistrations() ?? []) await one.unregister();
    stored.textContent = "Everything is deleted. The page works until it is closed.";
  };
  const missing = page.missing();
  return [
    make("h1", {}, "About this page"),
    make("p", {}, "Trained in Keras, proven in ONNX, run here by onnxruntime-web. No picture leaves this device; after the first visit no network is needed."),
    ...(missing.length
      ? [
          make("h2", {}, "What is missing here"),
          make("ul", { className: "note" }, ...missing.map((words) => make("li", {}, words))),
        ]
      : []),
    make("h2", {}, "Kept"),
    stored,
    kept,
    make("div", { className: "row" }, clear),
    make("h2", {}, "Models"),
    ...page.listing.bundles.map((/** @type {any} */ one) => card(one)),
    make("h2", {}, "Versions"),
    table(
      [
        ["part", "version"], ["dimaging", page.listing.dimaging], ["onnxruntime-web", page.listing.onnxruntime_web],
        ["threads", page.client.threads],
      ],
      "Versions",
    ),
    make("p", { className: "soft" }, "onnxruntime-web is under the MIT licence: ",
      make("a", { href: `${page.listing.engine}LICENSE` }, "licence"), ", ",
      make("a", { href: `${page.listing.engine}ThirdPartyNotices.txt` }, "notices of third parties"), "."),
    make("p", { className: "soft" }, "Tried in Chromium, and less in Firefox, on a computer: nobody has tried this page on a real phone or in Safari yet. If you do, please report what you see, with the JSON of the tab Measure."),
  ];
}

/** @param {any} entry */
function card(entry) {
  const text = make("pre", { tabIndex: 0, "aria-label": `card of ${entry.name}` });
  const details = make("details", {}, make("summary", {}, `${entry.name} (${entry.model_id.slice(0, 12)})`), text);
  details.ontoggle = async () => {
    if (!details.open || text.textContent) return;
    try {
      const answer = await fetch(`${entry.folder}CARD.md`);
      text.textContent = answer.ok ? await answer.text() : "the card is not here";
    } catch {
      text.textContent = "the card was not kept; it needs a network once";
    }
  };
  return details;
}
