"""Small bundles written by hand with onnx.helper, and the builder of the reference convolution."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from dimaging_edge.bundle.schema import File, Graph, Manifest, Tensor
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 17, 8
IMAGE = ("batch", "height", "width", 1)


def _model(nodes, weights, inputs, outputs) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    imports = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR)
    onnx.checker.check_model(model, full_check=True)
    return model


def build_reference() -> bytes:
    """The bytes of edge/dimaging_edge/reference.onnx: 1x64x56x56, 64 filters of 3x3, 116 MMAC.

    The weights are a ConstantOfShape, which onnxruntime folds when it loads the file.
    """
    size = (1, 64, 56, 56)
    weight = helper.make_tensor("value", TensorProto.FLOAT, [1], [1 / 576])
    model = _model(
        [
            helper.make_node("ConstantOfShape", ["filters"], ["w"], value=weight),
            helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        ],
        {"filters": np.array([64, 64, 3, 3], np.int64)},
        [("x", TensorProto.FLOAT, size)],
        [("y", TensorProto.FLOAT, size)],
    )
    return model.SerializeToString(deterministic=True)


def decoder() -> onnx.ModelProto:
    """z [batch,4] -> image [batch,8,8,1] in [0,1]."""
    rng = np.random.default_rng(0)
    return _model(
        [
            helper.make_node("MatMul", ["z", "w"], ["flat"]),
            helper.make_node("Sigmoid", ["flat"], ["grey"]),
            helper.make_node("Reshape", ["grey", "shape"], ["image"]),
        ],
        {
            "w": rng.normal(size=(4, 64)).astype(np.float32),
            "shape": np.array([-1, 8, 8, 1], np.int64),
        },
        [("z", TensorProto.FLOAT, ["batch", 4])],
        [("image", TensorProto.FLOAT, ["batch", 8, 8, 1])],
    )


def denoiser(channels: tuple[int, ...] = (1, 8, 1)) -> onnx.ModelProto:
    """noisy [batch,height,width,1] -> clean, of the same shape; a convolution per step."""
    rng = np.random.default_rng(1)
    nodes, weights, last = [], {}, "x0"
    nodes.append(helper.make_node("Transpose", ["noisy"], [last], perm=[0, 3, 1, 2]))
    for i, (before, after) in enumerate(itertools.pairwise(channels)):
        scale = 1 / (3 * before**0.5)
        weights[f"w{i}"] = rng.normal(0, scale, (after, before, 3, 3)).astype(np.float32)
        nodes.append(helper.make_node("Conv", [last, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Sigmoid", [f"c{i}"], [f"s{i}"]))
        last = f"s{i}"
    nodes.append(helper.make_node("Transpose", [last], ["clean"], perm=[0, 2, 3, 1]))
    return _model(
        nodes,
        weights,
        [("noisy", TensorProto.FLOAT, list(IMAGE))],
        [("clean", TensorProto.FLOAT, list(IMAGE))],
    )


def negative() -> onnx.ModelProto:
    """photo uint8 [1,8,8,3] -> negative uint8, static as for a phone."""
    size = (1, 8, 8, 3)
    return _model(
        [
            helper.make_node("Cast", ["photo"], ["a"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["white", "a"], ["b"]),
            helper.make_node("Cast", ["b"], ["negative"], to=TensorProto.UINT8),
        ],
        {"white": np.array(255, np.float32)},
        [("photo", TensorProto.UINT8, size)],
        [("negative", TensorProto.UINT8, size)],
    )


def _tensor(name, dtype, shape, limits, layout, example) -> Tensor:
    return Tensor(name, dtype, tuple(shape), limits, layout, tuple(example))


TENSORS = {
    "decoder": (
        _tensor("z", "float32", ("batch", 4), None, "NC", (1, 4)),
        _tensor("image", "float32", ("batch", 8, 8, 1), (0, 1), "NHWC", (1, 8, 8, 1)),
    ),
    "denoiser": (
        _tensor("noisy", "float32", IMAGE, (0, 1), "NHWC", (1, 16, 12, 1)),
        _tensor("clean", "float32", IMAGE, (0, 1), "NHWC", (1, 16, 12, 1)),
    ),
    "negative": (
        _tensor("photo", "uint8", (1, 8, 8, 3), None, "NHWC", (1, 8, 8, 3)),
        _tensor("negative", "uint8", (1, 8, 8, 3), None, "NHWC", (1, 8, 8, 3)),
    ),
}
BUILDERS = {"decoder": decoder, "denoiser": denoiser, "negative": negative}


def write_bundle(folder: Path, models: dict[str, onnx.ModelProto] | None = None) -> Path:
    """Write a valid bundle; `models` replaces builders of graphs of the same tensors."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(2)
    graphs, examples = {}, {}
    for name, build in BUILDERS.items():
        model = (models or {}).get(name) or build()
        source, target = TENSORS[name]
        onnx.save(model, folder / f"{name}.onnx")
        x = rng.random(source.example, np.float32)
        x = (x * 255).astype(np.uint8) if source.dtype == "uint8" else x
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        examples[f"{name}/{source.name}"] = x
        examples[f"{name}/{target.name}"] = session.run(None, {source.name: x})[0]
        graphs[name] = Graph(
            name=name,
            file=f"{name}.onnx",
            inputs=(source,),
            outputs=(target,),
            opset=OPSET,
            macs=256 if name == "decoder" else None,
            nodes={node.op_type: 1 for node in model.graph.node},
            parity={target.name: {"max_abs": 1e-7, "allowed": 1e-5}},
        )
    np.savez(folder / "examples.npz", **examples)
    manifest = Manifest(
        schema=1,
        model="toy",
        model_id="0" * 64,
        precision="fp32",
        target="cpu",
        version="0.1.0",
        licence="Apache-2.0",
        paper="",
        lecture="",
        config={"latent": 4},
        graphs=graphs,
        files={},
        quality={
            "name": "PSNR",
            "unit": "dB",
            "keras": 30.0,
            "onnx": 30.0,
            "loss": 0.0,
            "allowed": 0.1,
        },
        tools={"onnx": onnx.__version__},
    )
    save_manifest(folder, manifest)
    return folder


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write bundle.json over whatever files now lie in the folder."""
    files = {
        path.relative_to(folder).as_posix(): File(
            hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("bundle.json", "CARD.md")
    }
    text = replace(manifest, files=files).to_json()
    (folder / "bundle.json").write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The builders above: test modules cannot import this file in importlib mode."""
    return SimpleNamespace(
        bundle=write_bundle,
        manifest=save_manifest,
        reference=build_reference,
        denoiser=denoiser,
        decoder=decoder,
    )


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that nobody changes."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "toy-fp32")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A bundle of the test's own, to be damaged."""
    return write_bundle(tmp_path / "toy-fp32")


@pytest.fixture
def reseal() -> Callable[[Path], None]:
    """Lists the files of a changed bundle anew, as somebody who tampers with it would."""

    def reseal(folder: Path) -> None:
        text = (folder / "bundle.json").read_text(encoding="utf-8")
        save_manifest(folder, Manifest.from_json(text))

    return reseal
