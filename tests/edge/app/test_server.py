"""The server of the page: what it sends and what it refuses; the results that it takes."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from dimaging_edge.app.collect import LARGEST, Collector, check_report
from dimaging_edge.app.server import Server
from dimaging_edge.app.site import Site
from dimaging_edge.common.errors import DimagingError, InputError


@contextmanager
def serving(site: Site, collector: Collector | None = None) -> Iterator[Server]:
    with Server(site, ("127.0.0.1", 0), collector=collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Site()) as found:
        yield found


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    host, port = server.server_address[:2]
    connection = HTTPConnection(str(host), int(port), timeout=10)
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, body, {"Host": f"localhost:{port}", **named})
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/app.mjs", "text/javascript; charset=utf-8"),
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/files.json", "application/json"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/keep/engine-1.30.0/ort-wasm-simd-threaded.wasm", "application/wasm"),
    ],
)
def test_types_and_headers(server: Server, path: str, kind: str) -> None:
    status, headers, body = ask(server, "GET", path, Accept_Encoding="gzip")
    assert (status, headers["content-type"], headers["content-encoding"]) == (200, kind, "gzip")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    plain = ask(server, "GET", path)
    assert "content-encoding" not in plain[1]
    assert gzip.decompress(body) == plain[2]


def test_what_never_changes_is_kept_and_the_rest_is_asked_for_again(server: Server) -> None:
    listing = json.loads(ask(server, "GET", "/files.json")[2])
    kept = next(name for name in listing["files"] if name.startswith("keep/"))
    assert "immutable" in ask(server, "GET", f"/{kept}")[1]["cache-control"]
    _, headers, _ = ask(server, "GET", "/app.css")
    assert headers["cache-control"] == "no-cache"
    assert ask(server, "GET", "/app.css", If_None_Match=headers["etag"])[0] == 304


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "words"),
    [
        ("GET", "/nothing", {}, 404, "no such file"),
        ("GET", "/../pyproject.toml", {}, 404, "no such file"),
        ("GET", "http://[/", {}, 404, "no such file"),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", {}, 404, "no such file"),
        ("GET", "/photo/", {}, 404, "no such file"),  # folders are not listed
        ("GET", "/", {"Host": "evil.example"}, 421, "does not answer to that name"),
        ("GET", "/", {"Host": "localhost"}, 421, "does not answer to that name"),
        ("POST", "/collect/x", {}, 405, "takes no results; start it with --collect"),
    ],
)
def test_refusals(
    server: Server, method: str, path: str, headers: dict, status: int, words: str
) -> None:
    found, _, body = ask(server, method, path, **headers)
    assert found == status
    assert words in body.decode()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_known(server: Server, method: str) -> None:
    assert ask(server, method, "/")[0] == 501


def test_head_sends_no_body(server: Server) -> None:
    status, headers, body = ask(server, "HEAD", "/index.html")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 500


REPORT: dict[str, Any] = {
    "schema": 1, "model": "unet_codec", "model_id": "80", "precision": "fp32", "batch": 1,
    "environment": {
        "cpu": "Pixel ../9 <b>", "machine": "arm", "system": "Android 16", "cores": 8, "threads": 4,
        "provider_asked": "wasm", "provider_used": "wasm", "versions": {},
    },
    "graphs": [{
        "graph": "prior", "batch": 1, "file_bytes": 5, "warm_up": {"runs": 1}, "samples_ns": [5000, 6000],
        "fresh": {}, "latency_ms": {"p50": 0.005, "p90": 0.006, "p99": None},
    }],
    "gates": [],
}  # fmt: skip


def changed(**values: Any) -> bytes:
    return json.dumps({**REPORT, **values}).encode()


def graph(**values: Any) -> bytes:
    return changed(graphs=[{**REPORT["graphs"][0], **values}])


def environment(**values: Any) -> bytes:
    return changed(environment={**REPORT["environment"], **values})


JSON = {"Content_Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "words"),
    [
        ("/collect/wrong", changed(), JSON, 403, "token"),
        ("/collect/", changed(), JSON, 403, "token"),
        ("/other/secret", changed(), JSON, 403, "token"),
        ("/collect/secret/../../x", changed(), JSON, 403, "token"),
        ("/collect/secret", changed(), {"Content_Type": "text/plain"}, 415, "application/json"),
        ("/collect/secret", changed(), {**JSON, "Content_Length": "-1"}, 411, "Content-Length"),
        ("/collect/secret", b"x", {**JSON, "Content_Length": "9" * 30}, 413, f"up to {LARGEST}"),
        ("/collect/secret", b"x", {**JSON, "Content_Length": "0" * 12 + "9" * 12}, 413, "up to"),
        ("/collect/secret", b"{", JSON, 422, "no result of a benchmark"),
        ("/collect/secret", b"\xff\xfe", JSON, 422, "no result of a benchmark"),
        ("/collect/secret", b"[" * 5000, JSON, 422, "no result of a benchmark"),
        ("/collect/secret", b'{"schema":1,"schema":1}', JSON, 422, "stands twice"),
        ("/collect/secret", changed(schema=2), JSON, 422, "schema 1"),
        ("/collect/secret", changed(environment=[]), JSON, 422, "report.environment"),
        ("/collect/secret", changed(graphs=[]), JSON, 422, "graphs: expected one"),
        ("/collect/secret", changed(graphs=[1]), JSON, 422, "graphs: expected objects"),
        ("/collect/secret", changed(batch=True), JSON, 422, "report.batch"),
        ("/collect/secret", graph(samples_ns=[]), JSON, 422, "samples_ns"),
        ("/collect/secret", graph(samples_ns=[0]), JSON, 422, "samples_ns"),
        ("/collect/secret", graph(latency_ms={"p50": "x"}), JSON, 422, "latency_ms.p50"),
        ("/collect/secret", environment(cpu=["x"]), JSON, 422, "environment.cpu"),
        ("/collect/secret", environment(browser={}), JSON, 422, "environment.browser"),
        ("/collect/secret", graph(fresh={"first_ms": "x"}), JSON, 422, "first_ms"),
        ("/collect/secret", graph(last_part_per_s=1e300), JSON, 422, "last_part_per_s"),
        ("/collect/secret", changed(gates=[1]), JSON, 422, "gates: expected objects"),
        ("/collect/secret", changed(gates=[{"graph": "a"}]), JSON, 422, "gate.ratio"),
        (
            "/collect/secret",
            changed(gates=[{"graph": "a", "ratio": {"ratio": []}}]),
            JSON,
            422,
            "ratio.ratio",
        ),
        (
            "/collect/secret",
            changed(gates=[{"graph": "a", "ratio": {"ratio": 1}, "max_ratio": 2}]),
            JSON,
            422,
            "gate.verdict",
        ),
        (
            "/collect/secret",
            graph(samples_ns=[float("nan")]),
            JSON,
            422,
            "no result of a benchmark",
        ),
    ],
)
def test_hostile_results_are_refused(
    tmp_path: Path, path: str, body: bytes, headers: dict, status: int, words: str
) -> None:
    with serving(Site(), Collector(tmp_path, "secret")) as server:
        found, _, text = ask(server, "POST", path, body, **headers)
    assert (found, list(tmp_path.iterdir())) == (status, [])
    assert words in text.decode()


def test_results_are_kept_beside_each_other(tmp_path: Path) -> None:
    with serving(Site(), Collector(tmp_path, "secret")) as server:
        for number in (1, 2):
            status, _, text = ask(server, "POST", "/collect/secret", changed(batch=number), **JSON)
            assert status == 201
            assert "pixel-9-b-" in text.decode()
    found = [json.loads(path.read_text()) for path in sorted(tmp_path.iterdir())]
    assert [one["batch"] for one in found] == [1, 2]
    for one in found:
        check_report(one)


def test_a_full_folder_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dimaging_edge.app.collect.MOST_FILES", 1)
    with serving(Site(), Collector(tmp_path, "secret")) as server:
        codes = [ask(server, "POST", "/collect/secret", changed(), **JSON)[0] for _ in range(2)]
    assert codes == [201, 507]


def test_a_result_that_cannot_be_kept_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise DimagingError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("dimaging_edge.app.collect.write_text", full)
    with serving(Site(), Collector(tmp_path, "secret")) as server:
        status, _, words = ask(server, "POST", "/collect/secret", changed(), **JSON)
    assert (status, list(tmp_path.iterdir())) == (507, [])
    assert "cannot be kept: cannot write" in words.decode()


def test_two_servers_cannot_have_one_port(server: Server) -> None:
    with pytest.raises(InputError, match="port .* cannot be had .*--port 0"):
        Server(server.site, ("127.0.0.1", server.server_address[1]))


@pytest.mark.parametrize(("error", "said"), [(ConnectionResetError, False), (ValueError, True)])
def test_a_phone_that_goes_away_is_no_news(
    server: Server, error: type[Exception], said: bool, capsys: pytest.CaptureFixture
) -> None:
    def fail() -> None:
        raise error

    try:
        fail()
    except error:
        server.handle_error(None, ("192.0.2.1", 1))
    assert ("192.0.2.1" in capsys.readouterr().err) == said
