"""bundle.json: what is written is read back equal; what does not fit is named by its place."""

import json
from pathlib import Path

import pytest
from dimaging_edge.bundle.schema import DTYPES, QUALITY, File, Graph, Manifest, Tensor
from dimaging_edge.common.errors import BundleError
from hypothesis import given, settings
from hypothesis import strategies as st

words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/\\:."),
    min_size=1,
    max_size=8,
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
figures = st.fixed_dictionaries({"max_abs": numbers, "allowed": numbers})
qualities = st.fixed_dictionaries({key: st.none() | numbers | words for key in QUALITY})


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    example = tuple(draw(st.lists(st.integers(1, 64), max_size=4)))
    shape = tuple(draw(st.just(size) | words) for size in example)
    ends = draw(st.none() | st.tuples(numbers, numbers))
    layout = draw(st.sampled_from(["", "NHWC"[: len(example)]]))
    limits = None if ends is None else (min(ends), max(ends))
    return Tensor(draw(words), draw(st.sampled_from(DTYPES)), shape, limits, layout, example)


LARGEST = (1 << 63) - 1


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    def several(least: int) -> tuple[Tensor, ...]:
        by_name = st.lists(tensors(), min_size=least, max_size=2, unique_by=lambda one: one.name)
        return tuple(draw(by_name))

    graphs = {}
    for name in draw(st.lists(words, min_size=1, max_size=2, unique=True)):
        outputs = several(1)
        graphs[name] = Graph(
            name,
            f"{name}.onnx",
            several(0),
            outputs,
            draw(st.integers(1, 30)),
            draw(st.none() | st.integers(0, LARGEST)),
            draw(st.dictionaries(words, st.integers(0, LARGEST), max_size=2)),
            {one.name: draw(figures) for one in outputs if draw(st.booleans())},
        )
    hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
    return Manifest(
        1,
        draw(words),
        draw(hashes),
        *(draw(words) for _ in range(6)),
        config=draw(st.dictionaries(words, st.none() | st.booleans() | numbers | words)),
        graphs=graphs,
        files={g.file: File(draw(hashes), draw(st.integers(0, LARGEST))) for g in graphs.values()},
        quality=draw(st.none() | qualities),
        tools=draw(st.dictionaries(words, words)),
    )


@settings(max_examples=60, deadline=None)
@given(manifests())
def test_round_trip(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | words, st.lists) | st.just({}))
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(BundleError, match="bundle.json"):
        Manifest.from_json(json.dumps(value))


GRAPH = "graphs['decoder']"
REFUSED = [
    (["schema"], 2, "schema 2; this dimaging_edge reads up to 1. Update it: pip install -U"),
    (["schema"], 0, "schema: expected 1, found 0"),
    (["schema"], True, "schema: expected an integer, found true"),
    (["model"], 3, "model: expected a text, found 3"),
    (["model_id"], "zz" * 32, "model_id: expected 64 lower-case hexadecimal digits"),
    (["model_id"], "AB" * 32, "model_id: expected 64 lower-case hexadecimal digits"),
    (["model_id"], "ab" * 31, "model_id: expected 64 lower-case hexadecimal digits"),
    (["graphs"], {}, "graphs: expected at least one graph, found {}"),
    (["graphs", "decoder"], [], f"{GRAPH}: expected an object, found []"),
    (["graphs", "decoder", "name"], "d", f"{GRAPH}.name: expected its own key 'decoder'"),
    (["graphs", "decoder", "file"], "x.onnx", 'a file listed under files, found "x.onnx"'),
    (["graphs", "decoder", "file"], "examples.npz", "file: expected a file with the suffix .onnx"),
    (["graphs", "decoder", "opset"], 17.5, f"{GRAPH}.opset: expected an integer, found 17.5"),
    (["graphs", "decoder", "macs"], "many", f"{GRAPH}.macs: expected an integer, found"),
    (["graphs", "decoder", "outputs"], [], f"{GRAPH}.outputs: expected at least one output"),
    (["graphs", "decoder", "parity"], {"z": {}}, f"{GRAPH}.parity: expected names of outputs"),
    (
        ["graphs", "decoder", "parity", "image"],
        {"max_abs": 1},
        f"{GRAPH}.parity['image']: expected the keys max_abs and allowed",
    ),
    (["graphs", "decoder", "inputs", 0, "name"], "", f"{GRAPH}.inputs[0].name: expected a name"),
    (["graphs", "decoder", "inputs", 0, "dtype"], "float31", "inputs[0].dtype: expected one of"),
    (["graphs", "decoder", "inputs", 0, "shape"], ["batch", 0], "expected sizes of 1 or more"),
    (
        ["graphs", "decoder", "inputs", 0, "shape", 1],
        None,
        "inputs[0].shape[1]: expected an integer or a text, found null",
    ),
    (["graphs", "decoder", "inputs", 0, "range"], [1, 0], "range: expected low <= high"),
    (["graphs", "decoder", "inputs", 0, "range"], [1], "range: expected a list of 2, found [1]"),
    (["graphs", "decoder", "inputs", 0, "layout"], "NHWC", "layout: expected 2 letters"),
    (["graphs", "decoder", "inputs", 0, "example"], [1, 5], "example: expected sizes that fit"),
    (["graphs", "decoder", "inputs", 0, "example"], [1], "example: expected sizes that fit"),
    (
        ["graphs", "decoder", "inputs", 0],
        {
            "name": "z",
            "dtype": "int8",
            "shape": ["a", "b"],
            "range": None,
            "layout": "",
            "example": [1 << 20, 1 << 20],
        },
        "inputs[0].example: expected at most 268435456 values",
    ),
    (["files", "../x"], {"sha256": "0" * 64, "bytes": 1}, "a relative path inside the bundle"),
    (["files", "/x"], {"sha256": "0" * 64, "bytes": 1}, "a relative path inside the bundle"),
    (["files", "a\\x"], {"sha256": "0" * 64, "bytes": 1}, "a relative path inside the bundle"),
    (["files", "x"], {"sha256": "0", "bytes": 1}, "64 lower-case hexadecimal digits"),
    (["files", "x"], {"sha256": "0" * 64, "bytes": -1}, "a size of 0 or more, found -1"),
    (["quality"], {"name": "PSNR"}, "quality: expected the keys name, unit, keras, onnx, loss"),
    (["author"], "me", "author: expected only the keys schema, model"),
]


@pytest.mark.parametrize(("place", "value", "says"), REFUSED)
def test_refused_by_place(toy: Path, place: list, value: object, says: str) -> None:
    data = json.loads((toy / "bundle.json").read_text())
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(BundleError) as caught:
        Manifest.from_json(json.dumps(data))
    assert says in str(caught.value)


def test_missing_key_and_twice_the_same_name(toy: Path) -> None:
    data = json.loads((toy / "bundle.json").read_text())
    decoder = data["graphs"]["decoder"]
    decoder["inputs"] *= 2
    with pytest.raises(BundleError, match="names that differ, found"):
        Manifest.from_json(json.dumps(data))
    del decoder["opset"]
    with pytest.raises(BundleError, match=r"opset: expected this key, found \"nothing\""):
        Manifest.from_json(json.dumps(data))


NO_JSON = [
    ("", "Expecting value"),
    ("{", "Expecting property name"),
    ('{"schema": NaN}', "NaN is not JSON"),
    ('{"schema": -Infinity}', "-Infinity is not JSON"),
    ('{"a": 1e999}', "the number 1e999 is too large or too long"),
    ('{"a": -1e999}', "the number -1e999 is too large or too long"),
    ('{"a": 0.' + "1" * 50 + "}", "is too large or too long"),
    ('{"a": 18446744073709551616}', "has more than 64 bits"),
    ('{"a": -9223372036854775809}', "has more than 64 bits"),
    ('{"a": ' + "9" * 5000 + "}", "has more than 64 bits"),
    ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' stands twice in one object"),
    ('{"schema": 1, "\\u0073chema": 2}', "the key 'schema' stands twice in one object"),
    ('["\\ud800"]', "has the character '\\ud800', which cannot be shown"),
    ('{"\\ud800": 1}', "has the character '\\ud800', which cannot be shown"),
    ('["\\u0000"]', "has the character '\\x00'"),
    ('["\\u001b[2J"]', "has the character '\\x1b'"),
    ('["\\u009b2J"]', "has the character '\\x9b'"),
    ("[" * 66 + "]" * 66, "nested deeper than 64"),
    ("[" * 100_000, "nested deeper than 64"),
    ('{"a":' * 100_000, "nested deeper than 64"),
]


@pytest.mark.parametrize(("text", "says"), NO_JSON, ids=range(len(NO_JSON)))
def test_no_json(text: str, says: str) -> None:
    with pytest.raises(BundleError, match=r"^bundle\.json is not valid JSON: ") as caught:
        Manifest.from_json(text)
    assert says in str(caught.value)
    str(caught.value).encode()  # can be printed
