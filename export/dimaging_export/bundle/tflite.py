"""Graphs as LiteRT files (.tflite), for apps that have that runtime already; each is proven against Keras.

Keras writes the file, at batch 1 and one size; LiteRT itself runs it on seeded inputs of a proof, and where
it computes anything else than Keras, nothing is written. A .tflite holds no ranges, no card, no examples:
a bundle stays the full export.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dimaging_export.bundle.subject import load_subject
from dimaging_export.errors import ExportError
from dimaging_export.graph.interface import input_shapes, names_of
from dimaging_export.graph.trace import plain
from dimaging_export.prove import parity
from dimaging_export.prove.inputs import Inputs, Ranges, example_shapes
from dimaging_export.prove.runners import Arrays, Graph, keras_graph

PARITY = "parity.json"
"""The file that holds the largest difference of every output of every graph."""
_SEEDED = (1,)
"""The batch of the proof's inputs: that of the file."""


def export_tflite(
    model_or_path: Any, out: str | Path, size: int | tuple[int, int] = 256
) -> dict[str, parity.Report]:
    """Write GRAPH.tflite for each graph of a model, and parity.json, to a new folder.

    model_or_path: as for `export`. size: height and width where a graph leaves them free, in pixels. Returns
    the largest differences by graph and output. Raises ExportError where Keras cannot write a file, and
    ParityError where LiteRT answers otherwise; then nothing is left behind.
    """
    out, sides = Path(out), (size, size) if isinstance(size, int) else size
    if out.exists():
        raise ExportError(f"{out} exists; choose another folder, or remove it")
    subject = load_subject(model_or_path)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".tflite-") as place:
        folder = Path(place) / "graphs"
        folder.mkdir()
        reports = {
            name: _write(name, graph, subject.ranges, folder / f"{name}.tflite", sides)
            for name, graph in subject.graphs.items()
        }
        text = json.dumps(reports, indent=1) + "\n"
        (folder / PARITY).write_text(text, encoding="utf-8")
        os.replace(folder, out)
    return reports


def _write(
    name: str, graph: keras.Model, ranges: Ranges, path: Path, size: tuple[int, int]
) -> parity.Report:
    shapes = example_shapes(input_shapes(graph), {}, size)
    try:
        _fixed(graph, shapes).export(os.fspath(path), format="litert", verbose=False)
    except Exception as error:  # three libraries raise a dozen unrelated types
        text = " ".join(str(error).split())[:300]
        raise ExportError(f"graph {name!r}: Keras cannot write it as .tflite: {text}") from None
    feeds = Inputs(shapes, ranges, {}, {}, _SEEDED).feeds()
    reference = keras_graph(graph)
    return parity.prove(name, tflite_graph(path), feeds, [reference(x) for x in feeds], "fp32")


def _fixed(graph: keras.Model, shapes: dict[str, tuple[int, ...]]) -> keras.Model:
    """Return the graph with inputs of batch 1 and fixed sizes, its outputs by name."""
    kinds = {name: x.dtype for name, x in zip(shapes, graph.inputs, strict=True)}
    inputs = {
        name: keras.Input(shape[1:], batch_size=shape[0], name=name, dtype=kinds[name])
        for name, shape in shapes.items()
    }
    outputs = keras.tree.flatten(plain(graph)(list(inputs.values())))
    return keras.Model(inputs, dict(zip(names_of(graph)[1], outputs, strict=True)))


def tflite_graph(path: Path) -> Graph:
    """Return a run of a .tflite file by LiteRT; ExportError where that is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise ExportError(
            ".tflite files are run by LiteRT: pip install 'dimaging[tflite]'"
        ) from None
    signature = Interpreter(os.fspath(path)).get_signature_runner()

    def run(arrays: Arrays) -> Arrays:
        found = signature(**{name: np.ascontiguousarray(x) for name, x in arrays.items()})
        return {name: np.asarray(x) for name, x in found.items()}

    return run
