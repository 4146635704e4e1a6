"""The results of benchmarks that phones send: checked, and each kept as a file of its own.

Whoever knows the token, which is in the URL that the server prints, may send one JSON document of at most
1 MB that is built like the report of `dimaging-edge bench`. Nothing that is sent becomes part of a path but
letters, digits and dashes, and no file is overwritten.
"""

import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from dimaging_edge.bundle.strict_json import read_json
from dimaging_edge.common.errors import DimagingError, InputError
from dimaging_edge.common.files import write_text

LARGEST = 1 << 20
"""The most bytes of a result."""
MOST_FILES = 1000
"""The most files in the folder of results."""
_ENVIRONMENT = {
    "machine": str, "system": str, "cores": int, "threads": int, "provider_asked": str,
    "provider_used": str, "versions": dict,
}  # fmt: skip
_GRAPH = {
    "graph": str, "batch": int, "file_bytes": int, "warm_up": dict, "samples_ns": list, "fresh": dict,
    "latency_ms": dict,
}  # fmt: skip
_REPORT = {
    "model": str, "model_id": str, "precision": str, "batch": int, "environment": dict,
    "graphs": list, "gates": list,
}  # fmt: skip


class Collector:
    """A folder of results, and the token that opens it."""

    def __init__(self, folder: Path, token: str | None = None):
        """Make the folder; without a token one is drawn."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.token = folder, token or secrets.token_urlsafe(12)

    def take(self, path: str, headers: Mapping[str, str], body: BufferedIOBase) -> tuple[int, str]:
        """Keep a result; returns (status of HTTP, a sentence)."""
        given = {key.lower(): value for key, value in headers.items()}
        token = path.removeprefix("/collect/")
        if path == token or not hmac.compare_digest(token.encode(), self.token.encode()):
            return 403, "the token of this address is not the one that the server printed"
        if given.get("content-type", "").partition(";")[0].strip() != "application/json":
            return 415, "expected application/json"
        length = given.get("content-length", "")
        if not length.isdecimal():
            return 411, "expected a Content-Length"
        if len(length) > 12 or int(length) > LARGEST:
            return 413, f"a result may have up to {LARGEST} bytes, this one has {length[:12]}"
        data = body.read(int(length))
        if len(data) != int(length):
            return 400, f"{len(data)} of {length} bytes arrived"
        try:
            found = read_json(data.decode())
            check_report(found)
        except ValueError as error:  # UnicodeDecodeError is one, too
            return 422, f"this is no result of a benchmark: {error}"
        if sum(1 for _ in self.folder.glob("*.json")) >= MOST_FILES:
            return 507, f"the folder has {MOST_FILES} results already"
        try:
            return 201, self._keep(found)
        except (OSError, DimagingError) as error:
            return 507, f"the result cannot be kept: {error}"

    def _keep(self, found: dict[str, Any]) -> str:
        environment = found["environment"]
        words = environment.get("cpu") or environment["system"]
        device = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40] or "device"
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        for number in range(1, MOST_FILES + 1):
            path = self.folder / f"{device}-{day}-{number}.json"
            try:
                path.touch(exist_ok=False)  # ours from now on
            except FileExistsError:
                continue
            try:
                write_text(path, json.dumps(found))
            except DimagingError:
                path.unlink()
                raise
            return f"kept as {path.name}"
        raise InputError(f"{self.folder} has {MOST_FILES} results of this device and day")


def check_report(found: Any) -> None:
    """Raise ValueError with words for a value that is not built like the report of `dimaging-edge bench`."""
    if not isinstance(found, dict) or found.get("schema") != 1:
        raise ValueError("expected an object with schema 1")
    _fields("report", found, _REPORT)
    _fields("environment", found["environment"], _ENVIRONMENT)
    for key in ("cpu", "browser"):
        if not isinstance(found["environment"].get(key), str | None):
            raise ValueError(f"environment.{key}: expected str or null")  # noqa: TRY004
    for graph in found["graphs"]:
        if not isinstance(graph, dict):
            raise ValueError("graphs: expected objects")  # noqa: TRY004
        _fields("graph", graph, _GRAPH)
        times = graph["samples_ns"]
        if not times or any(type(ns) is not int or not 0 < ns < 1 << 50 for ns in times):
            raise ValueError("samples_ns: expected positive whole numbers")
        for key in ("p50", "p90"):
            _number(f"latency_ms.{key}", graph["latency_ms"].get(key))
        places = graph["fresh"], ("first_ms", "session_ms")
        for part, keys in (places, (graph, ("first_part_per_s", "last_part_per_s"))):
            for key in keys:
                if part.get(key) is not None:
                    _number(key, part[key])
    if not found["graphs"]:
        raise ValueError("graphs: expected one or more")
    for gate in found["gates"]:
        if not isinstance(gate, dict):
            raise ValueError("gates: expected objects")  # noqa: TRY004
        _fields("gate", gate, {"graph": str, "ratio": dict})
        _number("ratio.ratio", gate["ratio"].get("ratio"))
        if gate.get("max_ratio") is not None:
            _number("max_ratio", gate["max_ratio"])
            _fields("gate", gate, {"verdict": str})


def _number(place: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ValueError(f"{place}: expected a number of 0 to 1e12")


def _fields(place: str, found: dict[str, Any], expected: dict[str, type]) -> None:
    for key, kind in expected.items():
        value = found.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(  # noqa: TRY004
                f"{place}.{key}: expected {kind.__name__}, received {type(value).__name__}"
            )
