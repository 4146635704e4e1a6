"""Opening: everything wrong with a folder is refused with its reason. Running: names and figures."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from dimaging_edge import BundleError, DimagingError, InputError, open_bundle
from dimaging_edge.bundle.external_data import external_locations
from onnx import TensorProto, helper


def _edit(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "bundle.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = [
    (lambda f: (f / "bundle.json").unlink(), "holds no bundle.json, so it is no bundle"),
    (lambda f: (f / "bundle.json").write_text("{"), "bundle.json is not valid JSON"),
    (lambda f: (f / "bundle.json").write_bytes(b"\xff"), "cannot be read"),
    (
        lambda f: _edit(f, lambda d: d.update(schema=9)),
        "schema 9; this dimaging_edge reads up to 1",
    ),
    (lambda f: (f / "decoder.onnx").unlink(), "decoder.onnx is missing from"),
    (lambda f: (f / "examples.npz").unlink(), "examples.npz is missing from"),
    (lambda f: _flip(f / "decoder.onnx"), "decoder.onnx was changed: its SHA-256 is"),
    (lambda f: _flip(f / "examples.npz"), "examples.npz was changed: its SHA-256 is"),
    (
        lambda f: (f / "denoiser.onnx").write_bytes((f / "denoiser.onnx").read_bytes()[:-9]),
        "bytes, found",
    ),
    (
        lambda f: _edit(f, lambda d: d["files"].pop("decoder.onnx")),
        "graphs['decoder'].file: expected a file listed under files",
    ),
]


@pytest.mark.parametrize(("damage", "says"), DAMAGE)
def test_damaged_bundle_is_refused(own: Path, damage: Callable[[Path], None], says: str) -> None:
    damage(own)
    with pytest.raises(BundleError) as caught:
        open_bundle(own)
    assert says in str(caught.value)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle folder at .*nowhere; make one with: dimaging"):
        open_bundle(tmp_path / "nowhere")


LOCATIONS = [
    ("../weights.bin", "lies outside the bundle"),
    ("a/../../weights.bin", "lies outside the bundle"),
    ("/etc/hostname", "lies outside the bundle"),
    ("link.bin", "lies outside the bundle"),
    ("stray.bin", "a file that bundle.json does not list"),
    ("", "a file that bundle.json does not list"),
    ("*/_ORT_MEM_ADDR_/*", "a file that bundle.json does not list"),
]


def _place(model: onnx.ModelProto, where: str, location: str) -> None:
    """Hide a tensor with external data somewhere in a model."""
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "g", [], [])
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inner)
    match where:
        case "initializer":
            model.graph.initializer.append(tensor)
        case "attribute":
            model.graph.node.append(inner.node[0])
        case "branch":
            model.graph.node.append(branch)
        case "function":
            model.functions.add(name="f", domain="d").node.append(branch)
        case "sparse":
            model.graph.sparse_initializer.add().values.CopyFrom(tensor)
        case "training":
            model.training_info.add().algorithm.CopyFrom(inner)


WHERE = ["initializer", "attribute", "branch", "function", "sparse", "training"]


@pytest.mark.parametrize(("location", "says"), LOCATIONS)
@pytest.mark.parametrize("where", WHERE)
def test_external_data_elsewhere_is_refused(
    own: Path, reseal: Callable[[Path], None], where: str, location: str, says: str
) -> None:
    model = onnx.load(own / "decoder.onnx")
    _place(model, where, location)
    (own / "decoder.onnx").write_bytes(model.SerializeToString())
    reseal(own)
    (own / "stray.bin").write_bytes(b"0000")
    (own / "link.bin").symlink_to("/etc/hostname")
    with pytest.raises(BundleError) as caught:
        open_bundle(own)
    assert says in str(caught.value)
    assert repr(location) in str(caught.value)


def test_listed_external_data_is_used(own: Path, reseal: Callable[[Path], None]) -> None:
    before = open_bundle(own).run("decoder", z=np.ones((2, 4), np.float32))["image"]
    model = onnx.load(own / "decoder.onnx")
    onnx.save(
        model,
        own / "decoder.onnx",
        save_as_external_data=True,
        location="decoder.bin",
        size_threshold=512,
    )
    reseal(own)
    assert external_locations(own / "decoder.onnx") == ["decoder.bin"]
    after = open_bundle(own).run("decoder", z=np.ones((2, 4), np.float32))["image"]
    np.testing.assert_array_equal(before, after)
    _flip(own / "decoder.bin")
    with pytest.raises(BundleError, match=r"decoder\.bin was changed"):
        open_bundle(own)


NO_ONNX = [b"", b"\xff\xff\xff", b"hello, world", b"\x3a\x7f", b"\x0b", b"\x80" * 30]


@pytest.mark.parametrize("data", NO_ONNX)
def test_no_onnx_file(own: Path, reseal: Callable[[Path], None], data: bytes) -> None:
    (own / "decoder.onnx").write_bytes(data)
    reseal(own)
    with pytest.raises(BundleError, match=r"decoder\.onnx is (empty|no valid ONNX model)"):
        open_bundle(own)


def test_nested_without_end_is_refused(tmp_path: Path) -> None:
    message = b""
    for field in (6, 5, 1) * 300 + (7,):  # a graph in an attribute of a node of a graph of a model
        size, length = len(message), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        message = bytes([field << 3 | 2]) + length + bytes([size]) + message
    path = tmp_path / "deep.onnx"
    path.write_bytes(message)
    with pytest.raises(BundleError, match=r"deep\.onnx is no valid ONNX model \(messages nested"):
        external_locations(path)


def test_run_and_examples(toy: Path) -> None:
    bundle = open_bundle(toy)
    assert bundle.graphs == ("decoder", "denoiser", "negative")
    assert (bundle.provider, bundle.path) == ("cpu", toy)
    assert bundle.threads >= 1
    image = bundle.run("decoder", z=np.zeros((5, 4), np.float32))["image"]
    np.testing.assert_array_equal(image, np.full((5, 8, 8, 1), 0.5, np.float32))
    inputs, outputs = bundle.examples("negative")
    np.testing.assert_array_equal(outputs["negative"], 255 - inputs["photo"])
    assert bundle.session("decoder") is bundle.session("decoder")


def test_check_tells_a_device_that_answers_differently(
    own: Path, reseal: Callable[[Path], None]
) -> None:
    found = open_bundle(own).check()
    assert all(one.ok and one.max_abs <= 1e-6 for graph in found.values() for one in graph.values())
    with np.load(own / "examples.npz") as stored:
        arrays = dict(stored)
    arrays["decoder/image"] = arrays["decoder/image"] + np.float32(0.25)
    arrays["denoiser/clean"] = np.full_like(arrays["denoiser/clean"], np.nan)
    arrays["negative/negative"] = arrays["negative/negative"][:, :4]
    np.savez(own / "examples.npz", **arrays)
    reseal(own)
    found = open_bundle(own).check()
    assert found["decoder"]["image"].max_abs == pytest.approx(0.25, abs=1e-6)
    assert not any(one.ok for graph in found.values() for one in graph.values())


def test_examples_that_are_not_there(own: Path, reseal: Callable[[Path], None]) -> None:
    with np.load(own / "examples.npz") as stored:
        arrays = {key: stored[key] for key in stored if key != "decoder/image"}
    np.savez(own / "examples.npz", **arrays)
    reseal(own)
    with pytest.raises(BundleError, match=r"examples\.npz lacks decoder/image; export it again"):
        open_bundle(own).examples("decoder")
    (own / "examples.npz").unlink()
    reseal(own)
    with pytest.raises(BundleError, match=r"holds no examples\.npz; export it again"):
        open_bundle(own).check()


def test_what_onnxruntime_refuses(own: Path, reseal: Callable[[Path], None]) -> None:
    model = onnx.load(own / "decoder.onnx")
    model.graph.node[1].op_type = "Sigmoidal"
    onnx.save(model, own / "decoder.onnx")
    model = onnx.load(own / "denoiser.onnx")
    model.graph.node.append(helper.make_node("Concat", ["noisy", "two"], ["z"], axis=0))
    two = helper.make_tensor("two", TensorProto.FLOAT, [1, 2, 2, 1], [0] * 4)
    model.graph.initializer.append(two)
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    onnx.save(model, own / "denoiser.onnx")
    reseal(own)
    bundle = open_bundle(own)
    with pytest.raises(BundleError, match=r"onnxruntime cannot load decoder\.onnx: .*Sigmoidal"):
        bundle.run("decoder", z=np.zeros((1, 4), np.float32))
    bundle.run("denoiser", noisy=np.zeros((1, 2, 2, 1), np.float32))
    with pytest.raises(DimagingError, match=r"denoiser: onnxruntime failed on noisy\(1, 3, 3, 1\)"):
        bundle.run("denoiser", noisy=np.zeros((1, 3, 3, 1), np.float32))
    with pytest.raises(InputError, match="no graph 'decodr' in toy-fp32; did you mean 'decoder'"):
        bundle.run("decodr", z=np.zeros((1, 4), np.float32))
