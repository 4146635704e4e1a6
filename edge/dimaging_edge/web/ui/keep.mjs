// @ts-check
/** Buttons that keep a model for flight mode before it is used; what was used is kept anyway. */
import { alarm, make, size } from "./dom.mjs";

/** @typedef {import("../worker.mjs").Entry} Entry */

/**
 * Return the files of a model that are not kept yet; null where nothing can be kept.
 * @param {import("../app.mjs").Page} page
 * @param {Entry} entry
 */
async function lacking(page, entry) {
  if (!globalThis.caches || !navigator.serviceWorker?.controller) return null;
  const keep = await caches.open("dimaging-keep");
  const names = Object.keys(page.listing.files).filter((name) => name.startsWith(entry.folder));
  const found = await Promise.all(names.map((name) => keep.match(name)));
  return names.filter((_, i) => !found[i]);
}

/**
 * Return a place with a button for each model that is not kept whole.
 * @param {import("../app.mjs").Page} page
 * @param {Entry[]} entries
 * @param {() => void} [after]
 */
export function keepers(page, entries, after) {
  const place = make("div", { className: "keep" });
  for (const entry of entries) {
    const row = make("div", { className: "row" });
    place.append(row);
    lacking(page, entry).then((names) => {
      if (!names?.length) return;
      const button = make("button", { type: "button" }, `Keep ${entry.name} for flight mode (${size(entry.bytes)})`);
      button.onclick = async () => {
        button.disabled = true;
        try {
          await (await caches.open("dimaging-keep")).addAll(names);
          row.replaceChildren(make("p", { className: "soft", role: "status" }, `${entry.name} is kept: it works without a network.`));
          after?.();
        } catch {
          row.replaceChildren(alarm("The network did not give all of it, or there is no room; try again."));
        }
      };
      row.append(button);
    });
  }
  return place;
}
