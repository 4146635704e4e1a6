"""One browser for all tests of a process, one server and one page for those of a file."""

from collections.abc import Iterator
from typing import Any

import pytest
from dimaging_edge.app.server import Server
from helpers.browser import SMALL, a_browser, address, serving, visit

from benchmarks.parts.page_kit import load_kit


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    # phone.test is a name without https: an insecure origin. A moving picture of chromium's own is the camera.
    camera = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with a_browser("--host-resolver-rules=MAP phone.test 127.0.0.1", *camera) as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(SMALL) as found:
        yield found


@pytest.fixture(scope="module")
def page(browser: Any, server: Server) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    found = visit(context.new_page(), address(server))
    yield found
    assert found.faults == []
    context.close()


@pytest.fixture(scope="module")
def kit(page: Any) -> Any:
    return load_kit(page)
