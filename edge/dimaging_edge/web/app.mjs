// @ts-check
/** The page: the service worker, the worker that computes, and the tabs, each with a link of its own (#/open). */
import { Client } from "./client.mjs";
import { aboutTab } from "./ui/about.mjs";
import { cleanTab } from "./ui/clean.mjs";
import { compressTab } from "./ui/compress.mjs";
import { alarm } from "./ui/dom.mjs";
import { drawTab } from "./ui/draw.mjs";
import { foolTab } from "./ui/fool.mjs";
import { measureTab } from "./ui/measure.mjs";
import { openTab } from "./ui/open.mjs";

/** @type {Record<string, (page: Page) => Node[]>} */
const TABS = {
  compress: compressTab, open: openTab, clean: cleanTab, draw: drawTab, fool: foolTab,
  measure: measureTab, about: aboutTab,
};

/** What the tabs share. */
export class Page {
  /**
   * @param {any} listing files.json
   * @param {Client} client
   * @param {boolean} small whether memory is likely to be short
   */
  constructor(listing, client, small) {
    this.listing = listing;
    this.client = client;
    this.small = small;
    this.tab = "";
    /** @type {Map<string, Node[]>} */
    this.made = new Map();
  }

  /**
   * Return the bundles that have a graph.
   * @param {string} graph
   * @returns {import("./worker.mjs").Entry[]}
   */
  bundles(graph) {
    return this.listing.bundles.filter((/** @type {any} */ one) => one.graphs.includes(graph));
  }

  /** @returns {import("./worker.mjs").Entry[]} */
  codecs() {
    return this.listing.bundles.filter((/** @type {any} */ one) => one.codec);
  }

  /** Return what this origin or browser lacks, in sentences. */
  missing() {
    const found = [];
    if (!isSecureContext) {
      found.push("The address is not secure (plain http from another machine), so nothing is kept for flight mode and files are not checked by SHA-256.");
    }
    if (!crossOriginIsolated) found.push("The page is not isolated, so it computes with one thread.");
    if (isSecureContext && !navigator.serviceWorker) found.push("This browser has no service worker: no flight mode.");
    return found;
  }

  /** Show the tab that the address names; a tab keeps its state. */
  show() {
    const asked = location.hash.replace(/^#\//, "").split("?")[0];
    const name = Object.hasOwn(TABS, asked) ? asked : "compress"; // and not "toString"
    this.tab = name;
    if (!this.made.has(name)) this.made.set(name, TABS[name](this));
    const main = /** @type {HTMLElement} */ (document.getElementById("main"));
    main.replaceChildren(.../** @type {Node[]} */ (this.made.get(name)));
    for (const link of document.querySelectorAll("nav a")) {
      if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${name} - dimaging`;
  }
}

/** @param {string} words */
function say(words) {
  const state = document.getElementById("state");
  if (state) state.textContent = words;
}

/** Begin the service worker and wait until it keeps the page; without one the page works online. */
async function keepOffline() {
  if (!navigator.serviceWorker) return false;
  try {
    const { active, waiting, installing } = await navigator.serviceWorker.register("sw.js");
    const coming = installing ?? waiting;
    return Boolean(active) || (coming !== null && (await begun(coming)));
  } catch {
    return false; // a certificate that is not trusted, or no room
  }
}

/**
 * Return whether a service worker begins: one without room for the page ends, and `serviceWorker.ready` would wait for ever.
 * @param {ServiceWorker} worker
 * @returns {Promise<boolean>}
 */
function begun(worker) {
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state === "activated") resolve(true);
      if (worker.state === "redundant") resolve(false);
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

async function start() {
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  try {
    say("loading");
    const kept = await keepOffline();
    if (kept && !crossOriginIsolated && !sessionStorage.getItem("isolating")) {
      sessionStorage.setItem("isolating", "once"); // the service worker adds the headers that this host does not send
      location.reload();
      return;
    }
    const listing = await (await fetch("files.json")).json();
    const apple = /iPad|iPhone|iPod/.test(navigator.userAgent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);
    const asked = Number(new URLSearchParams(location.search).get("threads"));
    // Threads hang on iOS (onnxruntime 11679, 22086), and above four they gain little on a phone.
    const threads = !crossOriginIsolated ? 1 : asked || (apple ? 1 : Math.min(4, navigator.hardwareConcurrency || 1));
    const client = new Client(listing, threads);
    const page = new Page(listing, client, apple || Number(/** @type {any} */ (navigator).deviceMemory ?? 8) < 4);
    Object.assign(globalThis, { page });
    addEventListener("hashchange", () => {
      page.show();
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    });
    page.show();
    const [codec] = page.codecs();
    if (codec) await client.call("warm", { name: codec.name });
    navigator.storage?.persist?.();
    say(kept ? "ready, also in flight mode" : "ready");
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    say("stopped");
    main.append(alarm(error instanceof Error ? error.message : String(error)));
    document.documentElement.dataset.ready = "failed";
  }
}

start();
