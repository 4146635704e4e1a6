"""The page's own modules in a browser's page, for tests and benchmarks to call; bytes travel as base64."""

import base64
from typing import Any

import numpy as np

_KIT = """
const [open, model, codec, tile, random, step, latent, captions, words] = await Promise.all([
  "bundle/open", "photo/bundle_model", "photo/codec", "photo/tile_codec", "random", "generate/stepping",
  "generate/latent", "generate/captions", "words",
].map((name) => import(`/${name}.mjs`)));
const listing = page.listing;
const ort = await import(`/${listing.engine}ort.wasm.min.mjs`);
ort.env.wasm.numThreads = page.client.threads;
ort.env.wasm.wasmPaths = new URL(listing.engine, location.href).href;
const opened = new Map();
const kit = {
  ...open, ...codec, ...tile, ...random, ...step, ...latent, ...captions, ...words,
  bundle: async (name) => {
    const { folder } = listing.bundles.find((one) => one.name === name);
    const read = async (file) => new Uint8Array(await (await fetch(`/${folder}${file}`)).arrayBuffer());
    return open.openBundle(name, read, ort);
  },
  model: async (name) => {
    if (!opened.has(name)) opened.set(name, model.openModel(await kit.bundle(name)));
    return opened.get(name);
  },
  bytes: (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)),
  text: (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    let found = "";
    for (let at = 0; at < bytes.length; at += 32768) found += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(found);
  },
};
globalThis.kit = kit;
"""


def load_kit(page: Any) -> Any:
    """Return the page with `kit` in it: functions of the page's modules, models by name, bytes and text."""
    page.evaluate(f"async () => {{ {_KIT} }}")
    return page


def packed(values: bytes | np.ndarray) -> str:
    """Return bytes as the text that `kit.bytes` takes."""
    return base64.b64encode(values if isinstance(values, bytes) else values.tobytes()).decode()


def unpacked(text: str, kind: str = "u1") -> np.ndarray:
    """Return the values of a text that `kit.text` made."""
    return np.frombuffer(base64.b64decode(text), kind)
