"""The server of the page: this machine's own files, to this machine unless told otherwise.

It answers GET and HEAD with files of the site, each with the headers that give the page threads (COOP, COEP)
and keep everything from elsewhere out. With a folder for results it takes POST to collect/TOKEN (`collect`).
A request for another host name is refused: a page elsewhere could talk to this server under a name of its own
(DNS rebinding).
"""

import hashlib
import ssl
import sys
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from dimaging_edge.app.collect import Collector
from dimaging_edge.app.site import KEEP, TYPES, Site
from dimaging_edge.common.errors import InputError

POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "img-src 'self' blob: data:; style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The content security policy."""
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
"""Sent with every answer."""


class Server(ThreadingHTTPServer):
    """A server of one site; `hosts` are the names that it answers to, with the port."""

    daemon_threads = True

    def __init__(
        self,
        site: Site,
        address: tuple[str, int],
        names: Collection[str] = (),
        collector: Collector | None = None,
    ):
        """Bind to an address; port 0 takes a free one. InputError where it cannot be had."""
        try:
            super().__init__(address, Handler)
        except OSError as error:
            raise InputError(
                f"port {address[1]} cannot be had ({error.strerror}); another server may have it. Take "
                "another with --port, or any free one with --port 0"
            ) from None
        port = self.server_address[1]
        hosts = {"localhost", "127.0.0.1", "[::1]", *names}
        self.hosts = {f"{name}:{port}" for name in hosts} | (hosts if port in (80, 443) else set())
        self.site, self.collector = site, collector
        self._packed: dict[str, bytes] = {}

    def packed(self, name: str) -> bytes:
        """Return a file compressed by gzip; each is compressed once."""
        if name not in self._packed:
            self._packed[name] = self.site.files[name].packed()
        return self._packed[name]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a phone that went away, or that does not trust the certificate."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)

    def encrypt(self, certificate: Path, key: Path) -> None:
        """Speak HTTPS; InputError where the certificate or its key cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"--cert {certificate} --key {key}: {error}") from None
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "dimaging", ""
    timeout = 30  # seconds of silence

    def do_GET(self) -> None:
        """Answer with a file."""
        if not self._welcome():
            return
        name = unquote(self._place()).removeprefix("/") or "index.html"
        file = self.server.site.files.get(name)
        if file is None:
            self._say(404, "there is no such file here")
            return
        tag = f'"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{self.server.site.version}"'
        kept = name.startswith(KEEP)
        caching = "public, max-age=31536000, immutable" if kept else "no-cache"
        headers = {"Cache-Control": caching, "ETag": tag, "Vary": "Accept-Encoding"}
        if self.headers.get("If-None-Match") == tag:
            self._answer(304, b"", "", headers)
            return
        kind = TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            self._answer(200, self.server.packed(name), kind, headers)
        else:
            self._answer(200, file.read(), kind, headers)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Take a result, where results are collected."""
        self.close_connection = (
            True  # what of the body was not read must not be taken for a request
        )
        if not self._welcome():
            return
        collector = self.server.collector
        if collector is None:
            self._say(
                405,
                "this server takes no results; start it with --collect DIR",
                {"Allow": "GET, HEAD"},
            )
            return
        status, words = collector.take(self._place(), dict(self.headers.items()), self.rfile)
        self._say(status, words)

    def _place(self) -> str:
        """Return the path that was asked for; for an address that is none, a path that is not there."""
        try:
            return urlsplit(self.path).path
        except ValueError:
            return "/\0"

    def _welcome(self) -> bool:
        """Return whether the request names this server; otherwise refuse it."""
        host = self.headers.get("Host", "").lower()
        if host in self.server.hosts:
            return True
        self.close_connection = True
        self._say(421, "this server does not answer to that name; see --name")
        return False

    def _say(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        self._answer(status, f"{words}\n".encode(), "text/plain; charset=utf-8", headers or {})

    def _answer(self, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**HEADERS, **headers}.items():
            self.send_header(key, value)
        if kind:
            self.send_header("Content-Type", kind)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a phone's requests are no news."""
