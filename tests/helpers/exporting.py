"""The check of one row of the table of models at one target, which the files of `exporting` share."""

from pathlib import Path
from typing import Any

import pytest
from dimaging_edge import open_bundle
from dimaging_export import export
from table import TABLE, Row


def rows(target: str) -> Any:
    """Parameters `row` and `precision`: every row that is exported to this target."""
    cases = [(row, p) for row in TABLE if target in row.targets for p in row.precisions]
    return pytest.mark.parametrize(
        ("row", "precision"), cases, ids=[f"{row}-{precision}" for row, precision in cases]
    )


def check_export(row: Row, model: Any, target: str, precision: str, folder: Path) -> None:
    """Export, open and prove it; the bundle has what its target and precision ask for."""
    image, label = row.examples(48)
    size = row.size if target == "phone" else None
    out = export(
        model,
        folder / "b",
        precision=precision,
        target=target,
        data=image if label is None else (image, label),
        size=size,
    )
    bundle = open_bundle(out)
    manifest = bundle.manifest
    assert (manifest.precision, manifest.target, manifest.model) == (precision, target, row.name)
    assert set(row.graphs) <= set(bundle.graphs)
    for checks in bundle.check().values():
        assert all(check.ok for check in checks.values())
    quality: Any = manifest.quality
    if quality:
        assert quality["loss"] <= quality["allowed"]
    graphs = [graph for name, graph in manifest.graphs.items() if name in row.graphs]
    assert {graph.name for graph in graphs if not graph.macs} == set(row.uncounted)
    tensors = [t for graph in graphs for t in (*graph.inputs, *graph.outputs)]
    assert any(t.dtype == "uint8" for t in tensors) == (row.as_bytes or target != "cpu")
    for tensor in (t for t in tensors if len(t.shape) > 1):
        free = [size for size in tensor.shape if isinstance(size, str)]
        assert bool(free) == (target != "phone")
    assert {p.name for p in folder.iterdir()} == {"b"}
