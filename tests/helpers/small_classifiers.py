"""Small classifiers to attack: linear in numpy, convolutional in onnxruntime, the same in int8, and scores alone."""

import hashlib
from typing import Any

import numpy as np
import onnx
from dimaging_edge import attacks
from dimaging_edge.bundle.schema import File, Graph, Manifest, Tensor
from dimaging_edge.bundle.session import make_session
from dimaging_export.gradient.build import gradient_model
from onnx import TensorProto, helper, numpy_helper

NAMES = ["cat", "dog", "iguana", "toaster"]
SHAPE, CLASSES, COUNT = (6, 6, 1), 4, 24


class Linear:
    """logits = flattened image @ weights + bias, with the gradient written by hand."""

    def __init__(self, weights, bias: Any = 0.0, scale=1.0):
        self.weights, self.bias, self.scale = weights, bias, scale

    def score(self, x):
        return (x.reshape(len(x), -1) @ self.weights + self.bias) * self.scale

    def along(self, x, direction):
        gradient = (
            self.scale
            * np.broadcast_to(direction, (len(x), self.weights.shape[1]))
            @ self.weights.T
        )
        return gradient.reshape(x.shape).astype(np.float32), self.score(x)

    def __call__(self, x, y):
        z = self.score(x).astype(np.float64)
        rows = np.arange(len(x))
        others = z.copy()
        others[rows, y] = -np.inf
        top = others.max(1, keepdims=True)
        powers = np.exp(others - top)
        slope = powers / powers.sum(1, keepdims=True)
        slope[rows, y] = -1
        margin = top[:, 0] + np.log(powers.sum(1)) - z[rows, y]
        return self.along(x, slope)[0], margin, self.score(x)


def convolutional() -> onnx.ModelProto:
    """image [batch, 6, 6, 1] -> conv 3x3/2 -> ReLU -> dense -> logits [batch, 4]."""
    rng = np.random.default_rng(3)
    nodes = [
        helper.make_node("Transpose", ["image"], ["t"], perm=[0, 3, 1, 2], name="t"),
        helper.make_node(
            "Conv", ["t", "k", "c"], ["h"], strides=[2, 2], pads=[0, 0, 1, 1], name="conv"
        ),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("Flatten", ["r"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"], name="dense"),
    ]
    weights = {
        "k": rng.normal(0, 0.7, (8, 1, 3, 3)), "c": rng.normal(0, 0.1, 8), "w": rng.normal(0, 0.7, (72, CLASSES)),
        "b": rng.normal(0, 0.1, CLASSES),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes, "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def onnx_oracle(model: onnx.ModelProto) -> attacks.OnnxOracle:
    return attacks.OnnxOracle(make_session(gradient_model(model).SerializeToString(), threads=1))


def write_bundle(folder, models, limits=(0.0, 1.0), names=NAMES):
    """A bundle of these graphs, by name; limits: the declared range of the image, or None."""
    folder.mkdir(parents=True)
    graphs = {}
    for name, model in models.items():
        onnx.save(model, folder / f"{name}.onnx")
        held = {tensor.name for tensor in model.graph.initializer}
        inputs, outputs = (
            tuple(_tensor(info, limits) for info in side if info.name not in held)
            for side in (model.graph.input, model.graph.output)
        )
        graphs[name] = Graph(name, f"{name}.onnx", inputs, outputs, 18, None, {}, {})
    files = {
        path.name: File(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
        for path in folder.iterdir()
    }
    manifest = Manifest(
        schema=1, model="classifier", model_id="0" * 64, precision="fp32", target="cpu", version="0", licence="", paper="",
        lecture="", config={"names": names}, graphs=graphs, files=files, quality=None, tools={},
    )  # fmt: skip
    (folder / "bundle.json").write_text(manifest.to_json())
    return folder


def _tensor(info, limits):
    shape = tuple(d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim)
    dtype = {1: "float32", 2: "uint8", 7: "int64"}[info.type.tensor_type.elem_type]
    image = info.name == "image"
    example = tuple(1 if isinstance(size, str) else size for size in shape)
    return Tensor(
        info.name, dtype, shape, limits if image else None, "NHWC" if image else "", example
    )
