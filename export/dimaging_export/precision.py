"""Smaller numbers: fp16 and int8 versions of a float32 graph, its inputs and outputs unchanged.

fp16        half the bytes. onnxruntime computes it in float32 on a CPU: for GPUs and downloads.
int8, conv  static QDQ: u8 activations x s8 weights per channel, ranges by min-max over real inputs.
            Weights use 7 of their 8 bits, since AVX2 without VNNI saturates sums of full-range
            products. What makes an output (the last convolution and its activation) stays float32:
            it costs little time and gives back most of the lost signal. Transposed convolutions
            become sub-pixel convolutions, which alone have int8 kernels.
int8, dense dynamic: the ranges of activations are taken anew in each run. A graph of matrix products
            alone is better and faster so (VAE decoder on digits: 0.001 nats lost instead of 0.3).
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from dimaging_edge.errors import near
from dimaging_export.errors import ExportError
from dimaging_export.graph import clean, sort_nodes
from dimaging_export.subpixel import rewrite
from dimaging_export.verify import verify

Feeds = Sequence[dict[str, np.ndarray]]
"""Real inputs of a graph, one dict per image, batch 1."""

CALIBRATION_IMAGES = 32

_CONVOLUTIONS = {"Conv", "ConvTranspose"}
_PRODUCTS = _CONVOLUTIONS | {"Gemm", "MatMul"}


def change_precision(model: onnx.ModelProto, precision: str, feeds: Feeds) -> onnx.ModelProto:
    """A new model of this precision; `feeds` calibrate int8. ExportError for an unknown name."""
    if precision not in PRECISIONS:
        raise ExportError(f"unknown precision {precision!r}; {near(precision, list(PRECISIONS))}")
    changed = PRECISIONS[precision](_copy(model), feeds)
    clean(changed)
    verify(changed)
    return changed


def fp32(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """As it is."""
    return model


def fp16(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Weights and arithmetic in float16 between float32 inputs and outputs."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    smaller = convert_float_to_float16(model, keep_io_types=True)
    sort_nodes(smaller)
    return smaller


def int8(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Static QDQ for a graph with convolutions, dynamic for one of matrix products."""
    ops = {node.op_type for node in model.graph.node}
    if not ops & _PRODUCTS:
        raise ExportError(
            f"graph {model.graph.name!r} has no convolution or matrix product that int8 would make "
            "smaller or faster; export it with precision='fp32'"
        )
    if not ops & _CONVOLUTIONS:
        return _dynamic(model)
    if not feeds:
        raise ExportError(
            "int8 needs real images to calibrate on and was given none. Pass data=: an array [N, H, W, C] "
            "or a name such as 'mnist5k' (dimaging export --data mnist5k)"
        )
    return _static(model, feeds)


PRECISIONS: dict[str, Callable[[onnx.ModelProto, Feeds], onnx.ModelProto]] = {
    "fp32": fp32,
    "fp16": fp16,
    "int8": int8,
}


def _static(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.feeds = iter(feeds)

        def get_next(self):
            return next(self.feeds, None)

    outer = output_nodes(model)
    rewrite(model, keep=outer)
    clean(model)
    return _through_files(
        model,
        lambda source, target: quantize_static(
            source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_exclude=sorted(outer),
        ),
    )  # fmt: skip


def _dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    _split_gemm(model)
    return _through_files(
        model,
        lambda source, target: quantize_dynamic(
            source, target, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
        ),
    )


def output_nodes(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the nodes between the last products and the outputs, those products included.

    Empty where that would be every product of the graph: something must become int8.
    """
    made_by = {name: node for node in model.graph.node for name in node.output}
    names, queue = set(), [tensor.name for tensor in model.graph.output]
    while queue:
        node = made_by.get(queue.pop())
        if node is not None and node.name not in names:
            names.add(node.name)
            if node.op_type not in _PRODUCTS:
                queue.extend(node.input)
    products = {node.name for node in model.graph.node if node.op_type in _PRODUCTS}
    return frozenset() if products <= names else frozenset(names)


def _split_gemm(model: onnx.ModelProto) -> None:
    """Gemm -> MatMul + Add: the dynamic quantiser knows MatMul alone. Ours never transpose or scale."""
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Gemm" or node.attribute:
            nodes.append(node)
            continue
        product = f"{node.name}/product"
        nodes.append(helper.make_node("MatMul", node.input[:2], [product], name=product))
        nodes.append(
            helper.make_node("Add", [product, *node.input[2:]], node.output, name=node.name)
        )
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)


def _through_files(model: onnx.ModelProto, quantize: Callable[[str, str], None]) -> onnx.ModelProto:
    """Onnxruntime's quantisers read and write files (and empty the weights of a model in memory)."""
    # Says that the graph is swept and its shapes are known, which is what the quantiser warns about.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory() as folder:
        source, target = (str(Path(folder, name)) for name in ("float.onnx", "int8.onnx"))
        onnx.save(model, source)
        quantize(source, target)
        result = onnx.load(target)
    result.ClearField("metadata_props")
    result.producer_name = model.producer_name
    return result


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
