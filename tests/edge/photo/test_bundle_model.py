"""A bundle as the codec's model: small ONNX graphs, tables in files, a prior that must prove itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from dimaging_edge.bundle.info import info_text
from dimaging_edge.bundle.open import open_bundle
from dimaging_edge.bundle.schema import Graph, Manifest, Tensor
from dimaging_edge.commands.main import main
from dimaging_edge.common.errors import (
    BundleError,
    CodecError,
    DimagingError,
    InputError,
    ProviderError,
)
from dimaging_edge.photo import bundle_model
from dimaging_edge.photo import prior as numpy_prior
from dimaging_edge.photo.bundle_model import BundleModel, find_bundle, open_model
from dimaging_edge.photo.codec import compress, decompress
from dimaging_edge.photo.container import read_header
from helpers.codec_dct import counts, picture, psnr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

F, I32, I64, U8 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8
SHAPES = {"image": ["height", "width", 3], "y": ["h", "w", 192], "z": ["h4", "w4", 1]}
SHAPES |= {"index": SHAPES["y"], "mean": SHAPES["y"]}
EXAMPLES = {"image": (64, 64, 3), "y": (8, 8, 192), "z": (2, 2, 1)}
EXAMPLES |= {"index": EXAMPLES["y"], "mean": EXAMPLES["y"]}


def node(op: str, inputs: str, output: str, **more: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], **more)


def graph_of(nodes, inputs: str, outputs: str, **weights: np.ndarray) -> onnx.ModelProto:
    def info(name: str):
        if name in SHAPES:
            kind = U8 if name == "image" else I32
            return helper.make_tensor_value_info(name, kind, [1, *SHAPES[name]])
        return helper.make_tensor_value_info(name, I64, [1])

    graph = helper.make_graph(
        nodes,
        "graph",
        [info(name) for name in inputs.split()],
        [info(name) for name in outputs.split()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def encoder() -> onnx.ModelProto:
    """Y: pixels of 8x8 blocks minus 128, in steps of 8 levels; z: their mean over 32x32."""
    nodes = [
        node("Cast", "image", "a", to=F),
        node("Sub", "a grey", "b"),
        node("Transpose", "b", "c", perm=[0, 3, 1, 2]),
        node("SpaceToDepth", "c", "d", blocksize=8),
        node("Mul", "d fine", "e"),
        node("Transpose", "e", "f", perm=[0, 2, 3, 1]),
        node("Cast", "f", "y", to=I32),
        node("AveragePool", "b1", "g", kernel_shape=[32, 32], strides=[32, 32]),
        node("Transpose", "g", "i", perm=[0, 2, 3, 1]),
        node("Mul", "i rough", "j"),
        node("Round", "j", "k"),
        node("Cast", "k", "z", to=I32),
    ]
    nodes.insert(3, helper.make_node("ReduceMean", ["c"], ["b1"], axes=[1]))
    return graph_of(
        nodes, "image quality", "z y",
        grey=np.array(128, np.float32), fine=np.array(32, np.float32), rough=np.array(1 / 8, np.float32),
    )  # fmt: skip


def prior() -> onnx.ModelProto:
    """Mean: 8 z; index: 40."""
    nodes = [
        node("Cast", "z", "a", to=F),
        node("Transpose", "a", "b", perm=[0, 3, 1, 2]),
        helper.make_node("Resize", ["b", "", "sizes"], ["c"], mode="nearest",
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Transpose", "c", "d", perm=[0, 2, 3, 1]),
        node("Mul", "d eight", "e"),
        node("Cast", "e", "f", to=I32),
        node("Shape", "y", "shape"),
        node("Expand", "f shape", "mean"),
        node("Expand", "forty shape", "index"),
    ]  # fmt: skip
    return graph_of(
        nodes, "z y pass quality", "index mean", forty=np.array(40, np.int32),
        sizes=np.array([1, 1, 4, 4], np.float32), eight=np.array(8, np.float32),
    )  # fmt: skip


def decoder() -> onnx.ModelProto:
    nodes = [
        node("Cast", "y", "a", to=F),
        node("Transpose", "a", "b", perm=[0, 3, 1, 2]),
        node("DepthToSpace", "b", "c", blocksize=8),
        node("Transpose", "c", "d", perm=[0, 2, 3, 1]),
        node("Add", "d grey", "e"),
        node("Clip", "e low high", "f"),
        node("Cast", "f", "image", to=U8),
    ]
    one = {"grey": 128, "low": 0, "high": 255}
    weights = {key: np.array(x, np.float32) for key, x in one.items()}
    return graph_of(nodes, "z y quality", "image", **weights)


def tensor(name: str) -> Tensor:
    if name in SHAPES:
        kind = "uint8" if name == "image" else "int32"
        return Tensor(name, kind, (1, *SHAPES[name]), None, "NHWC", (1, *EXAMPLES[name]))
    return Tensor(name, "int64", (1,), None, "", (1,))


PROGRAM = [
    ["upsample", "a", ["z"], {"by": 4}],
    ["mul", "b", ["a"], {"by": 8}],
    ["mul", "zero", ["y"], {"by": 0}],
    ["add", "mean", ["b", "zero"], {}],
    ["plus", "index", ["zero"], {"by": "forty"}],
]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, make) -> Write:
    """Writes a codec's bundle; a wrong prior answers other than the example says."""

    def write(
        *, wrong: bool = False, program: Any = None, halo: Any = 64, tables: bool = True
    ) -> Path:
        folder = tmp_path / "codec-integer"
        folder.mkdir()
        graphs = {}
        models = {"encoder": encoder(), "prior": prior(), "decoder": decoder()}
        for name, model in models.items():
            onnx.save(model, folder / f"{name}.onnx")
            inputs, outputs = (
                tuple(tensor(one.name) for one in side) for side in (model.graph.input, model.graph.output)
            )  # fmt: skip
            graphs[name] = Graph(name, f"{name}.onnx", inputs, outputs, 17, None, {}, {})
        z = np.arange(4, dtype=np.int32).reshape(1, 2, 2, 1)
        mean = np.broadcast_to(8 * z.repeat(4, 1).repeat(4, 2), (1, 8, 8, 192)) + wrong
        one = {"z": z, "y": np.zeros((1, 8, 8, 192), np.int32), "mean": mean.astype(np.int32)}
        one |= {"pass": np.zeros(1, np.int64), "quality": np.zeros(1, np.int64)}
        one["index"] = np.full((1, 8, 8, 192), 40, np.int32)
        np.savez(folder / "examples.npz", **{f"prior/{key}": x for key, x in one.items()})
        if tables:
            (folder / "scale_counts.bin").write_bytes(counts().astype("<u2").tobytes())
        (folder / "z_index.bin").write_bytes(bytes([50]) * 64)
        if program is not None:
            text = np.frombuffer(json.dumps(program).encode(), np.uint8)
            np.savez(folder / "prior.npz", program=text, forty=np.array(40))
        manifest = Manifest(
            1, "toy_codec", "ab" * 32, "integer", "cpu", "0.1.0", "", "", "", {"codec": {"halo": halo}},
            graphs, {}, None, {},
        )  # fmt: skip
        make.manifest(folder, manifest)
        return folder

    return write


def test_round_trip(write: Write) -> None:
    model, photo = open_model(write(), threads=1), picture(70, 90)
    assert (model.channels, model.bit_depth, model.halo) == (3, 8, 64)
    assert (model.y_channels, model.z_channels, model.model_id) == (192, 1, b"\xab" * 16)
    found, damage = decompress(model, compress(model, photo, 9, tile=64))
    assert damage == []
    assert psnr(found.image, photo.image) > 38


def test_numpy_takes_over_where_the_prior_answers_otherwise(write: Write) -> None:
    """The example and numpy agree, the graph does not: as an engine that computes in half floats."""
    program = [
        *PROGRAM[:3],
        ["plus", "c", ["b"], {"by": 1}],
        ["add", "mean", ["c", "zero"], {}],
        PROGRAM[4],
    ]
    folder = write(wrong=True, program=program)
    with pytest.warns(
        UserWarning, match="answers other integers on provider cpu .* numpy computes"
    ):
        model = open_model(folder, threads=1)
    found, _ = decompress(model, compress(model, picture(40, 40), 9))
    assert psnr(found.image, picture(40, 40).image) > 38


def test_numpy_prior_is_the_graph(write: Write) -> None:
    model = open_model(write(program=PROGRAM), threads=1)
    feeds, _ = model.bundle.examples("prior")
    ours = bundle_model.NumpyPrior(model.bundle.read("prior.npz"))(feeds)
    for name, want in model.bundle.run("prior", **feeds).items():
        np.testing.assert_array_equal(ours[name], want)


WRONG = [
    ({"wrong": True}, ProviderError, "answers other integers .* use --provider cpu"),
    ({"wrong": True, "program": PROGRAM}, BundleError, "and so does numpy; export the bundle again"),
    ({"wrong": True, "program": [["cov", "a", [], {}]]}, BundleError, "unknown op 'cov'; did you mean 'conv'"),
    ({"wrong": True, "program": {}}, BundleError, "expected a list of at most 10000 steps"),
    ({"wrong": True, "program": []}, BundleError, "its program does not compute index and mean"),
    ({"wrong": True, "program": [["add"]]}, BundleError, r"step 0: expected \[op, output, inputs, params\]"),
    ({"wrong": True, "program": [["add", "x", ["nope"], {}]]}, BundleError, "no value 'nope' has been computed"),
    ({"wrong": True, "program": [["add", "x", [["z"]], {}]]}, BundleError, "has been computed before"),
    ({"wrong": True, "program": [["plus", "x", ["z"], {"by": "none"}]]}, BundleError, "no array 'none'"),
    ({"wrong": True, "program": [["plus", "x", ["z"], {"by": [1]}]]}, BundleError, "expected a number or the name"),
    ({"wrong": True, "program": [["floor", "mean", ["z"], {"evil": 1}], *PROGRAM[4:]]}, BundleError, "no value 'zero'"),
    ({"wrong": True, "program": [["floor", "q", ["z"], {"evil": 1}], *PROGRAM]}, BundleError, r"step 0 \(floor\) cannot be"),
    ({"wrong": True, "program": [["upsample", "q", ["z"], {"by": 1 << 20}], *PROGRAM]}, BundleError, "expected by from 1 to 32"),
    ({"wrong": True, "program": [*[["concat", "z", ["z", "z"], {}]] * 40, *PROGRAM]}, BundleError, "more than 134217728 values"),
    ({"wrong": True, "program": [["mul", "y", ["y", "z"], {}], *PROGRAM]}, BundleError, "cannot be computed"),
    ({"wrong": True, "program": [*PROGRAM, ["plus", "mean", ["mean"], {"by": 1e300}]]}, BundleError, "no 32-bit integers"),
    ({"halo": "64"}, BundleError, "config.codec.halo: expected an integer from 0 to 512, found '64'"),
    ({"halo": 1 << 40}, BundleError, "config.codec.halo: expected an integer from 0 to 512"),
    ({"halo": 50}, BundleError, "config.codec.halo: expected a multiple of 32 up to 512, found 50"),
    ({"tables": False}, BundleError, "scale_counts.bin is not listed in bundle.json"),
]  # fmt: skip


@pytest.mark.parametrize(("how", "error", "says"), WRONG)
def test_wrong_bundles(
    write: Write, how: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        open_model(write(**how), threads=1)


INTERFACES = [
    (("decoder", "inputs"), [], "graphs['decoder'].inputs: expected z, y, quality"),
    (("encoder", "inputs"), [], "graphs['encoder'].inputs: expected image, quality"),
    (("prior", "outputs", 0, "dtype"), "float32", "graphs['prior'].outputs: expected index, mean"),
    (("encoder", "inputs", 0, "dtype"), "int8", "graphs['encoder'].inputs: expected image"),
    (("decoder", "inputs", 1, "example", 3), 7, "differ in the channels of image, z or y"),
    (("encoder", "inputs", 0, "example", 3), 4, "example"),
]


@pytest.mark.parametrize(("place", "value", "says"), INTERFACES)
def test_graphs_of_another_interface(write: Write, place: tuple, value: Any, says: str) -> None:
    path = write() / "bundle.json"
    data = json.loads(path.read_text())
    inner = data["graphs"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    if place[-1] == 3:
        inner_shape = data["graphs"][place[0]][place[1]][place[2]]["shape"]
        inner_shape[3] = value if value == 7 else inner_shape[3]
    path.write_text(json.dumps(data))
    with pytest.raises(BundleError) as caught:
        open_model(path.parent, threads=1)
    assert says in str(caught.value)


def paths_of(value: Any, path: tuple = ()) -> list[tuple]:
    """Return the way to every value of a JSON text."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path] * bool(path) + [way for key, one in items for way in paths_of(one, (*path, key))]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70) | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from(["z", "image", "float32", "int32", "prior.npz", "codec"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_hostile_manifest_ends_in_an_error_of_ours(own_codec: Path, data: st.DataObject) -> None:
    """Any value of bundle.json becomes any other, or goes; the folder opens, or says why not."""
    path = own_codec / "bundle.json"
    original = path.read_text()
    changed = json.loads(original)
    *way, last = data.draw(st.sampled_from(paths_of(changed)))
    inner = changed
    for key in way:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[last] = data.draw(JSON_VALUES)
    else:
        del inner[last]
    path.write_text(json.dumps(changed))
    try:
        model = open_model(own_codec, threads=1)
        decompress(model, compress(model, picture(33, 40), 9))
        info_text(model.bundle.manifest)
        model.bundle.check()
    except DimagingError as error:
        str(error).encode()
    finally:
        path.write_text(original)


@pytest.fixture
def own_codec(write: Write) -> Path:
    return write()


def test_another_kind_of_bundle(toy: Path) -> None:
    with pytest.raises(InputError, match=r"\(toy\) is no image codec: it has no graph prior"):
        BundleModel(open_bundle(toy))


def test_shipped_bundles(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write()
    monkeypatch.setattr(bundle_model, "SHIPPED", folder.parent)
    assert find_bundle(None, channels=1) == find_bundle(None, channels=3) == folder
    with pytest.raises(InputError, match="no model for 1 channels of 16 bits .*: codec-integer"):
        find_bundle(None, channels=1, depth=16)
    header, _ = read_header(compress(open_model(folder, threads=1), picture(9, 9), 5))
    assert find_bundle(header) == folder
    monkeypatch.setattr(bundle_model, "SHIPPED", folder)
    with pytest.raises(CodecError, match="compressed with model abab.*; models here: none. Give"):
        find_bundle(header)


def test_a_folder_in_parallel(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes, each with the bundle open."""
    pictures = tmp_path / "in"
    pictures.mkdir()
    for number in range(3):
        np.save(pictures / f"{number}.npy", picture(40, 50, seed=number).image)
    model = ("--model", str(write()), "--workers", "2")
    assert main(["compress", str(pictures), "-o", str(tmp_path / "out"), *model]) == 0
    assert capsys.readouterr().out.count("bits a pixel, quality 30") == 3
    assert main(["decompress", str(tmp_path / "out"), *model]) == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def by_loops(x: np.ndarray, kernel: np.ndarray, groups: int) -> np.ndarray:
    size, _, inner, outer = kernel.shape
    found, half = np.zeros((*x.shape[:3], outer)), size // 2
    for _, r, c, o in np.ndindex(found.shape):
        for i, j, k in np.ndindex(size, size, inner):
            a, b, source = r + i - half, c + j - half, o // (outer // groups) * inner + k
            if 0 <= a < x.shape[1] and 0 <= b < x.shape[2]:
                found[0, r, c, o] += x[0, a, b, source] * kernel[i, j, k, o]
    return found


@pytest.mark.parametrize(("size", "groups"), [(1, 1), (3, 1), (5, 2), (3, 4)])
def test_numpy_convolution(size: int, groups: int) -> None:
    rng = np.random.default_rng(size)
    x, kernel = rng.integers(-9, 9, (1, 5, 4, 8)), rng.integers(-9, 9, (size, size, 8 // groups, 8))
    found = numpy_prior.conv(x, kernel=kernel, bias=np.arange(8), groups=groups)
    np.testing.assert_array_equal(found, by_loops(x, kernel, groups) + np.arange(8))


X = np.arange(1, 9.0).reshape(1, 1, 2, 4)
OPS = [
    ("depth_to_space", [X], {"by": 2}, [[[1, 2, 5, 6], [3, 4, 7, 8]]]),
    ("upsample", [X[..., 0]], {"by": 2}, [[[1, 1, 5, 5], [1, 1, 5, 5]]]),
    ("checkerboard", [X[..., :1]], {"odd": 1}, [[[0, 5]]]),
    ("take", [np.array([2.0, 0])], {"table": np.array([[7, 1], [8, 1], [9, 1]])}, [[9, 1], [7, 1]]),
    ("mul", [X[0, 0, 0], X[0, 0, 1]], {"by": 2}, [10, 24, 42, 64]),
    ("slice", [X[0, 0]], {"start": 1, "stop": 3}, [[2, 3], [6, 7]]),
    ("where", [np.array([1.0]), X[0, 0, 0], X[0, 0, 1]], {}, [1, 2, 3, 4]),
    ("clip", [X[0, 0, 0]], {"low": 2, "high": 3}, [2, 2, 3, 3]),
    ("floor", [np.array([-0.5, 1.5])], {}, [-1, 1]),
]


@pytest.mark.parametrize(("op", "inputs", "params", "wanted"), OPS)
def test_numpy_ops(op: str, inputs, params: dict[str, Any], wanted) -> None:
    found = numpy_prior.OPS[op](*inputs, **params)
    np.testing.assert_array_equal(found.squeeze(-1) if found.ndim > 3 else found, wanted)
