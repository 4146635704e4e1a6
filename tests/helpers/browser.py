"""The page in a browser: Debian's chromium, driven by playwright.

A browser that is missing fails the run where the environment says CI, and skips it with a reason elsewhere.
"""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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
