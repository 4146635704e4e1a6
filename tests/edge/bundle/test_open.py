"""Opening: everything wrong with a folder is refused with its reason. Running: names and figures."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from dimaging_edge import BundleError, DimagingError, InputError, open_bundle
from helpers.damage import flip
from onnx import TensorProto, helper


def _edit(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "bundle.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


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
    (lambda f: flip(f / "decoder.onnx"), "decoder.onnx was changed: its SHA-256 is"),
    (lambda f: flip(f / "examples.npz"), "examples.npz was changed: its SHA-256 is"),
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
