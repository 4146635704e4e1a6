"""Bundles of strangers that draw: any manifest, any table, and the answer is arrays or an error of ours."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.bundle.schema import Graph, Manifest, Tensor
from dimaging_edge.common.errors import DimagingError
from dimaging_edge.generate import captioning, captions, density, latent
from dimaging_edge.lossless import pack, unpack
from dimaging_edge.lossless.bundle_predictor import BundlePredictor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

F, I32, I64 = int(TensorProto.FLOAT), int(TensorProto.INT32), int(TensorProto.INT64)
KINDS = {F: "float32", I32: "int32", I64: "int64"}
SIZE = (2, 3)

# graph -> inputs, outputs: name -> shape; None is the batch. Every output is a constant, spread over the batch.
GRAPHS: dict[str, tuple[dict[str, tuple], dict[str, tuple]]] = {
    "density": ({"image": (None, *SIZE, 1)}, {"weights": (None, *SIZE, 1, 4), "nats": (None,)}),
    "sampler": (
        {name: (None, *SIZE, 1) for name in ("noise", "canvas", "mask")},
        {"image": (None, *SIZE, 1)},
    ),
    "row": ({"row": (1,), "above_image_1": (3, None, 1)}, {"context": (3, None, 2)}),
    "pixel": (
        {"context": (None, 2), "left_image": (None, 1)}
        | {name: (None, 1) for name in ("noise", "canvas", "mask")},
        {"image": (None, 1), "weights": (None, 1, 4)},
    ),
    "decoder": ({"z": (None, 5)}, {"image": (None, *SIZE, 1)}),
    "encoder": ({"image": (1, *SIZE, 1)}, {"features": (1, 5)}),
    "captioner": ({"features": (1, 5), "beam": (1,)}, {"captions": (1, 3, 2), "scores": (1, 3)}),
    "step": (
        {"features": (1, 5), "past": (1, 1), "h": (1, 2), "c": (1, 2)},
        {"logits": (1, 1, 4), "h_out": (1, 2), "c_out": (1, 2)},
    ),
    "text_encoder": ({"tokens": (1, 6)}, {"text": (1, 2)}),
    "stage1": (
        {"text": (1, 2), "condition_noise": (1, 2), "noise": (1, 3)},
        {"low": (1, *SIZE, 1)},
    ),
    "stage2": (
        {"low": (1, *SIZE, 1), "text": (1, 2), "condition_noise": (1, 2)},
        {"image": (1, *SIZE, 1)},
    ),
}


def _kind(name: str) -> int:
    whole = ("tokens", "weights", "past", "beam", "captions")
    return I64 if name == "row" else I32 if name in whole else F


def _model(inputs: dict[str, tuple], outputs: dict[str, tuple]) -> onnx.ModelProto:
    """Every output holds ones, of the batch that the first input with a free dimension has."""

    def info(name: str, shape: tuple):
        return helper.make_tensor_value_info(name, _kind(name), [s or "batch" for s in shape])

    nodes, weights = [], {}
    source = next(((n, s.index(None)) for n, s in inputs.items() if None in s), None)
    for name, shape in outputs.items():
        parts = []
        for axis, size in enumerate(shape):
            if size is None:
                assert source is not None
                start: Any = {"start": source[1], "end": source[1] + 1}
                nodes.append(helper.make_node("Shape", [source[0]], [f"{name}_{axis}"], **start))
            else:
                weights[f"{name}_{axis}"] = np.array([size], np.int64)
            parts.append(f"{name}_{axis}")
        nodes.append(helper.make_node("Concat", parts, [f"{name}_shape"], axis=0))
        weights[f"{name}_one"] = np.ones((1,) * len(shape), KINDS[_kind(name)])
        nodes.append(helper.make_node("Expand", [f"{name}_one", f"{name}_shape"], [name]))
    graph = helper.make_graph(
        nodes, "graph",
        [info(*one) for one in inputs.items()], [info(*one) for one in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory, make: SimpleNamespace) -> Path:
    """A bundle with the graphs of every kind of model that draws."""
    folder = tmp_path_factory.mktemp("hostile") / "toy-integer"
    folder.mkdir()
    graphs = {}
    for name, (inputs, outputs) in GRAPHS.items():
        onnx.save(_model(inputs, outputs), folder / f"{name}.onnx")
        onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
        ins, outs = (
            tuple(
                Tensor(
                    key, KINDS[_kind(key)], tuple(s or "batch" for s in shape), None, "",
                    tuple(s or 1 for s in shape),
                )
                for key, shape in side.items()
            )
            for side in (inputs, outputs)
        )  # fmt: skip
        graphs[name] = Graph(name, f"{name}.onnx", ins, outs, 17, None, {}, {})
    (folder / captions.WORDS).write_text("a\nred\ncircle\n")
    manifest = Manifest(
        1, "toy", "ab" * 32, "integer", "cpu", "0.1.0", "", "", "", {"levels": 4, "length": 2}, graphs, {}, None, {}
    )  # fmt: skip
    make.manifest(folder, manifest)
    return folder


def draw_everything(folder: Path) -> list[str]:
    """Return the errors of all that a bundle can be asked for."""
    bundle = open_bundle(folder, threads=1)
    attempts = [
        lambda: density.sample(bundle, 2),
        lambda: density.sample(bundle, 1, graph="pixel"),
        lambda: density.complete(bundle, np.zeros((*SIZE, 1)), np.ones((*SIZE, 1)), 2),
        lambda: latent.draw(bundle, 2),
        lambda: captions.imagine(bundle, "a red circle", 2),
        lambda: captioning.caption(bundle, np.zeros((*SIZE, 1), np.float32), 3),
        lambda: captioning._by_steps(
            bundle, np.zeros((1, 5), np.float32), captioning.read_vocabulary(bundle), 2
        ),
        lambda: _round_trip(BundlePredictor(bundle)),
    ]
    errors = []
    for attempt in attempts:
        try:
            attempt()
        except DimagingError as error:
            str(error).encode()
            errors.append(str(error))
    return errors


def _round_trip(predictor: BundlePredictor) -> None:
    symbols = np.arange(12, dtype=np.uint8).reshape(2, *SIZE) % 4
    np.testing.assert_array_equal(
        unpack(predictor, pack(predictor, symbols, "ab" * 32), "ab" * 32), symbols
    )


def test_the_bundle_itself_draws(drawing: Path) -> None:
    assert draw_everything(drawing) == []


WORDS = [
    (b"\xff\xfe", ["words.txt is no UTF-8 text"] * 3),
    (b"", ["unknown words 'a', 'red', 'circle'", *["expected 3 words, a line each; found 0"] * 2]),
]


@pytest.mark.parametrize(("words", "says"), WORDS)
def test_words_of_another_kind(
    drawing: Path, make: SimpleNamespace, words: bytes, says: list[str]
) -> None:
    path, manifest = drawing / captions.WORDS, (drawing / "bundle.json").read_text()
    before = path.read_bytes()
    path.write_bytes(words)
    make.manifest(drawing, Manifest.from_json(manifest))
    errors = draw_everything(drawing)
    path.write_bytes(before)
    (drawing / "bundle.json").write_text(manifest)
    assert len(errors) == len(says)
    assert all(one in error for one, error in zip(says, errors, strict=True))


def _ways(value: Any, way: tuple = ()) -> list[tuple]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [way] * bool(way) + [one for key, inner in items for one in _ways(inner, (*way, key))]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70) | st.floats() | st.text(max_size=3)
    | st.sampled_from(["z", "image", "batch", "float32", "int32", "above_image_0", "above__1", "left_x"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_change_of_the_manifest_ends_in_an_error_of_ours(
    drawing: Path, data: st.DataObject
) -> None:
    path = drawing / "bundle.json"
    original = path.read_text()
    changed = json.loads(original)
    *way, last = data.draw(st.sampled_from(_ways(changed)))
    inner = changed
    for key in way:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[last] = data.draw(VALUES)
    else:
        del inner[last]
    path.write_text(json.dumps(changed))
    try:
        draw_everything(drawing)
    except DimagingError as error:
        str(error).encode()
    finally:
        path.write_text(original)
