/**
 * The service worker: after the first visit the page works without a network.
 *
 * VERSION, CORE and KEPT stand above, written by whoever serves the page. The page's own files lie in a cache of its
 * version, files below keep/ in one that outlives versions, since their folder's name changes with their content. Every
 * answer gets the headers that give a page threads, so that any https host will do.
 */
const PAGE = `dimaging-page-${VERSION}`;
const KEEP = "dimaging-keep";
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

addEventListener("install", (event) => {
  event.waitUntil(install().then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(tidy().then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method === "GET" && url.origin === location.origin) {
    event.respondWith(answer(event.request));
  }
});

async function install() {
  const [page, keep] = [await caches.open(PAGE), await caches.open(KEEP)];
  const own = CORE.filter((path) => !path.startsWith("keep/"));
  const kept = CORE.filter((path) => path.startsWith("keep/"));
  await page.addAll(own.map((path) => new Request(path, { cache: "no-cache" })));
  for (const path of kept) if (!(await keep.match(path))) await keep.add(path);
}

async function tidy() {
  for (const name of await caches.keys()) {
    if (name.startsWith("dimaging-page-") && name !== PAGE) await caches.delete(name);
  }
  const keep = await caches.open(KEEP);
  const scope = registration.scope;
  for (const request of await keep.keys()) {
    const mine = request.url.startsWith(scope); // another page of this host may lie beside
    if (mine && !KEPT.some((folder) => request.url.startsWith(scope + folder))) await keep.delete(request);
  }
}

/** Keep an answer where there is room; without, it is used all the same. */
async function kept(request, found) {
  try {
    await (await caches.open(KEEP)).put(request, found);
  } catch {
    // the storage is full
  }
}

async function answer(request) {
  const asked = request.mode === "navigate" ? new Request(registration.scope) : request;
  const options = { ignoreSearch: true, ignoreVary: true };
  let found = await (await caches.open(PAGE)).match(asked, options);
  found ??= await (await caches.open(KEEP)).match(asked, options);
  if (!found) {
    found = await fetch(request);
    if (found.ok && new URL(request.url).href.startsWith(`${registration.scope}keep/`)) {
      await kept(request, found.clone());
    }
  }
  if (!found.ok) return found;
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  headers.delete("Content-Encoding"); // what a cache holds is unpacked already
  headers.delete("Content-Length");
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
