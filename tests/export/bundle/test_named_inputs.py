"""Data by the names of a model's inputs: it calibrates, proves and says what does not fit."""

import json

import keras
import numpy as np
import pytest
from dimaging_export import ExportError, export
from keras import layers as L

RNG = np.random.default_rng(0)


def two_inputs():
    keras.utils.set_random_seed(0)
    content = keras.Input((8, 8, 3), name="content")
    style = keras.Input((4,), name="style", dtype="int32")
    y = L.Conv2D(8, 3, padding="same", activation="relu")(content)
    y = y * L.Reshape((1, 1, 8))(L.GlobalAveragePooling1D()(L.Embedding(10, 8)(style)))
    return keras.Model([content, style], {"out": L.Conv2D(2, 3, name="out")(y)}, name="mine")


def data(**more):
    given = {
        "content": RNG.random((40, 8, 8, 3), np.float32),
        "style": RNG.integers(0, 10, (40, 4)),
    }
    return {**given, **more}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_input_has_real_values(precision, tmp_path):
    folder = export(
        two_inputs(),
        tmp_path / "bundle",
        precision=precision,
        data=data(),
        ranges={"content": (0, 1)},
    )
    graph = json.loads((folder / "bundle.json").read_text())["graphs"]["model"]
    said = {t["name"]: (t["dtype"], t["range"]) for t in graph["inputs"]}
    assert said == {"content": ("float32", [0, 1]), "style": ("int32", None)}
    assert "inputs of the caller" in (folder / "CARD.md").read_text()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (data(stile=np.ones((40, 4))), "has no input 'stile'; did you mean 'style'"),
        ({"content": data()["content"]}, "style of mine is missing; give every input"),
        (data(style=np.ones((7, 4))), "as many rows as the others; received content 40, style 7"),
        (data(style=np.ones((40, 5))), r"input 'style' takes numbers of the shape \[None, 4\]; .* \[40, 5\]"),
        (data(content=np.full((40, 8, 8, 3), np.nan)), "'content' is empty, or holds NaN"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit(given, words, tmp_path):
    with pytest.raises(ExportError, match=words):
        export(two_inputs(), tmp_path / "bundle", data=given)
