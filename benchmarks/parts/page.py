"""The page in a browser, with the processor time and memory of the process that renders it."""

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def a_page(bundles: Sequence[Path] = ()) -> Iterator[tuple[Any, Any, Any, str]]:
    """(page, browser, site, address) of a new chromium, and a server of the page with these bundles, too."""
    from dimaging_edge.app.server import Server
    from dimaging_edge.app.site import Site
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with Server(Site(bundles), ("127.0.0.1", 0)) as server, sync_playwright() as playwright:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        browser = playwright.chromium.launch(executable_path=program, args=options)
        try:
            page = browser.new_page()
            yield page, browser, server.site, f"http://localhost:{server.server_address[1]}/"
        finally:
            browser.close()
            server.shutdown()
            thread.join()


def begin(page: Any, address: str, threads: int) -> Any:
    """Open the page with so many threads, wait until it is ready, and return it."""
    page.goto(f"{address}?threads={threads}")
    page.wait_for_selector("html[data-ready=true]", timeout=120_000)
    return page


def _renderers(browser: Any) -> list[dict[str, Any]]:
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return [one for one in found if one["type"] == "renderer"]


def cpu_seconds(browser: Any) -> float:
    """Processor time of all rendering processes so far, in s."""
    return sum(one["cpuTime"] for one in _renderers(browser))


def peak_mb(browser: Any) -> float:
    """Largest resident set of any rendering process so far, in MB."""
    peaks = []
    for one in _renderers(browser):
        with open(f"/proc/{one['id']}/status", encoding="utf-8") as status:
            peaks.append(int(status.read().split("VmHWM:")[1].split()[0]) / 1024)
    return max(peaks)
