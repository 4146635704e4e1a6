"""The page in a browser: Debian's chromium, driven by playwright.

A browser that is missing fails the run where the environment says CI, and skips it with a reason elsewhere.
"""

import base64
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dimaging_edge.app.collect import Collector
from dimaging_edge.app.server import Server
from dimaging_edge.app.site import Site
from helpers.page_bundles import CAPTIONS, FACES

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = (GOLDEN / "older" / "pixelcnn-integer", GOLDEN / "older" / "vae-fp32", FACES, CAPTIONS)
LONG_MS = 120_000


def missing(words: str) -> Any:
    if os.environ.get("CI"):
        pytest.fail(f"{words}, and CI needs it", pytrace=False)
    pytest.skip(words)


@contextmanager
def a_browser(*arguments: str) -> Iterator[Any]:
    """Chromium without a window."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install playwright")
    program = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    )
    if program is None:
        missing("there is no chromium: apt-get install chromium, or CHROMIUM=PATH")
    options = [*arguments] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


class Killable(Server):
    """A server that is really gone at its end: a browser's open connections would be answered for 30 s."""

    def get_request(self) -> tuple[socket.socket, Any]:
        found = super().get_request()
        self.__dict__.setdefault("connections", []).append(found[0])
        return found

    def server_close(self) -> None:
        super().server_close()
        for connection in self.__dict__.get("connections", ()):
            with suppress(OSError):  # it was closed before
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(
    bundles: tuple[Path, ...] = (), names: tuple[str, ...] = (), collector: Collector | None = None
) -> Iterator[Server]:
    with Killable(Site(bundles), ("127.0.0.1", 0), names, collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def address(server: Server, host: str = "localhost") -> str:
    return f"http://{host}:{server.server_address[1]}/"


def visit(page: Any, url: str) -> Any:
    """Open the page and wait until it is ready; anything that it logs as an error fails the test."""
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda line: line.type == "error" and page.faults.append(line.text))
    page.goto(url)
    page.wait_for_selector("html[data-ready]", timeout=LONG_MS)
    assert page.get_attribute("html", "data-ready") == "true", page.inner_text("main")
    return page


KIT = """
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
"""The page's own modules, for tests to call; bytes travel as base64."""


def load_kit(page: Any) -> Any:
    page.evaluate(f"async () => {{ {KIT} }}")
    return page


def packed(values: bytes | np.ndarray) -> str:
    return base64.b64encode(values if isinstance(values, bytes) else values.tobytes()).decode()


def unpacked(text: str, kind: str = "u1") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)
