"""The report's table of devices, from what phones sent."""

import json
from pathlib import Path

import pytest

from dimaging_tf.commands.report import write_report
from dimaging_tf.errors import UserError

REPORT = {
    "schema": 1, "model": "unet_codec", "model_id": "80", "precision": "fp32", "batch": 1,
    "environment": {
        "cpu": "Phone <1>", "machine": "arm", "system": "Android 16", "cores": 8, "threads": 4,
        "provider_asked": "wasm", "provider_used": "wasm", "versions": {}, "browser": "Chromium 156",
    },
    "graphs": [{
        "graph": "prior", "batch": 1, "file_bytes": 5, "warm_up": {"runs": 1}, "samples_ns": [5000, 6000],
        "fresh": {"first_ms": 9.0}, "latency_ms": {"p50": 1.25, "p90": 2.5, "p99": None},
        "first_part_per_s": 800.0, "last_part_per_s": 600.0,
    }],
    "gates": [{"graph": "prior", "ratio": {"ratio": 0.333}, "max_ratio": 0.5, "verdict": "ok"}],
}  # fmt: skip


def test_a_row_for_each_graph_of_each_device(tmp_path: Path) -> None:
    folder = tmp_path / "phones"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.json").write_text(json.dumps(REPORT))
    page = write_report([folder], tmp_path / "report.html").read_text()
    cells = [
        "Phone &lt;1&gt;",
        "Chromium 156",
        "unet_codec fp32",
        "prior",
        "4",
        "wasm",
        "1.25",
        "2.5",
        "9",
    ]
    row = "".join(f"<td>{cell}</td>" for cell in [*cells, "—", "0.333", "ok", "0.75"])
    assert page.count(row) == 2
    assert "phones: 2 measurements" in page


@pytest.mark.parametrize("text", ["{}x", '{"schema":1,"model":"a"', '{"schema":1,"model":"\xff"}'])
def test_a_measurement_that_was_cut_or_changed(tmp_path: Path, text: str) -> None:
    whole = text.startswith("{}")
    data = json.dumps(REPORT, indent=2) + "x" if whole else text
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "1.json").write_bytes(data.encode("latin-1"))
    with pytest.raises(UserError, match="1.json is not what a phone sends"):
        write_report([tmp_path], tmp_path / "report.html")


def test_a_file_that_no_phone_sent(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(json.dumps({**REPORT, "graphs": []}))
    with pytest.raises(UserError, match="is not what a phone sends .graphs: expected one or more"):
        write_report([tmp_path], tmp_path / "report.html")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="and holds nothing that phones sent"):
        write_report([empty], tmp_path / "report.html")
