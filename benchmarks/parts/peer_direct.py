"""The yardstick: the same two networks written by hand in ONNX, channels first, nothing but arithmetic.

What our exporter loses, if anything, shows against these. Fixed sizes, batch 1, no Transpose anywhere.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


class _Graph:
    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, op: str, *inputs: str, **attributes) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, array: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weights(self, layer: Any) -> tuple[str, str]:
        """Kernel and bias; Keras' [kh, kw, in, out] (transposed: [kh, kw, out, in]) reversed."""
        kernel = np.asarray(layer.kernel)
        kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel
        name = layer.name
        return self.constant(f"{name}/kernel", kernel), self.constant(
            f"{name}/bias", np.asarray(layer.bias)
        )

    def model(self, result: str, source: list[int], target: list[int]) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [result], ["y"]))
        graph = helper.make_graph(
            self.nodes, "direct",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, source)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, target)],
            self.constants,
        )  # fmt: skip
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset)
        model.ir_version = helper.find_min_ir_version_for(opset)
        onnx.checker.check_model(model, full_check=True)
        return model


def unet(network: Any, config: Any, size: int) -> onnx.ModelProto:
    """The padded U-Net with a regression head: x [1, C, size, size] -> y [1, outputs, size, size]."""
    g = _Graph()

    def two_convolutions(x: str, name: str) -> str:
        for part in "ab":
            weights = g.weights(network.get_layer(name + part))
            x = g.node("Relu", g.node("Conv", x, *weights, kernel_shape=[3, 3], pads=[1] * 4))
        return x

    x, skips = "x", []
    for level in range(config.depth):
        x = two_convolutions(x, f"down{level}")
        skips.append(x)
        x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = two_convolutions(x, "bottom")
    for level in reversed(range(config.depth)):
        weights = g.weights(network.get_layer(f"up{level}"))
        x = g.node("ConvTranspose", x, *weights, kernel_shape=[2, 2], strides=[2, 2])
        x = g.node("Concat", skips[level], x, axis=1)
        x = two_convolutions(x, f"merge{level}")
    x = g.node("Conv", x, *g.weights(network.get_layer("head")), kernel_shape=[1, 1])
    return g.model(x, [1, config.shape[-1], size, size], [1, config.outputs, size, size])


def decoder(network: Any, config: Any) -> onnx.ModelProto:
    """The VAE's decoder: x [1, latent_dim] -> y [1, H, W, C]."""
    g, x = _Graph(), "x"
    for layer in (layer for layer in network.layers if hasattr(layer, "kernel")):
        x = g.node("Gemm", x, *g.weights(layer))
        if layer.activation.__name__ == "silu":
            x = g.node("Mul", x, g.node("Sigmoid", x))
    x = g.node("Sigmoid", x)
    x = g.node("Reshape", x, g.constant("shape", np.array([1, *config.shape])))
    return g.model(x, [1, config.latent_dim], [1, *config.shape])
