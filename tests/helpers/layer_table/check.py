"""The check of a row: its road, and its file against Keras in plain onnxruntime at batch 1, 2 and 5."""

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from dimaging_export import ExportError, export
from dimaging_export.convert.to_onnx import DIRECT, MIXED, convert
from dimaging_export.graph.interface import names_of
from dimaging_export.prove.runners import keras_graph
from helpers.layer_table.row import EMITTED, REFUSED, Row

BATCHES = (1, 2, 5)
CLOSE = 1e-5
"""Largest difference, relative to the output's largest value."""
FREE = {1: 7, 2: 9, 3: 5}
"""A size for each free axis; images get sizes that three halvings keep whole."""


def check(row: Row, folder: Path) -> None:
    """Convert the model of a row and compare it with Keras, or assert that it is refused in words."""
    keras.utils.set_random_seed(0)
    model = row.make()
    if row.taken == REFUSED:
        with pytest.raises(ExportError, match=row.words) as error:
            export(model, folder / "bundle")
        assert "Traceback" not in str(error.value)
        return
    _randomise(model)
    made = convert(model)
    assert _road(made.producer_name) == (row.taken, sorted(set(row.words.split())))
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names, outputs = names_of(model)
    given = [_draw(row, tensor, sum(BATCHES)) for tensor in model.inputs]
    wanted = keras_graph(model)(dict(zip(names, given, strict=True)))
    start = 0
    for batch in BATCHES:
        part = slice(start, start + batch)
        start += batch
        feed = {name: x[part] for name, x in zip(names, given, strict=True)}
        for name, found in zip(outputs, session.run(outputs, feed), strict=True):
            expected = wanted[name][part]
            assert found.dtype == expected.dtype, name
            scale = max(float(np.abs(expected).max()), 1e-30)
            difference = np.abs(found.astype(float) - expected.astype(float)).max() / scale
            assert difference <= CLOSE, (name, batch, difference)


def _road(producer: str) -> tuple[str, list[str]]:
    if producer == DIRECT:
        return EMITTED, []
    assert producer.startswith(MIXED)
    return "mixed", sorted(set(re.findall(r"\((\w+)\)", producer)))


def _draw(row: Row, tensor: Any, count: int) -> np.ndarray:
    """Draw values of an input, by its type; a whole number lies below `row.high`, and 0 is padding."""
    rng = np.random.default_rng(len(tensor.name))
    free = {1: 16, 2: 8} if len(tensor.shape) == 4 else FREE
    shape = (count, *(free[i] if s is None else s for i, s in enumerate(tensor.shape) if i))
    if tensor.dtype == "bool":
        return rng.random(shape) < 0.7
    if "int" in tensor.dtype:
        return rng.integers(0, row.high, shape).astype(tensor.dtype)
    if (row.low >= 0 and row.high != 10) or "words" in row.name:
        return rng.integers(0, row.high, shape).astype(np.float32)
    return rng.uniform(row.low, 1, shape).astype(np.float32)


def _randomise(model: Any) -> None:
    """Give a model weights in which a mistake shows: no zero bias, no unit variance."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "float" not in str(weight.dtype):
            continue
        if weight.path.endswith(("kernel", "embeddings")):
            continue  # drawn by its initializer, so that deep nets keep their scale
        low = 0.5 if weight.path.endswith(("variance", "gamma", "scale", "count")) else -0.5
        weight.assign(rng.uniform(low, low + 1, weight.shape))
